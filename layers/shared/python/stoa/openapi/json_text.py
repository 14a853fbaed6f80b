"""Where things stand in JSON text: Python's reader tells neither its hooks nor anybody else.

Asked only about a document that is refused already, so that reading a good one costs nothing.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

# possessive: to come back to an escape is of no use, and remembering each takes hundreds of megabytes; a text without
# end goes to the end of the file, or each quote in it would be tried as the beginning of another
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[{}\[\],:]|[^\s{}\[\],:"]++', re.DOTALL)

# as the reader sees one: what is stuck to its end is a fault of its own, found later
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_OPENING = frozenset("{[")
_MARKS = frozenset("}],:")


class Spot(NamedTuple):
    """A value that begins at `at`, or the key of one; `path` leads to it and changes as the walk goes on."""

    at: int
    text: str
    path: list[str]
    is_key: bool
    repeated: bool = False


def spots(text: str) -> Iterator[Spot]:
    """Keys and values in the order of the text; what is behind a syntax error is not to be relied on."""
    walk = _Walk()
    for found in _TOKEN.finditer(text):
        spot = walk.step(found.start(), found[0])
        if spot is not None:
            yield spot


class _Walk:
    """Where the walk is; for each object around it `keys` has those seen so far, for a list nothing."""

    def __init__(self) -> None:
        self.path: list[str] = []
        self.keys: list[set[str] | None] = []
        self.key_next = False
        self._opened = ""

    def step(self, at: int, text: str) -> Spot | None:
        self._enter()
        if text in _MARKS:
            self._mark(text)
            return None
        keys = self.keys[-1] if self.keys and self.key_next else None
        if keys is not None:
            self.path[-1] = key = _text(text)
            self.key_next, repeated = False, key in keys
            keys.add(key)
            return Spot(at, text, self.path, True, repeated)
        self._opened = text if text in _OPENING else ""
        return Spot(at, text, self.path, False)

    def _enter(self) -> None:
        """Only with the next step: until then the path is that of the object or list itself."""
        if self._opened:
            self.key_next = self._opened == "{"
            self.keys.append(set() if self.key_next else None)
            self.path.append("" if self.key_next else "0")
            self._opened = ""

    def _mark(self, text: str) -> None:
        if not self.keys:
            return
        if text == ",":
            self.key_next = self.keys[-1] is not None
            if not self.key_next:
                self.path[-1] = str(int(self.path[-1]) + 1)
        elif text != ":":
            self.keys.pop()
            self.path.pop()
            self.key_next = False


def line_where(text: str, wrong: Callable[[Spot], bool]) -> int | None:
    """The line of the first spot that is wrong."""
    at = next((spot.at for spot in spots(text) if wrong(spot)), None)
    return None if at is None else line_at(text, at)


def line_at(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def is_too_large(spot: Spot) -> bool:
    """A number that is infinite as soon as it is read."""
    number = _NUMBER.match(spot.text)
    return number is not None and bool(number[1] or number[2]) and math.isinf(float(number[0]))


def has_too_many_digits(spot: Spot) -> bool:
    number = _NUMBER.match(spot.text)
    return number is not None and not (number[1] or number[2]) and not _is_number(number[0])


def is_half_a_pair(spot: Spot) -> bool:
    """Half of a surrogate pair, which no UTF-8 file can hold."""
    try:
        _text(spot.text).encode()
    except UnicodeEncodeError:
        return True
    return False


def _is_number(token: str) -> bool:
    try:
        int(token)
    except ValueError:
        return False
    return True


def _text(token: str) -> str:
    with contextlib.suppress(ValueError):
        found = json.loads(token, strict=False) if token.startswith('"') else token
        return str(found)
    return token
