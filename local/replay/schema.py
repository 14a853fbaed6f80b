"""A schema that lives as long as a replay, with empty tables like the live ones."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

import psycopg

from local.replay.live import LIVE
from stoa.kernel.tables import Projection

PREFIX = "replay_"
KEPT = "kept"
LOCKS = 3  # of advisory locks by name: who holds one is alive
OURS = "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s) AND obj_description(oid) IS DISTINCT FROM %s"

Connection = psycopg.Connection[Any]


@contextmanager
def fresh_schema(connection: Connection, wanted: Sequence[Projection], *, keep: bool) -> Iterator[str]:
    """Without a log of their own (UNLOGGED): what is here can be made again. Drops what killed replays left behind."""
    _sweep(connection)
    name = f"{PREFIX}{datetime.now(UTC):%Y%m%dt%H%M%S}_{token_hex(3)}"
    connection.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", (LOCKS, name))
    connection.execute(f"CREATE SCHEMA {name}")
    try:
        connection.execute(f"CREATE UNLOGGED TABLE {name}.event_ids (id text)")
        for one in wanted:
            like = f"LIKE {LIVE}.{one.table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
            connection.execute(f"CREATE UNLOGGED TABLE {name}.{one.table} ({like}, PRIMARY KEY ({one.key}))")
        yield name
        if keep:
            connection.execute(f"COMMENT ON SCHEMA {name} IS '{KEPT}'")
    finally:
        if not connection.closed:
            _sweep(connection, name)


def _sweep(connection: Connection, ended: str | None = None) -> None:
    """Drops the schemas that nobody works in and nobody asked to keep."""
    if ended:
        connection.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", (LOCKS, ended))
    for (name,) in connection.execute(OURS, (PREFIX, KEPT)).fetchall():
        row = connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (LOCKS, name)).fetchone()
        if row == (True,):
            connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
            connection.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", (LOCKS, name))
