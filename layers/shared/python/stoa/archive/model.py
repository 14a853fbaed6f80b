"""What the archive writes: the names of its objects, and one JSON line per record. Pure.

An object is gzip JSON Lines, so that `zcat` and any JSON reader open it. The bytes of a record are text here: UTF-8,
and what is none as lone surrogates (PEP 383), which JSON writes as escapes; so any bytes come back as they were.
"""

import base64
import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
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
    else is written there, whoever writes it. `history` counts how often its offsets began again."""

    next_offset: int
    object_name: str | None
    history: int = 0


def folder(topic: str) -> str:
    return f"{PREFIX}/{topic}/"


def hour_folder(record: Record, history: int) -> str:
    """events/topic/year/month/day/hour/partition/; the hour is that of Kafka's timestamp, in UTC. The partition has its
    history behind a dot, but for the first."""
    partition = f"{record['partition']}.{history}" if history else record["partition"]
    return f"{folder(record['topic'])}{_moment(record):%Y/%m/%d/%H}/{partition}/"


def object_name(record: Record, history: int = 0) -> str:
    """The folder of its hour, and the first offset."""
    return f"{hour_folder(record, history)}{int(record['offset']):020d}{SUFFIX}"


def partition_of(name: str) -> tuple[int, int]:
    """The partition of an object, and its history. Raises ValueError for what is no object's name."""
    partition, _, history = name.split("/")[-2].partition(".")
    return int(partition), int(history or 0)


def of_one_hour(records: Sequence[Record]) -> list[Record]:
    """The first of them, and those after it in the same hour: what goes into one object."""
    return list(takewhile(lambda r: _hour(r) == _hour(records[0]), records))


def holders(names: Iterable[str], records: Sequence[Record]) -> list[str]:
    """Which of the objects of a folder hold the records, as far as their first offsets tell."""
    firsts = {int(name.rpartition("/")[2].removesuffix(SUFFIX)): name for name in names}
    found = {max((n for n in firsts if n <= int(r["offset"])), default=-1) for r in records}
    return [firsts[first] for first in sorted(found) if first >= 0]


def first_unknown(records: Iterable[Record], kept: Iterable[Line]) -> Record | None:
    """The first of the records that is not among the lines as the event that it is: another one has its offset, or
    none."""
    known = {_identity(one) for one in kept}
    return next((record for record in records if _identity(_line(record)) not in known), None)


def packed(records: Sequence[Record]) -> bytes:
    """The same bytes for the same records."""
    text = "".join(json.dumps(_line(record), separators=(",", ":")) + "\n" for record in records)
    return gzip.compress(text.encode(), compresslevel=6, mtime=0)


def of_records(records: Iterable[Record]) -> list[Line]:
    """The lines that `packed` writes."""
    return [_line(record) for record in records]


def unzipped(data: bytes) -> bytes:
    """Raises what gzip raises for what is no object of the archive."""
    return gzip.decompress(data)


def lines(text: bytes) -> list[Line]:
    """Of an unzipped object. Raises ValueError."""
    found: list[Line] = json.loads("[" + text.decode("ascii").rstrip("\n").replace("\n", ",") + "]")
    return found  # read at once: a fifth faster than each by itself


def raw(text: str | None) -> bytes | None:
    """The bytes of a key, value or header in a line."""
    return None if text is None else text.encode("utf-8", "surrogateescape")


def as_record(line: Line) -> dict[str, Any]:
    """The record of a Lambda event that the line was made of, for who reads those."""
    record = {name: line[name] for name in ("topic", "partition", "offset", "timestamp")}
    for name in ("key", "value"):
        data = raw(line[name])
        if data is not None:
            record[name] = base64.b64encode(data).decode()
    values = {name: said if isinstance(said, list) else [said] for name, said in line["headers"].items()}
    record["headers"] = [{name: list(raw(text) or b"")} for name, texts in values.items() for text in texts]
    return record


def line(
    place: tuple[str, int, int], timestamp: int | None, key: bytes | None, value: bytes | None,
    headers: Iterable[tuple[str, bytes | None]],
) -> Line:  # fmt: skip
    """`place` is topic, partition and offset. A header has its name once; one that occurs several times has a list."""
    found: dict[str, list[str | None]] = {}
    for name, data in headers:
        found.setdefault(name, []).append(_text(data))
    return {
        "topic": place[0],
        "partition": place[1],
        "offset": place[2],
        "timestamp": timestamp,
        "key": _text(key),
        "headers": {name: texts[0] if len(texts) == 1 else texts for name, texts in found.items()},
        "value": _text(value),
    }


def _identity(of: Line) -> tuple[object, ...]:
    """Without its bytes: what writes them may change."""
    return of["offset"], of["timestamp"], str(of["headers"].get("ce_id"))


def _line(record: Record) -> Line:
    place = (record["topic"], int(record["partition"]), int(record["offset"]))
    entries = (entry for listed in record.get("headers") or () for entry in listed.items())
    headers = ((name, None if v is None else bytes(byte & 0xFF for byte in v)) for name, v in entries)
    return line(place, record.get("timestamp"), _bytes(record.get("key")), _bytes(record.get("value")), headers)


def _bytes(encoded: object) -> bytes | None:
    """None for what is absent. Lambda writes base64; anything else is kept as it came, because nothing is refused."""
    if encoded is None:
        return None
    try:
        return base64.b64decode(str(encoded), validate=True)
    except ValueError:
        return str(encoded).encode()


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "surrogateescape")


def _hour(record: Record) -> int:
    return _ms(record) // 3_600_000


def _moment(record: Record) -> datetime:
    return datetime.fromtimestamp(_ms(record) / 1000, UTC)


def _ms(record: Record) -> int:
    return min(max(int(record.get("timestamp") or 0), 0), LAST_MS)
