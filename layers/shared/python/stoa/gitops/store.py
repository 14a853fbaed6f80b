"""The SQL of pushes, processed heads and project registrations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from stoa.gitops.events import PushAccepted
from stoa.kernel.database import Connection, Row

_PUSH = "id, project_id, ref, before_sha, after_sha, pusher, trace_id, state, outcome, received_at, processed_at"


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
    return connection.execute(f"SELECT {_PUSH} FROM pushes WHERE id = %s", (push_id,)).fetchone()


def push_of_trace(connection: Connection, trace_id: str) -> Row | None:
    """The first push of a trace; a caller's traceparent may have brought more than one into it."""
    return connection.execute(
        f"SELECT {_PUSH} FROM pushes WHERE trace_id = %s ORDER BY received_at LIMIT 1", (trace_id,)
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


@dataclass(frozen=True)
class Head:
    """The commit of a project that was turned into deploy requests last, and the branch it was on."""

    ref: str
    sha: str


def head(connection: Connection, project_id: int) -> Head | None:
    row = connection.execute("SELECT ref, head FROM project_heads WHERE project_id = %s", (project_id,)).fetchone()
    return Head(row["ref"], row["head"]) if row else None


def move_head(connection: Connection, project_id: int, old: Head | None, new: Head, at: datetime) -> bool:
    """Takes the project's row, until the transaction ends, and moves it; False when it is not at `old` any more."""
    if old is None:
        row = connection.execute(
            "INSERT INTO project_heads (project_id, ref, head, moved_at) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING RETURNING head",
            (project_id, new.ref, new.sha, at),
        )
    else:
        row = connection.execute(
            "UPDATE project_heads SET ref = %s, head = %s, moved_at = %s"
            " WHERE project_id = %s AND ref = %s AND head = %s RETURNING head",
            (new.ref, new.sha, at, project_id, old.ref, old.sha),
        )
    return row.fetchone() is not None


def is_known(connection: Connection, project_id: int, ref: str, sha: str) -> bool:
    """Whether a push that ends at this commit is still to be processed, or was refused since the head moved.

    One that was processed or skipped says nothing: the branch may have come back to its commit.
    """
    row = connection.execute(
        "SELECT 1 FROM pushes p LEFT JOIN project_heads h USING (project_id)"
        " WHERE project_id = %s AND p.ref = %s AND after_sha = %s AND (state = 'accepted'"
        " OR (state = 'refused' AND (h.moved_at IS NULL OR processed_at > h.moved_at))) LIMIT 1",
        (project_id, ref, sha),
    )
    return row.fetchone() is not None


def source(connection: Connection, tenant: str) -> Row | None:
    """The project of a tenant that was processed last, with its newest processed commit: project_id, head.

    The row is locked, as `move_head` does: no push takes generations between this reading and the commit.
    """
    return connection.execute(
        "SELECT h.project_id, h.head FROM project_tenants p JOIN project_heads h USING (project_id)"
        " WHERE p.tenant = %s ORDER BY h.moved_at DESC, h.project_id LIMIT 1 FOR UPDATE OF h",
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
            f"SELECT {_PUSH} FROM pushes WHERE %(at)s::timestamptz IS NULL OR (received_at, id) < (%(at)s, %(id)s)"
            " ORDER BY received_at DESC, id DESC LIMIT %(limit)s",
            {"at": at, "id": push_id, "limit": limit},
        )
    )
