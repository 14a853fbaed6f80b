"""The file and the line in which a part of a document was written, looked up only when it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from stoa.openapi.document import Document, tokens_of
from stoa.openapi.json_text import line_at, spots
from stoa.openapi.refusal import EXTERNAL_REF, REF_UNRESOLVED, SpecRefused
from stoa.openapi.yaml_events import LOADER

_ABOUT_A_REFERENCE = frozenset({EXTERNAL_REF, REF_UNRESOLVED})


class Place(NamedTuple):
    """`exact` is false for the line of the nearest thing around what is not there."""

    line: int
    exact: bool


@dataclass(frozen=True)
class Origin:
    """The bytes of a document and of its files; `moved` maps pointers of the document to a file and a pointer there."""

    name: str
    data: bytes
    files: dict[str, bytes] = field(default_factory=dict)
    moved: dict[str, tuple[str, str]] = field(default_factory=dict)

    @contextmanager
    def told(self) -> Iterator[None]:
        """A refusal that only knows its pointer learns its file and line."""
        try:
            yield
        except SpecRefused as refused:
            if refused.line is None and refused.pointer is not None:
                self._tell(refused, refused.pointer)
            raise

    def _tell(self, refused: SpecRefused, pointer: str) -> None:
        file = refused.file or self.name
        if refused.code in _ABOUT_A_REFERENCE and not pointer.endswith("/$ref"):
            pointer += "/$ref"  # some are told with the object that holds it
        found = self._place(file, pointer)
        if not found.exact and file == self.name:
            outer = pointer
            while outer and outer not in self.moved:
                outer = outer.rpartition("/")[0]
            if outer:
                file, there = self.moved[outer]
                found = self._place(file, there + pointer.removeprefix(outer))
        refused.file = None if file == self.name else file
        refused.line = found.line

    def _place(self, file: str, pointer: str) -> Place:
        return place(self.data if file == self.name else self.files[file], pointer)


def told(document: Document) -> AbstractContextManager[None]:
    """The same for a document, which has no origin when it was not read from bytes."""
    return document.origin.told() if document.origin else nullcontext()


def is_json(text: str) -> bool:
    return text.lstrip(" \t\r\n")[:1] in ("{", "[")


def place(data: bytes, pointer: str) -> Place:
    """Of a key its own line, of an item of a list that of its begin; the data was read without complaint."""
    text, tokens = data.decode("utf-8-sig"), tokens_of(pointer)
    return _json_place(text, tokens) if is_json(text) else _yaml_place(text, tokens)


def _json_place(text: str, tokens: list[str]) -> Place:
    at, reached = 0, 0
    for spot in spots(text):
        depth = len(spot.path)
        if reached == len(tokens) or depth < reached:
            break
        if depth == reached + 1 and spot.path == tokens[:depth]:
            at, reached = spot.at, depth
    return Place(line_at(text, at), reached == len(tokens))


def _yaml_place(text: str, tokens: list[str]) -> Place:
    events: Iterator[Any] = yaml.parse(text, Loader=LOADER)
    event = next(event for event in events if not isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent))
    line = event.start_mark.line
    for token in tokens:
        if isinstance(event, yaml.MappingStartEvent):
            found = _in_mapping(events, token)
        elif isinstance(event, yaml.SequenceStartEvent):
            found = _in_sequence(events, token)
        else:
            found = None
        if found is None:
            return Place(line + 1, False)
        line, event = found
    return Place(line + 1, True)


def _in_mapping(events: Iterator[Any], token: str) -> tuple[int, Any] | None:
    while not isinstance(key := next(events), yaml.MappingEndEvent):
        value = next(events)  # keys are scalars or aliases of one
        if getattr(key, "value", None) == token:
            return key.start_mark.line, value
        _skip(value, events)
    return None


def _in_sequence(events: Iterator[Any], token: str) -> tuple[int, Any] | None:
    index = 0
    while not isinstance(item := next(events), yaml.SequenceEndEvent):
        if str(index) == token:
            return item.start_mark.line, item
        _skip(item, events)
        index += 1
    return None


def _skip(event: Any, events: Iterator[Any]) -> None:
    """Everything inside of what this event begins."""
    depth = int(isinstance(event, yaml.CollectionStartEvent))
    while depth:
        event = next(events)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
