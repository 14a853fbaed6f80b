"""The `${VAR}` language: defaults, nesting, recursion, kept types. No secrets: references stay references.

`${NAME}` must be defined, `${NAME:default}` may be; the default may hold `${...}` again; `$${` is a literal
`${`. A value that is one placeholder and nothing else keeps its type; inside text it becomes text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stoa.kernel.errors import Refused
from stoa.repository.yaml_source import MAX_NAME, Path, Source

NAME = re.compile(r"[A-Z][A-Z0-9_]*\Z")
# a step that is no variable: into a default, a list or a map
NAMELESS = ""
MAX_DEPTH = 20
MAX_TEXT = 100_000
MAX_SHOWN = 50
HINTS = {
    "VARIABLE_INVALID": "a placeholder is ${NAME} or ${NAME:default}; write $${ for the two characters themselves",
    "VARIABLE_CYCLE": "give one of them a value that refers to none of the others",
    "VARIABLES_TOO_LARGE": "use fewer or shorter values, or write them out where they are needed",
}
INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})\Z")
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+\Z")
WORDS: Mapping[str, Any] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True)
class Variable:
    """A value with the file and line that gave it. `written` is a number as the file spells it: 1.10 is not 1.1."""

    value: Any
    file: str
    line: int | None
    written: str | None = None


@dataclass
class Resolver:
    """Replaces placeholders. Missing names are collected: `finish` refuses them all in one message."""

    variables: Mapping[str, Variable]
    missing: list[str] = field(default_factory=list)
    _spent: int = 0

    def resolve(self, source: Source, value: Any, path: Path = ()) -> Any:
        """`value`, which stands at `path` of `source`, with every placeholder in it replaced.

        Raises Refused with file and line on a bad name, a cycle (its chain is printed) or an explosion.
        """
        if isinstance(value, dict):
            return {key: self.resolve(source, item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolve(source, item, (*path, index)) for index, item in enumerate(value)]
        if isinstance(value, str):
            return self._text(value, _Place(source.file, source.line(path)), (), alone=True)
        return value

    def finish(self) -> None:
        """Raises Refused when names were missing, all of them with their places."""
        if self.missing:
            found = list(dict.fromkeys(self.missing))
            more = f"; and {len(found) - MAX_SHOWN} more" if len(found) > MAX_SHOWN else ""
            names = "; ".join(found[:MAX_SHOWN]) + more
            first = self.missing[0].rsplit(" ", 1)[-1].rsplit(":", 1)
            raise Refused(
                "VARIABLE_MISSING",
                f"variables without a value: {names}",
                file=first[0],
                line=int(first[1]) if len(first) == 2 and first[1].isdigit() else None,
                hint="define them in environments/<environment>.yaml or give a default: ${NAME:default}",
            )

    def _text(self, text: str, place: "_Place", chain: tuple[str, ...], *, alone: bool) -> Any:
        """`alone`: the result is a whole value and keeps its type; otherwise it is a piece of a longer text."""
        self._enter(len(text), place, chain)
        parts = _parts(text, place)
        if len(parts) == 1 and isinstance(parts[0], _Placeholder):
            return self._placeholder(parts[0], place, chain, alone=alone)
        return "".join(p if isinstance(p, str) else self._placeholder(p, place, chain, alone=False) for p in parts)

    def _placeholder(self, found: "_Placeholder", place: "_Place", chain: tuple[str, ...], *, alone: bool) -> Any:
        if found.name in chain:
            names = (*chain[chain.index(found.name) :], found.name)
            circle = " -> ".join(name for name in names if name != NAMELESS)
            raise place.refused("VARIABLE_CYCLE", f"variables refer to each other: {circle}")
        known = self.variables.get(found.name)
        if known is not None:
            return self._known(found.name, known, place, chain, alone=alone)
        if found.default is None:
            self.missing.append(f"{found.name} at {place}")
            return ""
        if alone and "${" not in found.default:
            return _typed(found.default)
        return self._text(found.default, place, (*chain, NAMELESS), alone=alone)

    def _known(self, name: str, known: Variable, asked: "_Place", chain: tuple[str, ...], *, alone: bool) -> Any:
        place = _Place(known.file, known.line)
        if isinstance(known.value, str):
            return self._text(known.value, place, (*chain, name), alone=alone)
        if alone:
            return self._inside(known.value, place, (*chain, name))
        if isinstance(known.value, dict | list):
            hint = f"let ${{{name}}} stand alone, or give it a text"
            raise asked.refused("VARIABLE_INVALID", f"{name} is a list or a map and cannot be part of a text", hint)
        return known.written if known.written is not None else _as_text(known.value)

    def _inside(self, value: Any, place: "_Place", chain: tuple[str, ...]) -> Any:
        """A variable's own list or map, with every placeholder in it replaced."""
        if isinstance(value, str):
            return self._text(value, place, chain, alone=True)
        if not isinstance(value, dict | list):
            return value
        self._enter(len(value), place, chain)
        deeper = (*chain, NAMELESS)
        if isinstance(value, dict):
            return {key: self._inside(item, place, deeper) for key, item in value.items()}
        return [self._inside(item, place, deeper) for item in value]

    def _enter(self, size: int, place: "_Place", chain: tuple[str, ...]) -> None:
        """What is read is counted, not what comes out: many references to nothing are work too."""
        if len(chain) > MAX_DEPTH:
            raise place.refused("VARIABLE_CYCLE", f"variables are nested deeper than {MAX_DEPTH}")
        self._spent += size
        if self._spent > MAX_TEXT:
            raise place.refused("VARIABLES_TOO_LARGE", f"variables expand to more than {MAX_TEXT} characters")


@dataclass(frozen=True)
class _Placeholder:
    name: str
    default: str | None


@dataclass(frozen=True)
class _Place:
    file: str
    line: int | None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file

    def refused(self, code: str, detail: str, hint: str | None = None) -> Refused:
        return Refused(code, detail, file=self.file, line=self.line, hint=hint or HINTS[code])


def _parts(text: str, place: _Place) -> "list[str | _Placeholder]":
    """Literal text and placeholders, in order."""
    found: list[str | _Placeholder] = []
    at = 0
    while (start := text.find("${", at)) >= 0:
        if start > 0 and text[start - 1] == "$":
            found.append(text[at : start - 1] + "${")
            at = start + 2
            continue
        if start > at:
            found.append(text[at:start])
        end = _end(text, start, place)
        found.append(_placeholder_of(text[start + 2 : end], place))
        at = end + 1
    if at < len(text) or not found:
        found.append(text[at:])
    return found


def _end(text: str, start: int, place: _Place) -> int:
    """The brace that closes the placeholder at `start`; pairs of braces in its default are skipped."""
    depth = 0
    for index in range(start, len(text)):
        if text[index] == "{":
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if depth == 0:
                return index
    name = text[start : start + 40].partition(":")[0]
    raise place.refused("VARIABLE_INVALID", f"a placeholder is not closed: {name}")


def _placeholder_of(inside: str, place: _Place) -> _Placeholder:
    name, colon, default = inside.partition(":")
    if len(name) > MAX_NAME or not NAME.match(name):
        shown = name[:40] or "an empty name"
        raise place.refused("VARIABLE_INVALID", f"{shown} is no variable name: use A-Z, 0-9 and _")
    return _Placeholder(name, default if colon else None)


def _typed(text: str) -> Any:
    """A default that is a number or a word of JSON keeps that type when it stands alone."""
    if INTEGER.match(text):
        return int(text)
    if NUMBER.match(text):
        return float(text)
    return WORDS.get(text, text)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
