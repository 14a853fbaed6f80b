"""What is removed because its time is over."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from stoa.kernel import inbox, outbox
from stoa.kernel.clock import RemainingMs, no_end, now
from stoa.kernel.database import Connection, Database
from stoa.kernel.log import log
from stoa.lifecycle import model

PART_MS = 10_000  # what one part may take at most
ROWS = 5000  # in one transaction: it takes a fraction of a second, and holds nothing that a request waits for


@dataclass(frozen=True)
class Lifecycle:
    database: Database

    def clean_up(self, remaining_ms: RemainingMs = no_end) -> int:
        """02:00 UTC -> what is done, and cannot come again, is forgotten. Returns how many rows.

        Each part is a transaction of its own: who dies in the middle has done what was done, and the next night does
        the rest. Raises Transient.
        """
        at = now()
        claims = sum(self._parts(lambda c: inbox.forget(c, at - model.INBOX, ROWS), remaining_ms))
        events = sum(self._parts(lambda c: outbox.forget(c, at - model.OUTBOX, ROWS), remaining_ms))
        log.info("cleanup.done", claims=claims, events=events)
        return claims + events

    def _parts(self, forget: Callable[[Connection], int], remaining_ms: RemainingMs) -> Iterator[int]:
        """How many each part removed; one that is not full was the last."""
        done = ROWS
        while done == ROWS and remaining_ms() >= PART_MS:
            with self.database.transaction() as connection:
                done = forget(connection)
            yield done
