"""The SQL of rollouts: one row per API, of its newest event. In the caller's transaction."""

from datetime import datetime

from stoa.kernel.database import Connection, Row
from stoa.rollouts.model import FOLLOWED, HAS_ITS_NAME, Rollout

_COLUMNS = (
    "tenant, api, generation, revision, trace_id, state, started_at, asked_at, operation_before, history_before,"
    " degraded_since, finished_at, detail"
)


def intend(connection: Connection, r: Rollout) -> Rollout | None:
    """The row of this event, as it is already when it came before; None when a newer one is known."""
    row = connection.execute(
        f"INSERT INTO rollouts AS known ({_COLUMNS}) VALUES (%(tenant)s, %(api)s, %(generation)s, %(revision)s,"
        " %(trace_id)s, %(state)s, %(started_at)s, NULL, NULL, NULL, NULL, NULL, NULL) ON CONFLICT (tenant, api)"
        " DO UPDATE SET generation = excluded.generation, revision = excluded.revision, trace_id = excluded.trace_id,"
        " state = excluded.state, started_at = excluded.started_at, asked_at = NULL, operation_before = NULL,"
        " history_before = NULL, degraded_since = NULL, finished_at = NULL, detail = NULL, looked_at = NULL"
        " WHERE known.generation < excluded.generation"
        f" RETURNING {_COLUMNS}",
        vars(r),
    ).fetchone()
    return _rollout(row) if row else get(connection, r.tenant, r.api, r.generation)


def get(connection: Connection, tenant: str, api: str, generation: int) -> Rollout | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM rollouts WHERE (tenant, api, generation) = (%s, %s, %s)", (tenant, api, generation)
    ).fetchone()
    return _rollout(row) if row else None


def change(connection: Connection, old: Rollout, new: Rollout) -> bool:
    """False when the row is not at `old` any more: a newer event came, or somebody else saw the end."""
    row = connection.execute(
        "UPDATE rollouts SET state = %(state)s, asked_at = %(asked_at)s, operation_before = %(operation_before)s,"
        " history_before = %(history_before)s, degraded_since = %(degraded_since)s, finished_at = %(finished_at)s,"
        " detail = %(detail)s WHERE (tenant, api, generation, state) ="
        " (%(tenant)s, %(api)s, %(generation)s, %(old)s) RETURNING tenant",
        {**vars(new), "old": old.state},
    ).fetchone()
    return row is not None


def namesake(connection: Connection, r: Rollout) -> str | None:
    """tenant/api of the other API whose application has this name: a-b/c and a/b-c have one between them."""
    row = connection.execute(
        "SELECT tenant || '/' || api AS other FROM rollouts WHERE tenant || '-' || api = %s"
        " AND (tenant, api) <> (%s, %s) AND state = ANY(%s) ORDER BY started_at LIMIT 1",
        (r.application, r.tenant, r.api, list(HAS_ITS_NAME)),
    ).fetchone()
    return str(row["other"]) if row else None


def followed(connection: Connection, limit: int) -> list[Rollout]:
    """Those whose end is not known, the one not looked at for the longest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM rollouts WHERE state = ANY(%s) ORDER BY looked_at NULLS FIRST LIMIT %s",
        (list(FOLLOWED), limit),
    )
    return [_rollout(row) for row in rows]


def looks(connection: Connection, r: Rollout, at: datetime) -> None:
    """Before the look, so that one that always fails holds up nobody."""
    connection.execute("UPDATE rollouts SET looked_at = %s WHERE (tenant, api) = (%s, %s)", (at, r.tenant, r.api))


def of_trace(connection: Connection, trace_id: str, tenant: str | None) -> list[Rollout]:
    """A row that a newer event took over is not in the trace of the older one any more."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM rollouts WHERE trace_id = %(trace)s"
        " AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s) ORDER BY tenant, api",
        {"trace": trace_id, "tenant": tenant},
    )
    return [_rollout(row) for row in rows]


def _rollout(row: Row) -> Rollout:
    return Rollout(**row)
