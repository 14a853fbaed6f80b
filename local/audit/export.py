"""Audit events out of an archive: each once, as JSON Lines or CSV."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TextIO

from stoa.archive.model import Line
from stoa.audit.events import AUDIT_LOG, COLUMNS, csv_line

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Wanted:
    """`since` is included, `until` is not; None is any."""

    tenant: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, event: dict[str, Any]) -> bool:
        if self.tenant is not None and event.get("tenant") != self.tenant:
            return False
        if self.since is None and self.until is None:
            return True
        try:
            at = datetime.fromisoformat(event["occurred_at"])
            return (self.since is None or self.since <= at) and (self.until is None or at < self.until)
        except (KeyError, TypeError, ValueError):
            return False


@dataclass
class Exported:
    """`unusable` records are no audit events; `stoa audit verify` and the raw objects have them all the same."""

    records: int = 0
    events: int = 0
    unusable: int = 0


def export(objects: Iterable[list[Line]], wanted: Wanted, target: TextIO, *, csv: bool, progress: Progress) -> Exported:
    """Raises what the archive and the target raise."""
    done = Exported()
    if csv:
        target.write(csv_line(COLUMNS))
    for event in _events(objects, done, progress):
        if wanted.takes(event):
            done.events += 1
            target.write(_as_csv(event) if csv else json.dumps(event) + "\n")
    return done


def _events(objects: Iterable[list[Line]], done: Exported, progress: Progress) -> Iterator[dict[str, Any]]:
    """Those that are there twice come once."""
    seen: set[str] = set()
    for lines in objects:
        for line in lines:
            done.records += 1
            event = _event(line)
            if event is None:
                done.unusable += 1
            elif event["event_id"] not in seen:
                seen.add(event["event_id"])
                yield event
        progress(done.records)


def _event(line: Line) -> dict[str, Any] | None:
    try:
        value = json.loads(line["value"] or "")
        return value if line["topic"] == AUDIT_LOG and isinstance(value["event_id"], str) else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _as_csv(event: dict[str, Any]) -> str:
    """JSON may hold halves of surrogate pairs, UTF-8 may not."""
    return csv_line(event.get(name) for name in COLUMNS).encode("utf-8", "replace").decode()
