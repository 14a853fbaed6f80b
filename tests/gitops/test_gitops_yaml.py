"""YAML of strangers: plain values with their lines, or a refusal with file and line. Nothing else."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stoa.kernel.errors import Refused
from stoa.repository.yaml_source import MAX_BYTES, MAX_DEPTH, MAX_NAME, MAX_NODES, MAX_NUMBER, Source, read

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"

READ: dict[str, tuple[str, Any]] = {
    "words of JSON": ("a: [true, false, null, 1, -2.5, x]", [True, False, None, 1, -2.5, "x"]),
    "truths of YAML 1.1": ("a: [on, off, yes, NO, True]", [True, False, True, False, True]),
    "quoted they are text": ("a: ['on', \"no\", '1', 'null', '~']", ["on", "no", "1", "null", "~"]),
    "nothing": ("a: [~, null, ]", [None, None]),
    "an empty value": ("a:", None),
    "a day is text": ("a: 2026-11-24", "2026-11-24"),
    "a time is text": ("a: 2026-11-24T10:00:00Z", "2026-11-24T10:00:00Z"),
    "a day that is none is text as well": ("a: 2026-99-99", "2026-99-99"),
    "a version": ("a: 1.0.0", "1.0.0"),
    "text that says it is text": ("a: !!str 12", "12"),
    "an emoji": ("a: \U0001f600", "\U0001f600"),
    "a block": ("a: |\n  x\n  y\n", "x\ny\n"),
    "an alias": ("b: &b {c: 1}\na: *b", {"c": 1}),
    "nothing is merged": ("b: &b {c: 1}\na: {<<: *b}", {"<<": {"c": 1}}),
    "a byte order mark": ("\ufeffa: 1", 1),
    "line ends of Windows": ("b: 1\r\na: 2\r\n", 2),
    "a placeholder": ("a: ${X:1}", "${X:1}"),
    "one document with its marks": ("---\na: 1\n...\n", 1),
}


@pytest.mark.parametrize("name", READ)
def test_reads(name: str) -> None:
    text, gives = READ[name]
    made = read(text.encode(), "f.yaml").content["a"]
    assert made == gives
    assert type(made) is type(gives)


def test_names_are_text_however_they_look() -> None:
    text = b"1: a\non: b\nnull: c\n2026-01-01: d\n1.0: e\n~: f\n=: g\n''  : h\n"
    assert list(read(text, "f").content) == ["1", "on", "null", "2026-01-01", "1.0", "~", "=", ""]


REFUSED: dict[str, tuple[bytes, str, int | None]] = {
    "an empty file": (b"", "YAML_NOT_A_MAPPING", 1),
    "only a comment": (b"# x\n", "YAML_NOT_A_MAPPING", 1),
    "a list": (b"- a\n", "YAML_NOT_A_MAPPING", 1),
    "a text": (b"abc\n", "YAML_NOT_A_MAPPING", 1),
    "too many bytes": (b"a: " + b"x" * MAX_BYTES, "YAML_TOO_LARGE", None),
    "Latin 1": (b"x: 1\na: caf\xe9\n", "YAML_NOT_UTF8", 2),
    "UTF-16": ("x: 1\na: 1\n".encode("utf-16"), "YAML_NOT_UTF8", 1),
    "half a character": (b"x: 1\n\na: \xf0\x9f", "YAML_NOT_UTF8", 3),
    "an encoded surrogate": (b"x: 1\na: \xed\xa0\x80", "YAML_NOT_UTF8", 2),
    "an escaped surrogate": (b'x: 1\na: "\\ud800"', "YAML_INVALID", 2),
    "a control character": ("é: é\na: \x01".encode(), "YAML_INVALID", 2),
    "a NUL": (b"x: 1\na: \0", "YAML_INVALID", 2),
    "an escaped NUL": (b'x: 1\na: "\\0"', "YAML_INVALID", 2),
    "an escaped NUL in a name": (b'x: 1\n"a\\0": 1', "YAML_INVALID", 2),
    "two documents": (b"a: 1\n---\na: 2\n", "YAML_INVALID", 2),
    "a name twice": (b"x:\n  a: 1\n  b: 1\n  a: 2\n", "YAML_DUPLICATE_KEY", 4),
    "a name twice, spelt differently": (b"a: 1\n'a': 2\n", "YAML_DUPLICATE_KEY", 2),
    "a number as a name twice": (b"1: 1\n'1': 2\n", "YAML_DUPLICATE_KEY", 2),
    "a list as a name": (b"x: 1\n? [a]\n: 1\n", "YAML_INVALID", 2),
    "a map as a name": (b"x: 1\n{a: 1}: 1\n", "YAML_INVALID", 2),
    "a long name": (b"x: 1\n" + b"k" * (MAX_NAME + 1) + b": 1", "YAML_INVALID", 2),
    "a long number": (b"x: 1\na: " + b"9" * (MAX_NUMBER + 1), "YAML_INVALID", 2),
    "a long number with base 60": (b"x: 1\na: 1" + b":1" * 90_000 + b".5", "YAML_INVALID", 2),
    "a long number with base 16": (b"x: 1\na: 0x" + b"f" * 5000, "YAML_INVALID", 2),
    "a tag of Python": (b"x: 1\na: !!python/object/apply:os.system [id]", "YAML_INVALID", 2),
    "a tag on a map": (b"x: 1\na: !foo {b: 1}", "YAML_INVALID", 2),
    "a tag on a list": (b"x: 1\na: !foo [1]", "YAML_INVALID", 2),
    "a tag on a text": (b"x: 1\na: !vault |\n  abc", "YAML_INVALID", 2),
    "a tag on a name": (b"x: 1\n!foo a: 1", "YAML_INVALID", 2),
    "a tag on the file": (b"--- !foo\na: 1", "YAML_INVALID", 1),
    "a long tag": (b"x: 1\na: !" + b"t" * 900 + b" 1", "YAML_INVALID", 2),
    "a set": (b"x: 1\na: !!set {b, c}", "YAML_INVALID", 2),
    "bytes": (b"x: 1\na: !!binary aGk=", "YAML_INVALID", 2),
    "a map that says it is text": (b"x: 1\na: !!str {b: 1}", "YAML_INVALID", 2),
    "a text that says it is a map": (b"x: 1\na: !!map b", "YAML_INVALID", 2),
    "a truth that is none": (b"x: 1\na: !!bool maybe", "YAML_INVALID", 2),
    "an empty number": (b"x: 1\na: !!int ''", "YAML_INVALID", 2),
    "an empty fraction": (b"x: 1\na: !!float ''", "YAML_INVALID", 2),
    "a number that is none": (b"x: 1\na: !!int x", "YAML_INVALID", 2),
    "an alias of nothing": (b"x: 1\na: *b", "YAML_INVALID", 2),
    "an alias of itself": (b"x: 1\na: &a [*a]", "YAML_TOO_DEEP", 2),
    "an alias of what is around it": (b"a: &a\n  b:\n    c: *a\n", "YAML_TOO_DEEP", 1),
    "deeper than allowed": (b"x: 1\na: " + b"[" * MAX_DEPTH + b"1" + b"]" * MAX_DEPTH, "YAML_TOO_DEEP", 2),
    "very deep lists": (b"a: " + b"[" * 300_000, "YAML_INVALID", 1),
    "very deep blocks": (b"- " * 300_000, "YAML_INVALID", 1),
    "very deep names": (b"? " * 300_000, "YAML_INVALID", 1),
    "a bomb of lists": (
        b"a0: &a0 [x]\n"
        + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 9)),
        "YAML_TOO_LARGE", 1,
    ),
    "too many values": (b"a: [" + b"1," * MAX_NODES + b"]", "YAML_TOO_LARGE", 1),
    "a tabulator": (b"x:\n\ta: 1", "YAML_INVALID", 2),
    "a quote left open": (b"x: 1\na: 'b\n", "YAML_INVALID", 2),
    "a bracket left open": (b"x: 1\na: [b\n", "YAML_INVALID", 2),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(name: str) -> None:
    data, code, line = REFUSED[name]
    with pytest.raises(Refused) as caught:
        read(data, "tenants/f.yaml")
    error = caught.value
    assert (error.code, error.file, error.line) == (code, "tenants/f.yaml", line)
    assert len(error.detail) < 200
    assert "\0" not in error.detail
    assert error.hint


def test_the_limits_themselves_are_fine() -> None:
    depth = MAX_DEPTH - 1
    text = f"{'k' * MAX_NAME}: {'9' * MAX_NUMBER}\na: {'[' * depth}1{']' * depth}\n"
    assert list(read(text.encode(), "f").content) == ["k" * MAX_NAME, "a"]
    assert len(read(b"a: " + b"x" * (MAX_BYTES - 3), "f").content["a"]) == MAX_BYTES - 3


def test_every_value_knows_its_line() -> None:
    source = read(b"a: 1\nb:\n  - x\n  -\n    c: |\n      y\n", "f")
    assert source.lines == {(): 1, ("a",): 1, ("b",): 3, ("b", 0): 3, ("b", 1): 5, ("b", 1, "c"): 5}
    assert source.line(("b", 1, "gone", "deeper")) == 5
    error = source.refused("CODE", "why", ("b", 1, "c"), "do this")
    assert (error.field, error.file, error.line, error.hint) == ("b.1.c", "f", 5, "do this")
    assert error.where() == "f:5: why"


def test_a_number_remembers_how_it_was_written() -> None:
    source = read(b"a: 1.10\nb: [0777, 12:30, x, true]\nc: '1'\n", "f")
    assert source.content == {"a": 1.1, "b": [511, 750, "x", True], "c": "1"}
    assert source.written == {("a",): "1.10", ("b", 0): "0777", ("b", 1): "12:30"}


def read_or_refusal(data: bytes) -> Source | Refused:
    try:
        return read(data, "f.yaml")
    except Refused as refused:
        return refused


def swallow(data: bytes) -> None:
    found = read_or_refusal(data)
    if isinstance(found, Refused):
        assert found.file == "f.yaml"
        assert found.line is not None
        assert 1 <= found.line <= max(1, len(data.decode(errors="replace").splitlines()))
    else:
        text = json.dumps(found.content, ensure_ascii=False)
        assert "\\u0000" not in text
        assert text.encode()
        assert set(found.written) <= set(found.lines)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    swallow(data)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    swallow(text.encode("utf-8", "surrogatepass"))


pieces = st.sampled_from(
    [
     *"{}[]:,-&*!|>'\"#%@`?<~ab01.", "\n", "\n  ", " ", ": ", "- ", "!!int ", "!!bool ", "!!float ", "!!null ",
     "!!set ", "!!timestamp ", "!foo ", "&a ", "*a", "<<", "---\n", "...", "0x", "1:1", "1e9", 
     ".inf", ".nan", "on", "\\0", "\t",
    ]
)  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(st.lists(pieces, max_size=20).map("".join))
def test_any_punctuation_is_read_or_refused(text: str) -> None:
    swallow(("a: " + text).encode())


words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")), max_size=6)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(words, plain, max_size=4))
def test_what_is_written_as_yaml_is_read_back(content: dict[str, Any]) -> None:
    assert read(yaml.safe_dump(content, allow_unicode=True).encode(), "f").content == content


@pytest.mark.parametrize("name", ["petstore", "BinLookupService-v52", "TransferService-v4"])
def test_reads_real_documents_as_json_does(name: str) -> None:
    path = DATA / "openapi" / f"{name}.json"
    if not path.exists():
        pytest.skip(f"no real document at {path}")
    expected = json.loads(path.read_bytes())
    source = read(path.read_bytes(), path.name)
    assert source.content == expected
    assert all(1 <= line <= len(path.read_bytes().splitlines()) for line in source.lines.values())


def test_infinity_and_nan_are_numbers() -> None:
    found = read(b"a: .inf\nb: .nan\n", "f").content
    assert math.isinf(found["a"])
    assert math.isnan(found["b"])
