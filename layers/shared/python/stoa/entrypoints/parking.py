"""When a key that stays transient is set aside, and when its record is given up.

A system that is down for everybody must cost nobody a record, so that both ask whether others go on. See
docs/adr/0004-errors-decide-where-a-record-goes.md.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from stoa.kernel import clock, inbox
from stoa.kernel.database import Connection, Database
from stoa.kernel.envelope import Position
from stoa.kernel.errors import Refused, Transient

GAVE_UP = "GAVE_UP"
PARK_AFTER_S = 600.0
GIVE_UP_AFTER_S = 24 * 3600.0
# others go on: an hour or more lies between two of their successes, with no long pause between them or since; what
# one success tells may be the flicker of a system that is down, or of one that comes back and fails some calls at first
WELL_FOR_S = 3600.0
PAUSE_S = 6 * 3600.0


@dataclass(frozen=True)
class Patience:
    """How long a key of one consumer group may wait for what. `scale` > 1 makes every wait that much shorter."""

    consumer: str
    scale: float

    def went_on(self, database: Database, key: str, at: Position) -> None:
        inbox.done(database, self.consumer, key, at, clock.now(), self._of(PAUSE_S))

    def park(self, connection: Connection, key: str, at: Position, record: dict[str, Any]) -> datetime | None:
        """Sets the record aside if its key waited long enough and another one went on since it began to wait;
        returns since when it waits."""
        now = clock.now()
        since = inbox.waiting_since(connection, self.consumer, key, now)
        progress = inbox.progress(connection, self.consumer)
        if since > now - self._of(PARK_AFTER_S) or progress is None or progress.last_success <= since:
            return None
        inbox.park(connection, self.consumer, key, at, record)
        return since

    def end(self, connection: Connection, key: str, error: Transient) -> Refused | None:
        """The refusal of a record that will never get an answer, as far as anybody can tell; None while it may.
        The time of a wait that somebody wants does not count."""
        now = clock.now()
        since = inbox.counted_since(connection, self.consumer, key, now, expected=error.expected)
        progress = inbox.progress(connection, self.consumer)
        if since > now - self._of(GIVE_UP_AFTER_S) or progress is None:
            return None
        well_for = progress.last_success - progress.well_since
        if progress.last_success < now - self._of(PAUSE_S) or well_for < self._of(WELL_FOR_S):
            return None
        return Refused(
            GAVE_UP,
            f"{error.system} has not answered this request since {clock.iso(since)}, while it answered others",
            hint=f"find out what {error.system} has against this one, mend it, then ask again",
        )

    def _of(self, seconds: float) -> timedelta:
        return timedelta(seconds=seconds / self.scale)
