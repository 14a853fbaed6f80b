"""Scalars of the wrong kind that have one meaning: an unquoted version, a count in quotes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?\Z")
_MAX_DIGITS = 300
UNCLEAR = object()
"""What `coerced` returns for a value that nobody can be sure about."""


class WrittenFloat(float):
    """A number that does not look as it was written: the version 1.10 is not 1.1."""

    written: str

    def __new__(cls, value: float, written: str) -> WrittenFloat:
        made = super().__new__(cls, value)
        made.written = written
        return made


def coerced(shape: str, value: Any) -> Any:
    """The value as its field wants it, or UNCLEAR."""
    reader = _READERS.get(shape)
    return UNCLEAR if reader is None else reader(value)


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, WrittenFloat):
        return value.written
    return str(value) if isinstance(value, int | float) else UNCLEAR


def _types(value: Any) -> Any:
    """Without its quotes, the type null is read as the value."""
    if value is None:
        return "null"
    if isinstance(value, list) and None in value:
        return ["null" if item is None else item for item in value]
    return UNCLEAR


def _texts(value: Any) -> Any:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        return UNCLEAR
    texts = [item if isinstance(item, str) else _text(item) for item in value]
    return UNCLEAR if UNCLEAR in texts else texts


def _truth(value: Any) -> Any:
    return {"true": True, "false": False}.get(value.lower(), UNCLEAR) if isinstance(value, str) else UNCLEAR


def _number(value: Any) -> Any:
    if isinstance(value, str) and len(value) < _MAX_DIGITS and _NUMBER.match(value):
        return float(value) if "." in value else int(value)
    return UNCLEAR


def _whole(value: Any) -> Any:
    number = _number(value) if isinstance(value, str) else value
    return (
        int(number) if isinstance(number, int | float) and not isinstance(number, bool) and number % 1 == 0 else UNCLEAR
    )


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "str": _text,
    "strs": _texts,
    "types": _types,
    "bool": _truth,
    "num": _number,
    "bound": _number,
    "int": _whole,
}
