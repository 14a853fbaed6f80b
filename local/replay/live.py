"""The live read model at a moment at which the log holds exactly the same events."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from kafka import TopicPartition

from local.replay.hashes import Hash, hashed
from local.replay.history import ends_of
from local.topics import REQUEST_MS, reader
from stoa.kernel.tables import Projection

Connection = psycopg.Connection[Any]

LIVE = "public"
LOOK_EVERY_S = 0.3
READER = "stoa_admin_read"
# what fills a projection after the event; the others are written with it
FILLED_BY = {"api_status": "deploy_results_to_status.deploy-results"}


class Unsettled(Exception):
    """The live model and the log did not meet in time; the text says what is behind."""


@dataclass(frozen=True)
class Moment:
    """`ends` says which events there were, by topic and partition; `hashes` what the live tables held, by table."""

    ends: dict[tuple[str, int], int]
    hashes: dict[str, Hash]


def moment(
    connection: Connection,
    bootstrap: str,
    wanted: Sequence[Projection],
    *,
    compare: bool,
    patience_s: float,
) -> Moment:
    """Waits until nothing is under way between tables and topics. Raises Unsettled, NoSuchTopic, KafkaError,
    psycopg.Error."""
    topics = sorted({topic for projection in wanted for topic in projection.topics})
    groups = [FILLED_BY[p.table] for p in wanted if compare and p.table in FILLED_BY]
    consumer = reader(bootstrap)
    until = time.monotonic() + patience_s
    try:
        while True:
            ends = ends_of(consumer, topics)
            behind = [text for group in groups if (text := _behind(bootstrap, group, ends))]
            with connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                behind += _under_way(connection, topics, groups)
                if not behind and ends_of(consumer, topics) != ends:
                    behind = ["events come in faster than they can be counted"]
                if not behind:
                    return Moment(ends, {p.table: _hashed(connection, p) for p in wanted} if compare else {})
            if time.monotonic() > until:
                raise Unsettled("; ".join(behind))
            time.sleep(LOOK_EVERY_S)
    finally:
        consumer.close()


def _hashed(connection: Connection, projection: Projection) -> Hash:
    """Across tenants reads only the role that may, whoever runs this."""
    if not projection.tenant:
        return hashed(connection, LIVE, projection)
    connection.execute(f"SET LOCAL ROLE {READER}")
    found = hashed(connection, LIVE, projection)
    connection.execute("RESET ROLE")
    return found


def _under_way(connection: Connection, topics: Sequence[str], groups: Sequence[str]) -> list[str]:
    row = connection.execute(
        "SELECT (SELECT count(*) FROM outbox WHERE published_at IS NULL AND refused IS NULL AND topic = ANY(%s)),"
        " (SELECT count(*) FROM parked WHERE consumer = ANY(%s))",
        (list(topics), list(groups)),
    ).fetchone()
    unpublished, parked = row or (0, 0)
    found = [f"{unpublished} events wait in the outbox"] if unpublished else []
    return found + ([f"{parked} events wait for their key"] if parked else [])


def _behind(bootstrap: str, group: str, ends: dict[tuple[str, int], int]) -> str | None:
    topic = group.partition(".")[2]
    consumer = reader(bootstrap, group_id=group)
    try:
        places = [(TopicPartition(*at), end) for at, end in ends.items() if at[0] == topic]
        records = sum(max(0, end - (consumer.committed(at, timeout_ms=REQUEST_MS) or 0)) for at, end in places)
    finally:
        consumer.close()
    return f"{group} is {records} records behind" if records else None
