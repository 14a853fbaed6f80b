"""What a consumer remembers of the records it was given: done, tried, waiting, parked.

Every function takes the consumer's name (its group id), so that families of one topic stay apart.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

from psycopg.types.json import Jsonb

from stoa.kernel.database import Connection, Database
from stoa.kernel.envelope import Position

_CLAIM: LiteralString = (
    "INSERT INTO inbox (consumer, event_id) VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING event_id"
)
_KEEP: LiteralString = "UPDATE inbox SET claimed_at = now() WHERE consumer = %s AND event_id = %s"
_AGAIN: LiteralString = (
    " ON CONFLICT (consumer, topic, partition, record_offset) DO UPDATE SET tries = attempts.tries + 1 RETURNING tries"
)


@dataclass(frozen=True)
class Parked:
    """A record that waits in PostgreSQL, because its key stayed transient while others went on."""

    id: int
    key: str
    record: dict[str, Any]


@dataclass(frozen=True)
class Progress:
    """When a consumer last got something done, and since when without a long pause."""

    last_success: datetime
    well_since: datetime


@contextmanager
def claimed(database: Database, consumer: str, event_id: str) -> Iterator[tuple[Connection, bool]]:
    """A transaction that begins with `claim`, in one round trip."""
    with database.opened(_CLAIM, (consumer, event_id)) as (connection, first):
        if not first:
            connection.execute(_KEEP, (consumer, event_id))
        yield connection, bool(first)


def claim(connection: Connection, consumer: str, event_id: str) -> bool:
    """True for the first transaction that claims the event; commit it with the effect. A claim that is repeated is kept
    for longer: what came twice may come again."""
    row = connection.execute(_CLAIM, (consumer, event_id)).fetchone()
    if row is None:
        connection.execute(_KEEP, (consumer, event_id))
    return row is not None


def forget(connection: Connection, before: datetime, limit: int) -> int:
    """Removes claims that are older, at most so many; returns how many. One that somebody is at stays."""
    return connection.execute(
        "DELETE FROM inbox WHERE (consumer, event_id) IN"
        " (SELECT consumer, event_id FROM inbox WHERE claimed_at < %s LIMIT %s FOR UPDATE SKIP LOCKED)",
        (before, limit),
    ).rowcount


def begin(database: Database, consumer: str, key: str, at: Position) -> int | None:
    """As `attempt`, by itself and in one round trip; None, and nothing is counted, while records of this key are
    parked."""
    rows = database.statement(
        "INSERT INTO attempts (consumer, topic, partition, record_offset, tries)"
        " SELECT %(consumer)s, %(topic)s, %(partition)s, %(offset)s, 1 WHERE NOT EXISTS"
        f" (SELECT FROM parked WHERE consumer = %(consumer)s AND key = %(key)s){_AGAIN}",
        {"consumer": consumer, "key": key, "topic": at.topic, "partition": at.partition, "offset": at.offset},
    )
    return int(rows[0]["tries"]) if rows else None


def attempt(connection: Connection, consumer: str, at: Position) -> int:
    """Counts a try, before the work, and returns which one it is (1 for the first)."""
    row = connection.execute(
        f"INSERT INTO attempts (consumer, topic, partition, record_offset, tries) VALUES (%s, %s, %s, %s, 1){_AGAIN}",
        (consumer, at.topic, at.partition, at.offset),
    ).fetchone()
    return int(row["tries"]) if row else 1


def forget_attempts(connection: Connection, consumer: str, at: Position) -> None:
    """The record was refused, or failed for a reason outside itself: it starts from zero."""
    connection.execute(
        "DELETE FROM attempts WHERE consumer = %s AND topic = %s AND partition = %s AND record_offset = %s",
        (consumer, at.topic, at.partition, at.offset),
    )


def waiting_since(connection: Connection, consumer: str, key: str, now: datetime) -> datetime:
    """Notes that the key could not go on, and returns since when it cannot."""
    row = connection.execute(
        "INSERT INTO waiting_keys (consumer, key, since) VALUES (%s, %s, %s)"
        " ON CONFLICT (consumer, key) DO UPDATE SET key = excluded.key RETURNING since",
        (consumer, key, now),
    ).fetchone()
    since: datetime = row["since"] if row else now
    return since


def counted_since(connection: Connection, consumer: str, key: str, now: datetime, *, expected: bool) -> datetime:
    """As `waiting_since`, but from the last wait on that was `expected`: what comes after it has its own day."""
    row = connection.execute(
        "INSERT INTO waiting_keys AS known (consumer, key, since, expected_at)"
        " VALUES (%(who)s, %(key)s, %(now)s, CASE WHEN %(expected)s THEN %(now)s::timestamptz END)"
        " ON CONFLICT (consumer, key) DO UPDATE SET expected_at = coalesce(excluded.expected_at, known.expected_at)"
        " RETURNING greatest(since, expected_at) AS counted",  # which leaves NULL out
        {"who": consumer, "key": key, "now": now, "expected": expected},
    ).fetchone()
    since: datetime = row["counted"] if row else now
    return since


def waits_no_longer(connection: Connection, consumer: str, key: str) -> None:
    connection.execute("DELETE FROM waiting_keys WHERE consumer = %s AND key = %s", (consumer, key))


def done(database: Database, consumer: str, key: str, at: Position, now: datetime, pause: timedelta) -> None:
    """The record was done: its tries are forgotten, its key waits no longer, and the consumer is known to get work
    done. After a `pause` without any success it is well only since now. The row is every record's, so it moves once a
    second, unless another key began to wait since then. In one round trip."""
    database.statement(
        "WITH tried AS (DELETE FROM attempts WHERE consumer = %(who)s AND topic = %(topic)s"
        " AND partition = %(partition)s AND record_offset = %(offset)s),"
        " waited AS (DELETE FROM waiting_keys WHERE consumer = %(who)s AND key = %(key)s)"
        " INSERT INTO consumer_progress AS known (consumer, last_success, well_since)"
        " VALUES (%(who)s, %(now)s, %(now)s)"
        " ON CONFLICT (consumer) DO UPDATE SET last_success = %(now)s, well_since ="
        " CASE WHEN known.last_success < %(now)s - %(pause)s THEN %(now)s ELSE known.well_since END"
        " WHERE known.last_success < %(now)s - interval '1 second' OR EXISTS (SELECT FROM waiting_keys AS w"
        " WHERE w.consumer = known.consumer AND w.key <> %(key)s AND w.since >= known.last_success)",
        {
            "who": consumer, "key": key, "topic": at.topic, "partition": at.partition, "offset": at.offset,
            "now": now, "pause": pause,
        },
    )  # fmt: skip


def progress(connection: Connection, consumer: str) -> Progress | None:
    """None before the first success."""
    row = connection.execute(
        "SELECT last_success, well_since FROM consumer_progress WHERE consumer = %s", (consumer,)
    ).fetchone()
    return Progress(**row) if row else None


def park(connection: Connection, consumer: str, key: str, at: Position, record: dict[str, Any]) -> None:
    """Puts the record at the end of its key's queue; a redelivered one is there already."""
    connection.execute(
        "INSERT INTO parked (consumer, key, topic, partition, record_offset, record) VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (consumer, topic, partition, record_offset) DO NOTHING",
        (consumer, key, at.topic, at.partition, at.offset, Jsonb(record)),
    )


def parked_heads(connection: Connection, function: str, limit: int) -> list[Parked]:
    """The oldest parked record of each key, over all consumer groups of a function; the one not tried for the
    longest first."""
    found = connection.execute(
        "SELECT id, key, record FROM (SELECT DISTINCT ON (consumer, key) id, key, record, tried_at FROM parked"
        " WHERE starts_with(consumer, %s) ORDER BY consumer, key, id) AS heads"
        " ORDER BY tried_at NULLS FIRST, id LIMIT %s",
        (function, limit),
    )
    return [Parked(row["id"], row["key"], row["record"]) for row in found]


def next_parked(connection: Connection, consumer: str, key: str) -> Parked | None:
    """The oldest parked record of one key."""
    row = connection.execute(
        "SELECT id, key, record FROM parked WHERE consumer = %s AND key = %s ORDER BY id LIMIT 1", (consumer, key)
    ).fetchone()
    return Parked(row["id"], row["key"], row["record"]) if row else None


def tried_parked(connection: Connection, parked_id: int, now: datetime) -> None:
    connection.execute("UPDATE parked SET tried_at = %s WHERE id = %s", (now, parked_id))


def unpark(connection: Connection, parked_id: int) -> None:
    connection.execute("DELETE FROM parked WHERE id = %s", (parked_id,))
