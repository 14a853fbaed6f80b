"""Bytes to Document: the only way in, with every limit; nothing named in a document is ever fetched."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from stoa.openapi.bundle import MAX_BYTES, bundle
from stoa.openapi.document import Document, Node
from stoa.openapi.grammar import V20, V31, Grammar
from stoa.openapi.inspection import Inspection
from stoa.openapi.refusal import INVALID, NOT_PARSEABLE, TOO_DEEP, TOO_LARGE, VERSION_UNSUPPORTED, SpecRefused
from stoa.openapi.yaml_events import MAX_DEPTH, read_yaml

_V3 = re.compile(r"3\.[01]\.\d+\Z")
_CONSTANT = re.compile(r"[:,\[]\s*(NaN|-?Infinity)\s*[,\]}]")
_SURROGATE = re.compile(r"\\u[dD][89abAB]")


def parse(data: bytes, *, name: str, files: Mapping[str, bytes] | None = None) -> Document:
    """Read an OpenAPI 3.1, 3.0 or Swagger 2.0 document from JSON or YAML bytes.

    The content decides between JSON and YAML, not the name. `name` is the document's path inside its
    API folder; `files` are the other files of that folder by relative path, and references to them are
    bundled into the document, which then has no hash of its source. Raises SpecRefused and nothing else.
    """
    if len(data) > MAX_BYTES:
        raise SpecRefused(TOO_LARGE, f"larger than {MAX_BYTES // 2**20} MB")
    written = read_content(data)
    grammar = grammar_of(written)
    _check_shapes(written, grammar)
    content = bundle(written, name, files, grammar, read_content) if files is not None else written
    if content is not written:
        _check_shapes(content, grammar)
    return Document(content, name, hashlib.sha256(data).hexdigest() if content is written else None)


def _check_shapes(content: Node, grammar: Grammar) -> None:
    for finding in Inspection(grammar, strict=False).run(content).findings:
        if not finding.mendable:
            raise SpecRefused(INVALID, finding.detail, pointer=finding.pointer)


def grammar_of(content: Node) -> Grammar:
    """The grammar an input of this version is walked with; raises SpecRefused for other versions."""
    version = content.get("openapi")
    if isinstance(version, str) and _V3.match(version) and "swagger" not in content:
        return V31
    if content.get("swagger") in ("2.0", 2.0) and version is None:
        return V20
    if version is None and "swagger" not in content:
        raise SpecRefused(VERSION_UNSUPPORTED, "not an OpenAPI document: neither `openapi` nor `swagger` at its root")
    shown = json.dumps(version if version is not None else content["swagger"], default=str)[:40]
    raise SpecRefused(
        VERSION_UNSUPPORTED, f"version {shown} is not supported; use 3.1.x, 3.0.x or Swagger 2.0", pointer="/openapi"
    )


def read_content(data: bytes) -> Node:
    """The mapping in these bytes, within the limits of depth and aliases."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SpecRefused(NOT_PARSEABLE, "the file is not UTF-8", line=line) from None
    content = _read_json(text) if text.lstrip(" \t\r\n")[:1] in ("{", "[") else read_yaml(text)
    if not isinstance(content, dict):
        raise SpecRefused(NOT_PARSEABLE, "the document is not an object at its root", line=1)
    _check_depth(content)
    return content


def _read_json(text: str) -> Any:
    try:
        content = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite_float
        )
    except json.JSONDecodeError as error:
        raise SpecRefused(NOT_PARSEABLE, f"not readable as JSON: {error.msg}", line=error.lineno) from None
    except RecursionError:
        raise SpecRefused(TOO_DEEP, f"nested more than {MAX_DEPTH} levels deep") from None
    except ValueError:
        raise SpecRefused(NOT_PARSEABLE, "a number with too many digits") from None
    except SpecRefused as refused:
        raise _with_line(refused, text) from None
    if _SURROGATE.search(text):
        _check_text(content)
    return content


def _with_line(refused: SpecRefused, text: str) -> SpecRefused:
    """The JSON reader's hooks are told no position: find the line again, now that time does not matter."""
    constant = _CONSTANT.search(text) if refused.detail.endswith("is not a JSON value") else None
    if constant is not None:
        return SpecRefused(refused.code, refused.detail, line=text.count("\n", 0, constant.start(1)) + 1)
    try:
        read_yaml(text)
    except SpecRefused as again:
        if "appears twice" in again.detail and "appears twice" in refused.detail:
            return again
    return refused


def _unique(pairs: list[tuple[str, Any]]) -> Node:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise SpecRefused(NOT_PARSEABLE, f"the key `{twice}` appears twice in one object")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise SpecRefused(NOT_PARSEABLE, f"{name} is not a JSON value")


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise SpecRefused(NOT_PARSEABLE, "a number that is too large")
    return number


def _check_text(content: Any) -> None:
    """JSON may escape half a surrogate pair, which no UTF-8 file can hold."""
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise SpecRefused(NOT_PARSEABLE, "a string holds half of a surrogate pair") from None
    except RecursionError:
        raise SpecRefused(TOO_DEEP, f"nested more than {MAX_DEPTH} levels deep") from None


def _check_depth(content: Node) -> None:
    level: list[Any] = [content]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for node in level:
            values = node.values() if type(node) is dict else node
            below += [value for value in values if type(value) is dict or type(value) is list]
        if not below:
            return
        level = below
    raise SpecRefused(TOO_DEEP, f"nested more than {MAX_DEPTH} levels deep")
