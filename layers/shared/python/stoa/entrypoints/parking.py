"""When a key that stays transient is set aside, and when its record is given up.

A system that is down for everybody must cost nobody a record, so that both ask whether others go on. See
docs/adr/0004-errors-decide-where-a-record-goes.md.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from stoa.kernel import clock, inbox
from stoa.kernel.database import Connection
from stoa.kernel.envelope import Position
from stoa.kernel.errors import Refused, Transient

PARK_AFTER_S = 600.0
GIVE_UP_AFTER_S = 24 * 3600.0
# others go on: for this long already, the newest success not older than twice that; a system that comes back after
# an outage fails some calls at first, and nobody is given up for those
WELL_FOR_S = 3600.0
PAUSE_S = 2 * WELL_FOR_S


@dataclass(frozen=True)
class Patience:
    """How long a key of one consumer group may wait for what. `scale` > 1 makes every wait that much shorter."""

    consumer: str
    scale: float

    def went_on(self, connection: Connection, key: str) -> None:
        inbox.went_on(connection, self.consumer, key, clock.now(), self._of(PAUSE_S))

    def park(self, connection: Connection, key: str, at: Position, record: dict[str, Any]) -> datetime | None:
        """Sets the record aside if its key waited long enough; returns since when it waits.

        Either another key went on since then, or nobody did: then it may be this key that keeps the others from
        being delivered, because nothing newer of a partition comes before a failed batch is done. Whether it is,
        shows only when it is out of the way; in an outage of all that sets one key aside at a time.
        """
        now = clock.now()
        since = inbox.waiting_since(connection, self.consumer, key, now)
        long_ago = now - self._of(PARK_AFTER_S)
        if since > long_ago:
            return None
        progress = inbox.progress(connection, self.consumer)
        others_went_on = progress is not None and progress.last_success > since
        if not others_went_on and inbox.parked_after(connection, self.consumer, at, long_ago):
            return None
        inbox.park(connection, self.consumer, key, at, record)
        return since

    def end(self, connection: Connection, key: str, error: Transient) -> Refused | None:
        """The refusal of a record that will never get an answer, as far as anybody can tell; None while it may."""
        now = clock.now()
        since = inbox.waiting_since(connection, self.consumer, key, now)
        progress = inbox.progress(connection, self.consumer)
        if since > now - self._of(GIVE_UP_AFTER_S) or progress is None:
            return None
        if progress.last_success < now - self._of(PAUSE_S) or progress.well_since > now - self._of(WELL_FOR_S):
            return None
        return Refused(
            "GAVE_UP",
            f"{error.system} has not answered this request since {clock.iso(since)}, while it answered others",
            hint=f"find out what {error.system} has against this one, mend it, then ask again",
        )

    def _of(self, seconds: float) -> timedelta:
        return timedelta(seconds=seconds / self.scale)
