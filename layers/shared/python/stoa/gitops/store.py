"""The SQL of pushes, branches and project registrations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from stoa.gitops.events import PushAccepted
from stoa.kernel.database import Connection, Row


def put_push(connection: Connection, push: PushAccepted, at: datetime) -> bool:
    """False when a push with this id is stored already."""
    row = connection.execute(
        "INSERT INTO pushes (id, project_id, ref, before_sha, after_sha, pusher, trace_id, state, received_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, 'accepted', %s) ON CONFLICT DO NOTHING RETURNING id",
        (
            push["push_id"], push["project_id"], push["ref"], push["before"], push["after"], push["pusher"],
            push["trace_id"], at,
        ),
    ).fetchone()  # fmt: skip
    return row is not None


def trace_of(connection: Connection, push_id: str) -> str | None:
    row = connection.execute("SELECT trace_id FROM pushes WHERE id = %s", (push_id,)).fetchone()
    return row["trace_id"] if row else None


def push(connection: Connection, push_id: str) -> Row | None:
    """The push as it is stored, with its state and outcome."""
    return connection.execute(
        "SELECT id, project_id, ref, before_sha, after_sha, pusher, trace_id, state, outcome, received_at,"
        " processed_at FROM pushes WHERE id = %s",
        (push_id,),
    ).fetchone()


def close_push(
    connection: Connection, push_id: str, *, state: str, outcome: Sequence[dict[str, Any]], at: datetime
) -> bool:
    """Ends the processing of a push; False when it has ended before."""
    row = connection.execute(
        "UPDATE pushes SET state = %s, outcome = %s, processed_at = %s WHERE id = %s AND state = 'accepted'"
        " RETURNING id",
        (state, Jsonb(list(outcome)), at, push_id),
    ).fetchone()
    return row is not None


def head(connection: Connection, project_id: int, ref: str) -> str | None:
    """The last commit of the branch that was turned into deploy requests."""
    row = connection.execute(
        "SELECT head FROM branches WHERE project_id = %s AND ref = %s", (project_id, ref)
    ).fetchone()
    return row["head"] if row else None


def move_head(connection: Connection, project_id: int, ref: str, old: str | None, new: str, at: datetime) -> bool:
    """Takes the branch's row, until the transaction ends, and moves it; False when it is not at `old` any more."""
    if old is None:
        row = connection.execute(
            "INSERT INTO branches (project_id, ref, head, moved_at) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING RETURNING head",
            (project_id, ref, new, at),
        )
    else:
        row = connection.execute(
            "UPDATE branches SET head = %s, moved_at = %s WHERE project_id = %s AND ref = %s AND head = %s"
            " RETURNING head",
            (new, at, project_id, ref, old),
        )
    return row.fetchone() is not None


def is_known(connection: Connection, project_id: int, ref: str, sha: str) -> bool:
    """Whether a push that ends at this commit is still to be processed, or was refused since the head moved.

    One that was processed or skipped says nothing: the branch may have come back to its commit.
    """
    row = connection.execute(
        "SELECT 1 FROM pushes p LEFT JOIN branches b USING (project_id, ref)"
        " WHERE project_id = %s AND ref = %s AND after_sha = %s AND (state = 'accepted'"
        " OR (state = 'refused' AND (b.moved_at IS NULL OR processed_at > b.moved_at))) LIMIT 1",
        (project_id, ref, sha),
    )
    return row.fetchone() is not None


def projects(connection: Connection) -> list[int]:
    """Every GitLab project that may touch a tenant."""
    rows = connection.execute("SELECT DISTINCT project_id FROM project_tenants ORDER BY project_id")
    return [row["project_id"] for row in rows]


def tenants(connection: Connection, project_id: int) -> frozenset[str]:
    """The tenants that this GitLab project may touch."""
    rows = connection.execute("SELECT tenant FROM project_tenants WHERE project_id = %s", (project_id,))
    return frozenset(row["tenant"] for row in rows)


def source(connection: Connection, tenant: str) -> Row | None:
    """The project of a tenant that was processed last, with its newest processed commit: project_id, head.

    The row is locked, as `move_head` does: no push takes generations between this reading and the commit.
    """
    return connection.execute(
        "SELECT b.project_id, b.head FROM project_tenants p JOIN branches b USING (project_id)"
        " WHERE p.tenant = %s ORDER BY b.moved_at DESC, b.project_id LIMIT 1 FOR UPDATE OF b",
        (tenant,),
    ).fetchone()


def own_commits(connection: Connection, project_id: int, shas: Sequence[str]) -> frozenset[str]:
    """Those of `shas` that the platform itself announced before it made them."""
    rows = connection.execute(
        "SELECT sha FROM commit_intents WHERE project_id = %s AND sha = ANY(%s)", (project_id, list(shas))
    )
    return frozenset(row["sha"] for row in rows)


def pushes(connection: Connection, before: tuple[datetime, str] | None, limit: int) -> list[Row]:
    """The newest pushes first; `before` is the time and id of one."""
    at, push_id = before or (None, None)
    return list(
        connection.execute(
            "SELECT id, project_id, ref, before_sha, after_sha, pusher, trace_id, state, outcome, received_at,"
            " processed_at FROM pushes WHERE %(at)s::timestamptz IS NULL OR (received_at, id) < (%(at)s, %(id)s)"
            " ORDER BY received_at DESC, id DESC LIMIT %(limit)s",
            {"at": at, "id": push_id, "limit": limit},
        )
    )


def started(connection: Connection, idempotency_key: str) -> Row | None:
    """What an earlier request with this key asked for: its subject and deployment_id."""
    connection.execute("SELECT pg_advisory_xact_lock(3, hashtext(%s))", (idempotency_key,))
    return connection.execute(
        "SELECT subject, deployment_id FROM started_by_hand WHERE key = %s", (idempotency_key,)
    ).fetchone()


def put_started(connection: Connection, idempotency_key: str, subject: str, deployment_id: str) -> None:
    connection.execute(
        "INSERT INTO started_by_hand (key, subject, deployment_id) VALUES (%s, %s, %s)",
        (idempotency_key, subject, deployment_id),
    )
