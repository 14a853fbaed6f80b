"""What the archive writes: the names of its objects, and one JSON line per record. Pure.

An object is gzip JSON Lines, so that `zcat` and any JSON reader open it. The bytes of a record are text here: UTF-8,
and what is none as lone surrogates (PEP 383), which JSON writes as escapes; so any bytes come back as they were.
"""

import base64
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

PREFIX = "events"
SUFFIX = ".jsonl.gz"
LAST_MS = 253_402_300_799_000  # the year 9999: a producer may write any timestamp

Record = Mapping[str, Any]
Line = dict[str, Any]


@dataclass(frozen=True)
class Ledger:
    """How far a partition is kept. `object_name` is announced for what begins at `next_offset`: from then on nothing
    else is written there, whoever writes it."""

    next_offset: int
    object_name: str | None


def folder(topic: str) -> str:
    return f"{PREFIX}/{topic}/"


def object_name(record: Record) -> str:
    """events/topic/year/month/day/hour/partition/first offset; the hour is that of Kafka's timestamp, in UTC."""
    place = f"{record['partition']}/{int(record['offset']):020d}{SUFFIX}"
    return f"{folder(record['topic'])}{_moment(record):%Y/%m/%d/%H}/{place}"


def of_one_hour(records: Sequence[Record]) -> list[Record]:
    """The first of them, and those after it in the same hour: what goes into one object."""
    return list(takewhile(lambda r: _hour(r) == _hour(records[0]), records))


def packed(records: Sequence[Record]) -> bytes:
    """The same bytes for the same records."""
    lines = "".join(json.dumps(_line(record), separators=(",", ":")) + "\n" for record in records)
    return gzip.compress(lines.encode(), compresslevel=6, mtime=0)


def unpacked(data: bytes) -> Iterator[Line]:
    """Raises ValueError, or what gzip raises, for what is no object of the archive."""
    return map(json.loads, gzip.decompress(data).splitlines())


def last_offset(data: bytes) -> int:
    return max(int(line["offset"]) for line in unpacked(data))


def raw(text: str | None) -> bytes | None:
    """The bytes of a key, value or header in a line."""
    return None if text is None else text.encode("utf-8", "surrogateescape")


def _line(record: Record) -> Line:
    return {
        "topic": record["topic"],
        "partition": record["partition"],
        "offset": int(record["offset"]),
        "timestamp": record.get("timestamp"),
        "key": _text(record.get("key")),
        "headers": _headers(record),
        "value": _text(record.get("value")),
    }


def _headers(record: Record) -> dict[str, Any]:
    """Each name once; one that occurs several times has a list."""
    found: dict[str, list[str | None]] = {}
    for entry in record.get("headers") or ():
        for name, value in entry.items():
            text = None if value is None else _said(bytes(byte & 0xFF for byte in value))
            found.setdefault(name, []).append(text)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _text(encoded: object) -> str | None:
    """None for what is absent. Lambda writes base64; anything else is kept as it came, because nothing is refused."""
    if encoded is None:
        return None
    try:
        return _said(base64.b64decode(str(encoded), validate=True))
    except ValueError:
        return str(encoded)


def _said(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _hour(record: Record) -> int:
    return _ms(record) // 3_600_000


def _moment(record: Record) -> datetime:
    return datetime.fromtimestamp(_ms(record) / 1000, UTC)


def _ms(record: Record) -> int:
    return min(max(int(record.get("timestamp") or 0), 0), LAST_MS)
