"""Bytes to Document: the only way in, with every limit; nothing named in a document is ever fetched."""

from __future__ import annotations

import hashlib
import json
import math
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from stoa.openapi.bundle import MAX_BYTES, bundle
from stoa.openapi.document import Document, Node, pointer_of
from stoa.openapi.grammar import V20, V31, Grammar
from stoa.openapi.inspection import Inspection
from stoa.openapi.json_text import Spot, has_too_many_digits, is_half_a_pair, is_too_large, line_where
from stoa.openapi.origin import Origin, is_json, place
from stoa.openapi.refusal import INVALID, NOT_PARSEABLE, TOO_DEEP, TOO_LARGE, VERSION_UNSUPPORTED, SpecRefused
from stoa.openapi.yaml_events import MAX_DEPTH, read_yaml

_V3 = re.compile(r"3\.[01]\.\d+\Z")
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
    origin = Origin(posixpath.normpath(name), data)
    with origin.told():
        grammar = grammar_of(written)
        _check_shapes(written, grammar)
        content = bundle(written, origin, files, grammar, read_content) if files is not None else written
        if content is not written:
            _check_shapes(content, grammar)
    return Document(content, name, hashlib.sha256(data).hexdigest() if content is written else None, origin)


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
        detail = "not an OpenAPI document: neither `openapi` nor `swagger` at its root"
        raise SpecRefused(VERSION_UNSUPPORTED, detail, pointer="")
    shown = json.dumps(version if version is not None else content["swagger"], default=str)[:40]
    detail = f"version {shown} is not supported; use 3.1.x, 3.0.x or Swagger 2.0"
    raise SpecRefused(VERSION_UNSUPPORTED, detail, pointer="/swagger" if version is None else "/openapi")


def read_content(data: bytes) -> Node:
    """The mapping in these bytes, within the limits of depth and aliases."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SpecRefused(NOT_PARSEABLE, "the file is not UTF-8", line=line) from None
    content = _read_json(text) if is_json(text) else read_yaml(text)
    if not isinstance(content, dict):
        raise SpecRefused(NOT_PARSEABLE, "the document is not an object at its root", line=1)
    _check_depth(content, data)
    return content


def _read_json(text: str) -> Any:
    try:
        content = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite_float
        )
    except json.JSONDecodeError as error:
        raise SpecRefused(NOT_PARSEABLE, f"not readable as JSON: {error.msg}", line=error.lineno) from None
    except RecursionError:
        raise _at(text, TOO_DEEP, f"nested more than {MAX_DEPTH} levels deep", _is_too_deep) from None
    except ValueError:
        raise _at(text, NOT_PARSEABLE, "a number with too many digits", has_too_many_digits) from None
    except _Fault as fault:
        raise _at(text, NOT_PARSEABLE, fault.detail, fault.is_at) from None
    if _SURROGATE.search(text):
        _check_text(content, text)
    return content


class _Fault(Exception):
    """What a hook of the JSON reader finds, which is told no position, and how to know its place again."""

    def __init__(self, detail: str, is_at: Callable[[Spot], bool]) -> None:
        super().__init__(detail)
        self.detail = detail
        self.is_at = is_at


def _at(text: str, code: str, detail: str, is_at: Callable[[Spot], bool]) -> SpecRefused:
    return SpecRefused(code, detail, line=line_where(text, is_at))


def _is_too_deep(spot: Spot) -> bool:
    return len(spot.path) >= MAX_DEPTH and spot.text in ("{", "[")


def _unique(pairs: list[tuple[str, Any]]) -> Node:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Fault(f"the key `{twice}` appears twice", lambda spot: spot.repeated and spot.path[-1] == twice)
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise _Fault(f"{name} is not a JSON value", lambda spot: spot.text.startswith(name))


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Fault("a number that is too large", is_too_large)
    return number


def _check_text(content: Any, text: str) -> None:
    """JSON may escape half a surrogate pair, which no UTF-8 file can hold."""
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _at(text, NOT_PARSEABLE, "a string holds half of a surrogate pair", is_half_a_pair) from None
    except RecursionError:
        raise _at(text, TOO_DEEP, f"nested more than {MAX_DEPTH} levels deep", _is_too_deep) from None


def _check_depth(content: Node, data: bytes) -> None:
    level: list[Any] = [content]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for node in level:
            values = node.values() if type(node) is dict else node
            below += [value for value in values if type(value) is dict or type(value) is list]
        if not below:
            return
        level = below
    line = place(data, _deep_pointer(content)).line
    raise SpecRefused(TOO_DEEP, f"nested more than {MAX_DEPTH} levels deep", line=line)


def _deep_pointer(content: Node) -> str:
    """The pointer of the first that is too deep; a list of what is still to be looked at could be 1.7 GB."""
    path: list[str] = []
    _goes_too_deep(content, path)
    return pointer_of(path)


def _goes_too_deep(node: Any, path: list[str]) -> bool:
    """Leaves in `path` the way to what is too deep, and otherwise what was in it."""
    if len(path) >= MAX_DEPTH:
        return True
    for key, item in node.items() if type(node) is dict else enumerate(node):
        if type(item) is dict or type(item) is list:
            path.append(str(key))
            if _goes_too_deep(item, path):
                return True
            path.pop()
    return False
