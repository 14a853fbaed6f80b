"""Names for components: legal, unique and the same on every run."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LEGAL = re.compile(r"[a-zA-Z0-9._-]+\Z")
_ILLEGAL = re.compile(r"[^a-zA-Z0-9._-]+")
_KEYWORDS = frozenset({"components", "schemas", "$defs", "definitions", "properties", "schema", "content", "paths"})


def is_legal(name: str) -> bool:
    """True when 3.0 accepts the name below `components`."""
    return _LEGAL.match(name) is not None


def legal(name: str) -> str:
    """The name with every run of illegal characters as one underscore."""
    return _ILLEGAL.sub("_", name).strip("_") or "unnamed"


def from_tokens(tokens: list[str]) -> str:
    """A readable name for what a deep pointer points at: the last three names on its way."""
    return legal("_".join([token for token in tokens if token not in _KEYWORDS][-3:]))


class Names:
    """The names taken in one section; a new one that collides gets the next free numeric suffix."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._last: dict[str, int] = {}

    def take(self, wanted: str) -> str:
        """The wanted name, or the wanted name with `_2`, `_3`, ..."""
        name, number = wanted, self._last.get(wanted, 1)
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._last[wanted] = number
        self._taken.add(name)
        return name
