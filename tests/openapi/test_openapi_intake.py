"""Bytes become a document, or are refused with a code, a line and a sentence."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

import pytest

from stoa.openapi import SpecRefused, parse

HEAD = "openapi: 3.1.0\ninfo: {title: T, version: '1'}\npaths: {}\n"


def _refusal(data: bytes | str) -> SpecRefused:
    with pytest.raises(SpecRefused) as caught:
        parse(data.encode() if isinstance(data, str) else data, name="openapi.yaml")
    return caught.value


def _extra(text: str) -> Any:
    return parse((HEAD + text).encode(), name="x").content["x-data"]


def test_response_codes_and_other_keys_become_strings() -> None:
    assert _extra("x-data: {200: a, 4.5: b, true: c, null: d, on: e, 2024-01-01: f}") == {
        "200": "a", "4.5": "b", "true": "c", "null": "d", "on": "e", "2024-01-01": "f",
    }  # fmt: skip


def test_yaml_values_follow_the_json_rules_of_yaml_1_2() -> None:
    written = (
        "x-data: [yes, NO, 2024-01-01, 1:30, 010, 08012, 0x1F, 0o17, 1e3, .5, null, true, '200', \"1.5\", !!str 7]"
    )
    assert _extra(written) == [
        "yes", "NO", "2024-01-01", "1:30", "010", "08012", 31, 15, 1000.0, 0.5, None, True, "200", "1.5", "7",
    ]  # fmt: skip


def test_aliases_and_merge_keys_are_expanded() -> None:
    text = "x-base: &b {a: 1, c: 2}\nx-data:\n  <<: *b\n  c: 3\n  again: *b\n"
    assert _extra(text) == {"c": 3, "again": {"a": 1, "c": 2}, "a": 1}


def test_a_byte_order_mark_is_skipped() -> None:
    assert parse(b"\xef\xbb\xbf" + HEAD.encode(), name="x").version == "3.1.0"


def test_content_decides_between_json_and_yaml() -> None:
    as_json = json.dumps({"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": {}})
    assert parse(as_json.encode(), name="x.yaml").content == parse(as_json.encode(), name="x.json").content


@pytest.mark.parametrize(
    ("data", "code", "line"),
    [
        ("", "SPEC_NOT_PARSEABLE", None),
        ("# nothing\n", "SPEC_NOT_PARSEABLE", None),
        ("- a\n- b\n", "SPEC_NOT_PARSEABLE", 1),
        ("[1, 2]", "SPEC_NOT_PARSEABLE", 1),
        (b"openapi: '3.1.0'\ninfo: \xff\xfe\n", "SPEC_NOT_PARSEABLE", 2),
        ("openapi: 3.1.0\n  info: [\n", "SPEC_NOT_PARSEABLE", 2),
        ('{"openapi": "3.1.0",\n "a": }', "SPEC_NOT_PARSEABLE", 2),
        ("a: 1\nb: 2\na: 3\n", "SPEC_NOT_PARSEABLE", 3),
        ("200: 1\n'200': 3\n", "SPEC_NOT_PARSEABLE", 2),
        ('{"a": 1, "a": 2}', "SPEC_NOT_PARSEABLE", 1),
        ("a: .nan\n", "SPEC_NOT_PARSEABLE", 1),
        ("a: -.inf\n", "SPEC_NOT_PARSEABLE", 1),
        ("a: 1e999\n", "SPEC_NOT_PARSEABLE", 1),
        ('{"a": NaN}', "SPEC_NOT_PARSEABLE", 1),
        ('{"a": 5e3,\n"b":\n1e999}', "SPEC_NOT_PARSEABLE", 3),
        ('{"a": 1,\n"b": -' + "9" * 5000 + "}", "SPEC_NOT_PARSEABLE", 2),
        ("a: " + "9" * 5000, "SPEC_NOT_PARSEABLE", 1),
        ('{"a": "\\ud83d\\ude00",\n"b": "\\ud800"}', "SPEC_NOT_PARSEABLE", 2),
        ('{"a": 1,\n"\\ud800": 1}', "SPEC_NOT_PARSEABLE", 2),
        ('{"b": "NaN",\n\t"a": [1, -Infinity]}', "SPEC_NOT_PARSEABLE", 2),
        ('{"a": {"b": 1},\n\t"c": {"b": 2,\n"b": 3}}', "SPEC_NOT_PARSEABLE", 3),
        ("é: ééé\na: ééé\x07\n", "SPEC_NOT_PARSEABLE", 2),
        ('{"a":\n1e999x}', "SPEC_NOT_PARSEABLE", 2),
        ('{"a":\nNaNx}', "SPEC_NOT_PARSEABLE", 2),
        ('{"a":\n' + "9" * 5000 + "x}", "SPEC_NOT_PARSEABLE", 2),
        ("a: 1\n---\nb: 2\n", "SPEC_NOT_PARSEABLE", 2),
        ("a: !!python/object:os.system x\n", "SPEC_NOT_PARSEABLE", 1),
        ("a: !Sub x\n", "SPEC_NOT_PARSEABLE", 1),
        ("? [a]\n: b\n", "SPEC_NOT_PARSEABLE", 1),
        ("a: *nobody\n", "SPEC_NOT_PARSEABLE", 1),
        ("a: &a [*a]\n", "SPEC_ALIAS_BOMB", 1),
        ("a: " + "[" * 101 + "]" * 101, "SPEC_TOO_DEEP", 1),
        ('{"a":\n' + "[" * 100 + "]" * 100 + "}", "SPEC_TOO_DEEP", 2),
        ('{"a":\n' + "[" * 100_000 + "]" * 100_000 + "}", "SPEC_TOO_DEEP", 2),
        ("b: &b " + "[" * 60 + "]" * 60 + "\na:\n  " + "[" * 50 + "\n*b" + "]" * 50, "SPEC_TOO_DEEP", 4),
        ("x" * (5 * 1024 * 1024 + 1), "SPEC_TOO_LARGE", None),
        ("title: no version\n", "SPEC_VERSION_UNSUPPORTED", 1),
        ("info: {}\nopenapi: 3.2.0\n", "SPEC_VERSION_UNSUPPORTED", 2),
        ("openapi: 3.1\n", "SPEC_VERSION_UNSUPPORTED", 1),
        ("# old\nswagger: '1.2'\n", "SPEC_VERSION_UNSUPPORTED", 2),
        ("openapi: 3.0.0\nswagger: '2.0'\n", "SPEC_VERSION_UNSUPPORTED", 1),
    ],
)
def test_refuses_with_a_stable_code_and_the_line_where_it_is_known(
    data: bytes | str, code: str, line: int | None
) -> None:
    refused = _refusal(data)
    assert (refused.code, refused.line) == (code, line)
    assert refused.detail
    assert code in str(refused)


def test_refuses_an_alias_bomb_before_it_unfolds() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
    assert _refusal(HEAD + bomb).code == "SPEC_ALIAS_BOMB"


def test_refuses_many_aliases_of_one_large_value() -> None:
    large = "x-a: &a [" + "1, " * 2000 + "1]\n" + "x-b: [" + "*a, " * 500 + "*a]\n"
    assert _refusal(HEAD + large).code == "SPEC_ALIAS_BOMB"


def test_refuses_more_than_fifty_thousand_schemas() -> None:
    content = {"openapi": "3.1.0", "components": {"schemas": {f"s{i}": {} for i in range(50_001)}}}
    refused = _refusal(json.dumps(content))
    assert refused.code == "SPEC_TOO_LARGE"
    assert "50,000" in refused.detail


def test_accepts_a_document_exactly_one_hundred_levels_deep() -> None:
    nested: Any = "leaf"
    for _ in range(98):
        nested = [nested]
    content = {"openapi": "3.1.0", "x-deep": {"a": nested}}
    assert parse(json.dumps(content).encode(), name="x").content == content


def test_the_line_of_a_fault_behind_a_long_text_costs_no_memory() -> None:
    """A regular expression that may come back to each escape remembers all of them."""
    data = ('{"a": "' + "\\n" * 500_000 + '",\n"b": NaN}').encode()
    tracemalloc.start()
    try:
        assert _refusal(data).line == 2
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "behind", ['"' + '\\"' * 30_000, "[" * 60_000], ids=["a text without end", "lists without end"]
)
def test_what_is_behind_a_fault_is_not_looked_at_again_and_again(behind: str) -> None:
    """A number with something stuck to its end was passed over, and each character behind it was a new beginning."""
    begun = time.thread_time()
    assert _refusal('{"a": 1e999x, "b": ' + behind).line == 1
    assert time.thread_time() - begun < 1


def test_the_line_of_what_is_too_deep_costs_no_memory() -> None:
    wide = "[" * 97 + ",".join(["[]"] * 60_000) + "]" * 97
    data = '{"deep":\n' + "[" * 100 + "]" * 100 + ', "wide": ' + wide + "}"
    tracemalloc.start()
    try:
        assert (_refusal(data).code, _refusal(data).line) == ("SPEC_TOO_DEEP", 2)
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()
