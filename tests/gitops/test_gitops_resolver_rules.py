"""What holds for every text and every set of variables: it ends, and nothing is left half done."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stoa.kernel.errors import Refused
from stoa.repository.variables import MAX_TEXT, Resolver, Variable
from stoa.repository.yaml_source import Source

NAMES = ["A", "B", "C", "D", "E"]
CODES = {"VARIABLE_MISSING", "VARIABLE_CYCLE", "VARIABLE_INVALID", "VARIABLES_TOO_LARGE"}

plain = st.text(alphabet="ab1 :/-}.", max_size=6)
names = st.sampled_from(NAMES)
texts = st.recursive(
    plain | names.map(lambda name: f"${{{name}}}"),
    lambda inner: (
        st.tuples(names, inner).map(lambda found: f"${{{found[0]}:{found[1]}}}")
        | st.lists(inner, max_size=3).map("".join)
    ),
    max_leaves=6,
)
# pieces that fit together or do not
noise = st.lists(st.sampled_from(["$", "{", "}", "${", "$${", ":", "A", "B", "a", "1", "${A}", "${B:"]), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=6,
)


def resolve(value: Any, given: dict[str, Any]) -> Any:
    source = Source("api.yaml", {}, {(): 1})
    resolver = Resolver({name: Variable(item, "variables.yaml", 1) for name, item in given.items()})
    made = resolver.resolve(source, value)
    resolver.finish()
    return made


def resolve_or_refusal(value: Any, given: dict[str, Any]) -> Any:
    try:
        return resolve(value, given)
    except Refused as refused:
        return refused


def swallow(value: Any, given: dict[str, Any]) -> Any:
    """The resolved value; None after a refusal, which must say where."""
    found = resolve_or_refusal(value, given)
    if not isinstance(found, Refused):
        return found
    assert found.code in CODES
    assert found.file in {"api.yaml", "variables.yaml"}
    assert found.line == 1
    assert found.hint
    return None


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list) else [value]


@settings(max_examples=300, deadline=None)
@given(values, st.dictionaries(names, values))
def test_nothing_unescaped_is_left_and_a_second_time_changes_nothing(value: Any, variables: dict[str, Any]) -> None:
    made = swallow(value, variables)
    assert [leaf for leaf in leaves(made) if isinstance(leaf, str) and "${" in leaf] == []
    assert resolve(made, variables) == made


@settings(max_examples=300, deadline=None)
@given(noise.map("".join), st.dictionaries(names, noise.map("".join)))
def test_any_pieces_end_in_a_value_or_a_refusal(text: str, variables: dict[str, Any]) -> None:
    swallow(text, variables)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_escaped_text_comes_out_as_it_was(text: str) -> None:
    if not text.endswith("$") and "$${" not in text:
        assert resolve(text.replace("${", "$${"), {}) == text


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(names, st.lists(names.map(lambda name: f"${{{name}}}"), min_size=1, max_size=4).map("".join)))
def test_mutual_references_end(variables: dict[str, str]) -> None:
    swallow("${A}${B}", variables)


@settings(max_examples=100, deadline=None)
@given(st.permutations(NAMES), st.data())
def test_references_without_a_circle_resolve_in_any_order(order: list[str], data: st.DataObject) -> None:
    variables = {"Z": "z"}
    for name in order:  # each may refer only to those before it
        known = st.sampled_from(sorted(variables)).map(lambda found: f"${{{found}}}")
        variables[name] = "".join(data.draw(st.lists(known, min_size=1, max_size=3)))
    assert set(resolve(f"${{{order[-1]}}}", variables)) == {"z"}


def bomb(step: Any, last: Any, levels: int = 18) -> dict[str, Any]:
    variables = {f"V{n}": step(f"${{V{n + 1}}}") for n in range(levels)}
    return {**variables, f"V{levels}": last}


BOMBS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "text doubled": ("${V0}", bomb(lambda next_: next_ * 2, "lol"), "VARIABLES_TOO_LARGE"),
    "nothing doubled": ("${V0}", bomb(lambda next_: next_ * 2, ""), "VARIABLES_TOO_LARGE"),
    "null in fifties": ("${V0}", bomb(lambda next_: next_ * 50, None), "VARIABLES_TOO_LARGE"),
    "lists in tens": ("${V0}", bomb(lambda next_: [next_] * 10, 1, 8), "VARIABLES_TOO_LARGE"),
    "one long list, often": (["${L}"] * 5000, {"L": [1] * 5000}, "VARIABLES_TOO_LARGE"),
    "one long text, often": (["${L}"] * 5000, {"L": "x" * (MAX_TEXT // 2)}, "VARIABLES_TOO_LARGE"),
    "a long chain": ("${V0}", bomb(lambda next_: next_, "x", 5000), "VARIABLE_CYCLE"),
    "defaults in defaults": ("${A:" * 800 + "x" + "}" * 800, {}, "VARIABLE_CYCLE"),
    "defaults in defaults, often": (
        "${V0}", bomb(lambda next_: "${A:" * 19 + next_ + "}" * 19, "x"), "VARIABLE_CYCLE",
    ),
    "lists in lists, often": ("${V0}", bomb(lambda next_: [[[[[[[next_]]]]]]], 1), "VARIABLE_CYCLE"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_at_once(name: str) -> None:
    value, variables, code = BOMBS[name]
    started = time.thread_time()
    with pytest.raises(Refused) as caught:
        resolve(value, variables)
    assert caught.value.code == code
    assert time.thread_time() - started < 5


def test_a_chain_of_twenty_is_fine() -> None:
    assert resolve("${V0}", bomb(lambda next_: next_, "x", 19)) == "x"
