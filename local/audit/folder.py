"""A copy of the archive of audit-log in a folder: its objects, line by line, and the checkpoints beside them.

Whoever copied it may have changed anything, so nothing is believed here: what is not as the archive writes it is told.
"""

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from stoa.audit.events import AUDIT_LOG
from stoa.audit.model import Place, digests

OBJECTS, CHECKPOINTS = f"events/{AUDIT_LOG}", f"checkpoints/{AUDIT_LOG}"
PLACE = r"(0|[1-9]\d{0,8})(?:\.([1-9]\d{0,8}))?"
OBJECT = re.compile(rf"\d{{4}}/\d\d/\d\d/\d\d/{PLACE}/(\d{{20}})\.jsonl\.gz")
CHECKPOINT = re.compile(rf"{PLACE}/(\d{{20}})\.json")
FIELDS = frozenset({"topic", "partition", "offset", "timestamp", "key", "headers", "value"})
TEXT = frozenset({str, type(None)})
GZIP = 31  # zlib's way to say: with the header of gzip
PIECE = 256  # of a damaged object: what comes before the damage is read this exactly


@dataclass(frozen=True)
class Stored:
    """A file of the copy; `number` is the offset in its name."""

    place: Place
    number: int
    path: Path
    name: str


class Read(NamedTuple):
    """A line of an object, or what is wrong: then it is no record of the archive, and has nothing else. `number` is 0
    for the object itself."""

    number: int
    wrong: str = ""
    offset: int = -1
    timestamp: int | float | None = None
    event_id: str = ""
    digest: bytes = b""
    content: bytes | None = None


class Folder:
    def __init__(self, root: Path) -> None:
        self._root = root
        self.strangers: list[str] = []
        self.objects = self._found(OBJECTS, OBJECT)
        self.checkpoints = self._found(CHECKPOINTS, CHECKPOINT)

    def _found(self, folder: str, shape: re.Pattern[str]) -> dict[Place, list[Stored]]:
        """By the offset in their names, whatever hour they are in: timestamps may go back."""
        found: dict[Place, list[Stored]] = {}
        for path in sorted((self._root / folder).rglob("*")):
            if path.is_dir():
                continue
            name = path.relative_to(self._root).as_posix()
            match = shape.fullmatch(name.removeprefix(f"{folder}/"))
            if match is None or not path.is_file():
                self.strangers.append(name)
                continue
            place = Place(int(match[1]), int(match[2] or 0))
            found.setdefault(place, []).append(Stored(place, int(match[3]), path, name))
        return {place: sorted(listed, key=lambda one: (one.number, one.name)) for place, listed in found.items()}


def read(stored: Stored) -> list[Read]:
    """Every line, and what is wrong with it or with the object. Raises OSError."""
    return list(_lines(stored))


def _lines(stored: Stored) -> Iterator[Read]:
    text, whole = unzipped(stored.path.read_bytes())
    rows = text.split(b"\n")
    if rows.pop() and whole:
        yield Read(0, "does not end with its last line")
    for number, row in enumerate(rows, 1):
        try:
            line = _record(row, stored.place)
        except (ValueError, RecursionError) as error:
            yield Read(number, str(error) if isinstance(error, NotKept) else "is no JSON")
        else:
            event_id = str(line["headers"].get("ce_id") or "")
            yield Read(number, "", int(line["offset"]), line["timestamp"], event_id, *digests(line))
    if not whole:
        yield Read(0, "is damaged: gzip cannot read it to its end")


class NotKept(ValueError):
    """What the archive does not write."""


def _record(row: bytes, place: Place) -> dict[str, Any]:
    found = DECODER.decode(row.decode())
    if not isinstance(found, dict) or found.keys() != FIELDS:
        raise NotKept("is no record of the archive")
    if (found["topic"], found["partition"]) != (AUDIT_LOG, place.partition):
        raise NotKept("is of another topic or partition")
    if not _is_whole(found["offset"]) or found["offset"] < 0:
        raise NotKept("has no offset")
    if found["timestamp"] is not None and not _is_whole(found["timestamp"]):
        raise NotKept("has a timestamp that is none")
    if not _are_headers(found["headers"]):
        raise NotKept("has headers that are none")
    if not {type(found["key"]), type(found["value"])} <= TEXT:
        raise NotKept("has a key or a value that is no text")
    return found


def _is_whole(number: Any) -> bool:
    """In any form: 5, 5.0 and 5e0 are the same."""
    return type(number) is int or (type(number) is float and number.is_integer())


def _are_headers(value: Any) -> bool:
    """One that occurs several times has a list."""
    if not isinstance(value, dict):
        return False
    kinds = set(map(type, value.values()))
    if list not in kinds:
        return kinds <= TEXT
    return kinds <= {*TEXT, list} and {type(one) for texts in value.values() for one in texts or ()} <= TEXT


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotKept("says one thing twice")
    return found


DECODER = json.JSONDecoder(object_pairs_hook=_once)


def unzipped(data: bytes) -> tuple[bytes, bool]:
    """As much as can be read, and whether that is all. Several members are read as one, as gzip does."""
    try:
        return gzip.decompress(data), True
    except (OSError, EOFError, zlib.error):
        text = bytearray()
    while data:
        member = zlib.decompressobj(GZIP)
        try:
            for start in range(0, len(data), PIECE):
                text += member.decompress(data[start : start + PIECE])
                if member.eof:
                    data = member.unused_data + data[start + PIECE :]
                    break
            else:
                return bytes(text), False
        except zlib.error:
            return bytes(text), False
    return bytes(text), True
