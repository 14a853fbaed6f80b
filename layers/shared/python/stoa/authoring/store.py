"""The SQL of changes that people ask for. Every function works in the caller's transaction."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from stoa.authoring.model import Change, Known, State
from stoa.kernel.database import Connection

_COLUMNS = (
    "id, tenant, api, action, state, project_id, base, base_generation, wanted, files, commit_sha AS commit,"
    " requested_by, trace_id, error, requested_at, finished_at"
)


def put(connection: Connection, change: Change) -> bool:
    """False when the API has an unfinished change already."""
    row = connection.execute(
        "INSERT INTO api_changes (id, tenant, api, action, state, project_id, base, base_generation, wanted,"
        " requested_by, trace_id, requested_at) VALUES (%(id)s, %(tenant)s, %(api)s, %(action)s, %(state)s,"
        " %(project_id)s, %(base)s, %(base_generation)s, %(wanted)s, %(requested_by)s, %(trace_id)s, %(requested_at)s)"
        " ON CONFLICT (tenant, api) WHERE state IN ('requested', 'committed') DO NOTHING RETURNING id",
        {**vars(change), "wanted": Jsonb(change.wanted)},
    ).fetchone()
    return row is not None


def get(connection: Connection, change_id: str) -> Change | None:
    row = connection.execute(f"SELECT {_COLUMNS} FROM api_changes WHERE id = %s", (change_id,)).fetchone()
    return Change(**row) if row else None


def under_way(connection: Connection, tenant: str, api: str) -> str | None:
    row = connection.execute(
        "SELECT id FROM api_changes WHERE tenant = %s AND api = %s AND state IN ('requested', 'committed')",
        (tenant, api),
    ).fetchone()
    return row["id"] if row else None


def committed(connection: Connection, before: datetime, limit: int) -> list[Change]:
    """Those that were asked for before that time and whose push was not processed yet, the oldest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM api_changes WHERE state = 'committed' AND requested_at < %s"
        " ORDER BY requested_at LIMIT %s",
        (before, limit),
    )
    return [Change(**row) for row in rows]


def announce(connection: Connection, change_id: str, files: Mapping[str, str | None]) -> None:
    """Before the commit is asked for."""
    connection.execute("UPDATE api_changes SET files = %s WHERE id = %s", (Jsonb(dict(files)), change_id))


def record(connection: Connection, change_id: str, sha: str) -> bool:
    """The commit is made; False when that is known already."""
    row = connection.execute(
        "UPDATE api_changes SET state = 'committed', commit_sha = %s WHERE id = %s AND state = 'requested'"
        " RETURNING id",
        (sha, change_id),
    ).fetchone()
    return row is not None


def end(
    connection: Connection, change_id: str, state: State, at: datetime, *, sha: str | None = None,
    error: dict[str, Any] | None = None,
) -> bool:  # fmt: skip
    """False when it has ended before. A commit that arrived after all makes a refused one done."""
    row = connection.execute(
        "UPDATE api_changes SET state = %(state)s, commit_sha = coalesce(%(sha)s, commit_sha), error = %(error)s,"
        " finished_at = %(at)s, wanted = '{}' WHERE id = %(id)s"
        " AND (state IN ('requested', 'committed') OR (state = 'refused' AND %(sha)s::text IS NOT NULL)) RETURNING id",
        {"state": state, "sha": sha, "error": Jsonb(error) if error else None, "at": at, "id": change_id},
    ).fetchone()
    return row is not None


def named(connection: Connection, project_id: int, ids: Collection[str]) -> list[Change]:
    """Those of these changes that are to be written to this project."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM api_changes WHERE project_id = %s AND id = ANY(%s)", (project_id, list(ids))
    )
    return [Change(**row) for row in rows]


def known(connection: Connection, tenant: str, api: str) -> Known | None:
    """The API as it is in the catalogue; its row stays locked until the transaction ends."""
    row = connection.execute(
        "SELECT generation, project_id, commit_sha AS commit, environments, lifecycle FROM apis"
        " WHERE tenant = %s AND api = %s AND deleted_at IS NULL FOR SHARE",
        (tenant, api),
    ).fetchone()
    return Known(**{**row, "environments": tuple(row["environments"])}) if row else None


def is_reached(connection: Connection, tenant: str) -> bool:
    """Whether the request may do anything to this tenant, as row-level security sees it."""
    row = connection.execute("SELECT callers(%s) AS reached", (tenant,)).fetchone()
    return bool(row and row["reached"])


def processed(connection: Connection, project_id: int) -> str | None:
    """The commit of the project that was processed last."""
    row = connection.execute("SELECT head FROM project_heads WHERE project_id = %s", (project_id,)).fetchone()
    return row["head"] if row else None
