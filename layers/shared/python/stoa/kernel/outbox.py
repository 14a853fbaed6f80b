"""State first, then events: rows written with the change, published by whoever comes first.

The request and the relay call the same publisher. It holds a lock per key while it sends that key's
rows by sequence, so two publishers cannot swap two events of one key; a row is published at least
once, with the same event id each time. A row that Kafka will never take is set aside with the reason
in `refused`, for a person; nothing waits for it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

import psycopg
from psycopg.types.json import Jsonb

from stoa.kernel import metrics
from stoa.kernel.database import Connection, Database, finish
from stoa.kernel.envelope import Event
from stoa.kernel.errors import Refused
from stoa.kernel.log import log

ROWS_PER_KEY = 500
PATIENCE_S = 8  # longer than a send that fails

_WAIT: LiteralString = f"SELECT set_config('lock_timeout', '{PATIENCE_S}s', true); "
_LOCK: LiteralString = "SELECT pg_advisory_xact_lock(2, hashtext(%s)); "
_FREE: LiteralString = "SELECT key FROM unnest(%s::text[]) AS key WHERE pg_try_advisory_xact_lock(2, hashtext(key))"
_UNPUBLISHED: LiteralString = (
    "SELECT waits.* FROM unnest(%s::text[]) AS wanted CROSS JOIN LATERAL"
    " (SELECT seq, topic, key, headers, value FROM outbox WHERE key = wanted AND published_at IS NULL"
    f" AND refused IS NULL ORDER BY seq LIMIT {ROWS_PER_KEY}) AS waits ORDER BY key, seq"
)


@dataclass(frozen=True)
class Row:
    seq: int
    topic: str
    key: str
    headers: dict[str, str]
    value: bytes


class TooLarge(Refused):
    """Kafka will never take these rows; it has acknowledged every other one of the same call."""

    def __init__(self, rows: Sequence[Row]) -> None:
        super().__init__("EVENT_TOO_LARGE", f"{len(rows)} events are larger than the broker takes")
        self.rows = tuple(rows)


# What the publisher needs of Kafka: every row acknowledged, in order per key; or Transient, or TooLarge.
Send = Callable[[Sequence[Row]], None]


def add(connection: Connection, events: Iterable[Event]) -> tuple[str, ...]:
    """Writes events in the caller's transaction and returns their keys, for `publish`.

    The lock makes sequence order and commit order of a key the same; keys are locked in order, so
    that two transactions with the same keys cannot wait for each other.
    """
    rows = list(events)
    keys = tuple(sorted({event.key for event in rows}))
    if rows:
        written = [value for e in rows for value in (e.id, e.topic, e.key, Jsonb(e.headers()), e.value())]
        # in one round trip
        psycopg.ClientCursor(connection).execute(
            "SELECT pg_advisory_xact_lock(1, hashtext(%s)); " * len(keys)
            + "INSERT INTO outbox (event_id, topic, key, headers, value) VALUES "
            + ", ".join(["(%s, %s, %s, %s, %s)"] * len(rows)),
            (*keys, *written),
        )
    return keys


def add_once(connection: Connection, event: Event) -> tuple[str, ...]:
    """The same for an event whose id says that there is only one; no keys when it was written before."""
    connection.execute("SELECT pg_advisory_xact_lock(1, hashtext(%s))", (event.key,))
    if connection.execute("SELECT FROM outbox WHERE event_id = %s", (event.id,)).fetchone() is not None:
        return ()
    return add(connection, [event])


def forget(connection: Connection, before: datetime, limit: int) -> int:
    """Removes rows that were published before, at most so many; returns how many. What waits or was set aside stays."""
    return connection.execute(
        "DELETE FROM outbox WHERE seq IN"
        " (SELECT seq FROM outbox WHERE published_at < %s LIMIT %s FOR UPDATE SKIP LOCKED)",
        (before, limit),
    ).rowcount


def waiting_keys(database: Database, limit: int) -> list[str]:
    """Keys with unpublished rows, the longest waiting first."""
    with database.transaction() as connection:
        found = connection.execute(
            "SELECT key FROM outbox WHERE published_at IS NULL AND refused IS NULL"
            " GROUP BY key ORDER BY min(seq) LIMIT %s",
            (limit,),
        )
        return [row["key"] for row in found]


def oldest_ms(database: Database) -> float:
    """How long the oldest unpublished row has waited, 0 without any."""
    with database.transaction() as connection:
        row = connection.execute(
            "SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0) * 1000 AS age FROM outbox"
            " WHERE published_at IS NULL AND refused IS NULL"
        ).fetchone()
    return float(row["age"]) if row else 0.0


def publish(database: Database, send: Send, keys: Sequence[str], *, patient: bool = True) -> int:
    """Sends the unpublished rows of `keys` and marks them; returns how many it dealt with. Raises Transient.

    A key that another publisher is sending is waited for, since that one may have looked before our rows
    were there; an impatient caller leaves such a key for the next time.
    """
    wanted, published = sorted(keys), list[int]()
    opening = _WAIT + _LOCK * len(wanted) + _UNPUBLISHED if patient else _FREE
    with database.opened(opening, (*wanted, wanted) if patient else (wanted,)) as (connection, found):
        if not patient:
            found = connection.execute(_UNPUBLISHED, ([row["key"] for row in found],)).fetchall()
        rows = [Row(row["seq"], row["topic"], row["key"], row["headers"], bytes(row["value"])) for row in found]
        if rows:
            refused = _send(connection, send, rows)
            published = [row.seq for row in rows if row.seq not in refused]
            finish(connection, "UPDATE outbox SET published_at = now() WHERE seq = ANY(%s)", (published,))
    if published:
        metrics.PUBLISHED.add(len(published))
    return len(rows)


def _send(connection: Connection, send: Send, rows: Sequence[Row]) -> set[int]:
    """Sends, and sets aside what is too large; returns the sequence numbers of that."""
    try:
        send(rows)
    except TooLarge as error:
        for row in error.rows:
            event_id, size = row.headers.get("ce_id"), len(row.value)
            log.error("outbox.set_aside", code=error.code, event_id=event_id, topic=row.topic, key=row.key, bytes=size)
            connection.execute("UPDATE outbox SET refused = %s WHERE seq = %s", (error.code, row.seq))
        return {row.seq for row in error.rows}
    return set()
