"""One value has one canonical text, and two values have two."""

import json
import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stoa.kernel.canonical import canonical

TEXT = st.text(st.characters(codec=None), max_size=6)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))


def shuffled(value: Any, chance: random.Random) -> Any:
    """The same in another order of names."""
    if isinstance(value, list):
        return [shuffled(one, chance) for one in value]
    if isinstance(value, dict):
        return {name: shuffled(value[name], chance) for name in chance.sample(list(value), len(value))}
    return value


@settings(max_examples=150, deadline=None)
@given(VALUES, st.randoms(use_true_random=False))
def test_order_escapes_and_white_space_do_not_matter(value: Any, chance: random.Random) -> None:
    other = json.dumps(shuffled(value, chance), indent=chance.choice([None, 2]), ensure_ascii=chance.random() < 0.5)
    assert canonical(json.loads(other)) == canonical(value)


@settings(max_examples=150, deadline=None)
@given(VALUES, VALUES)
def test_the_same_text_is_the_same_value(one: Any, two: Any) -> None:
    """1 and 1.0 are, True and 1 are not."""
    read = json.loads(canonical(one).decode())
    assert canonical(read) == canonical(one)
    assert (canonical(one) == canonical(two)) == (distinct(one) == distinct(two))


def distinct(value: Any) -> Any:
    """Python finds True equal to 1."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, list):
        return [distinct(one) for one in value]
    if isinstance(value, dict):
        return {name: distinct(one) for name, one in value.items()}
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # RFC 8785, 3.2.3 and appendix B
        ({"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\u00f6": 7},
         '{"\\r":2,"1":4,"\x80":6,"\u00f6":7,"\u20ac":1,"\U0001f600":5,"\ufb33":3}'),
        ('\u20ac$\x0f\nA\'B"\\\\"/', '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),
        ([0.0, -0.0, 5e-324, -5e-324, 1.7976931348623157e308, 9007199254740992.0, 295147905179352830000.0],
         "[0,0,5e-324,-5e-324,1.7976931348623157e+308,9007199254740992,295147905179352830000]"),
        ([9.999999999999997e22, 1e23, 999999999999999700000.0, 1e21, 9.999999999999997e-7, 1e-6, 333333333.3333332],
         "[9.999999999999997e+22,1e+23,999999999999999700000,1e+21,9.999999999999997e-7,0.000001,333333333.3333332]"),
        ([1e30, 4.5, 2e-3, 1e-27, 1e2], "[1e+30,4.5,0.002,1e-27,100]"),
        # ours
        (2**53 + 1, "9007199254740993"),
        ("\udc80\ud83d", '"\\udc80\\ud83d"'),
    ],
)  # fmt: skip
def test_known_texts(value: Any, text: str) -> None:
    assert canonical(value).decode() == text


@pytest.mark.parametrize("value", [math.nan, math.inf, {1: 2}, b"x", {"x": {2}}])
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):
        canonical(value)
