"""YAML 1.2 (core schema) to plain data, from the event stream, so that limits hold while reading.

The usual loaders build first and check later: an alias bomb or a deep nesting has then already done
its work. They also follow YAML 1.1, where `no` is false and 2024-01-01 a date; OpenAPI asks for the
JSON rules of YAML 1.2, so here both stay strings.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import yaml

from stoa.openapi.coercion import WrittenFloat
from stoa.openapi.document import Node
from stoa.openapi.refusal import ALIAS_BOMB, NOT_PARSEABLE, TOO_DEEP, SpecRefused

MAX_DEPTH = 100
MAX_ALIASES = 10_000
MAX_ALIASED_NODES = 250_000

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
# No leading zeros, as in JSON: 08012 is a postal code.
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_BASED = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")
_CORE = "tag:yaml.org,2002:"
_MERGE = object()


class _Anchored(NamedTuple):
    value: Any
    nodes: int
    aliases: int


def read_yaml(text: str) -> Any:
    """The one YAML document in the text as dicts, lists and scalars; raises SpecRefused."""
    try:
        return _Reader(text).read()
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise SpecRefused(NOT_PARSEABLE, f"not readable as YAML: {problem}", line=_line_of(error, text)) from None


def _line_of(error: yaml.YAMLError, text: str) -> int | None:
    if isinstance(error, yaml.reader.ReaderError):  # a character that no YAML may have; it has no mark
        return text.encode().count(b"\n", 0, error.position) + 1  # libyaml counts bytes of UTF-8
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark is not None else None


def _refuse(code: str, detail: str, event: Any) -> SpecRefused:
    return SpecRefused(code, detail, line=event.start_mark.line + 1)


class _Reader:
    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=LOADER)
        self._anchors: dict[str, _Anchored | None] = {}
        self._nodes = 0
        self._aliases = 0
        self._aliased = 0

    def read(self) -> Any:
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            raise SpecRefused(NOT_PARSEABLE, "the file is empty")
        value = self._value(next(self._events), 1)
        next(self._events)
        end = next(self._events)
        if not isinstance(end, yaml.StreamEndEvent):
            raise _refuse(NOT_PARSEABLE, "the file holds more than one YAML document", end)
        return value

    def _value(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if depth > MAX_DEPTH:
            raise _refuse(TOO_DEEP, f"nested more than {MAX_DEPTH} levels deep", event)
        before = self._nodes, self._aliases
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._nodes += 1
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
        elif isinstance(event, yaml.MappingStartEvent):
            value = self._mapping(event, depth)
        else:
            value = self._sequence(event, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, self._nodes - before[0], self._aliases - before[1])
        return value

    def _alias(self, event: Any) -> Any:
        target = self._anchors.get(event.anchor)
        if event.anchor not in self._anchors:
            raise _refuse(NOT_PARSEABLE, f"the alias *{event.anchor} has no anchor", event)
        if target is None:
            raise _refuse(ALIAS_BOMB, f"the alias *{event.anchor} contains itself", event)
        self._aliases += 1 + target.aliases
        self._nodes += target.nodes
        self._aliased += target.nodes
        if self._aliases > MAX_ALIASES:
            raise _refuse(ALIAS_BOMB, f"aliases expand more than {MAX_ALIASES:,} times", event)
        if self._aliased > MAX_ALIASED_NODES:
            raise _refuse(ALIAS_BOMB, f"aliases expand to more than {MAX_ALIASED_NODES:,} values", event)
        return target.value

    def _sequence(self, event: Any, depth: int) -> list[Any]:
        _check_tag(event, "seq")
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, depth + 1))
        return items

    def _mapping(self, event: Any, depth: int) -> Node:
        _check_tag(event, "map")
        result: Node = {}
        merged: list[Any] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event)
            value = self._value(next(self._events), depth + 1)
            if key is _MERGE:
                merged += _mergeable(value, event)
            elif key in result:
                raise _refuse(NOT_PARSEABLE, f"the key `{key}` appears twice", event)
            else:
                result[key] = value
        for source in merged:
            for key, value in source.items():
                result.setdefault(key, value)
        return result

    def _key(self, event: Any) -> Any:
        """A key is always a string: the response code 200 and the name `on` are read as written."""
        if isinstance(event, yaml.AliasEvent):
            value = self._alias(event)
            if not isinstance(value, str):
                raise _refuse(NOT_PARSEABLE, "a key must be a scalar", event)
            return value
        if not isinstance(event, yaml.ScalarEvent):
            raise _refuse(NOT_PARSEABLE, "a key must be a scalar", event)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(event.value, 1, 0)
        return _MERGE if event.value == "<<" and event.implicit[0] else event.value


def _mergeable(value: Any, event: Any) -> list[Node]:
    sources = value if isinstance(value, list) else [value]
    if not all(isinstance(source, dict) for source in sources):
        raise _refuse(NOT_PARSEABLE, "`<<` can only merge mappings", event)
    return sources


def _check_tag(event: Any, *names: str) -> None:
    if event.tag is not None and event.tag not in ("!", *(_CORE + name for name in names)):
        raise _refuse(NOT_PARSEABLE, f"the tag {event.tag} is not allowed", event)


def _scalar(event: Any) -> Any:
    _check_tag(event, "str", "null", "bool", "int", "float", "timestamp", "binary")
    text: str = event.value
    tag = (event.tag or "").removeprefix(_CORE)
    if not event.implicit[0] and tag not in ("null", "bool", "int", "float"):
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    return _number(text, event)


def _number(text: str, event: Any) -> Any:
    if text[0] not in "+-.0123456789":
        return text
    if _NOT_FINITE.match(text):
        raise _refuse(NOT_PARSEABLE, "infinity and not-a-number are not JSON values", event)
    readers: tuple[tuple[re.Pattern[str], Callable[[str], float]], ...] = (
        (_INTEGER, int),
        (_BASED, lambda digits: int(digits[2:], 8 if digits[1] == "o" else 16)),
        (_FLOAT, float),
    )
    for pattern, read in readers:
        if pattern.match(text):
            return _finite(read, text, event)
    return text


def _finite(read: Callable[[str], float], text: str, event: Any) -> float:
    try:
        number = read(text)
    except ValueError:
        raise _refuse(NOT_PARSEABLE, "a number with too many digits", event) from None
    if not isinstance(number, float):
        return number
    if not math.isfinite(number):
        raise _refuse(NOT_PARSEABLE, "a number that is too large", event)
    return number if repr(number) == text else WrittenFloat(number, text)
