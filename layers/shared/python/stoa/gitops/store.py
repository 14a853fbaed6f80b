"""The SQL of pushes, processed heads, and the APIs that Git has."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from stoa.gitops.events import DRAFT, PushAccepted, api_event
from stoa.gitops.model import Api
from stoa.gitops.model_apis import Apis, Commit, Described, Touched
from stoa.kernel import generations
from stoa.kernel.database import Connection, Database, Row, enter, finish
from stoa.kernel.envelope import Event

_API = (
    "tenant, api, generation, created_generation, project_id, commit_sha, environments, created_at, created_by,"
    " updated_at, updated_by, deleted_at, deleted_by, display_name, description, tags, owner, version, operations,"
    " lifecycle"
)
_NOTHING_SAID: Row = {
    "display_name": "", "description": "", "tags": [], "owner": None, "version": None, "operations": "",
    "lifecycle": DRAFT,
}  # fmt: skip
_PUSH = "id, project_id, ref, before_sha, after_sha, pusher, trace_id, state, outcome, received_at, processed_at"


@dataclass(frozen=True)
class Head:
    """The commit of a project that was turned into deploy requests last, and the branch it was on."""

    ref: str
    sha: str


@contextmanager
def put_push(database: Database, push: PushAccepted, at: datetime) -> Iterator[tuple[Connection, bool]]:
    """A transaction that begins with storing the push, in one round trip; False when one with this id is stored."""
    with database.opened(
        "INSERT INTO pushes (id, project_id, ref, before_sha, after_sha, pusher, trace_id, state, received_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, 'accepted', %s) ON CONFLICT DO NOTHING RETURNING id",
        (
            push["push_id"], push["project_id"], push["ref"], push["before"], push["after"], push["pusher"],
            push["trace_id"], at,
        ),
    ) as (connection, stored):  # fmt: skip
        yield connection, bool(stored)


def trace_of(connection: Connection, push_id: str) -> str | None:
    row = connection.execute("SELECT trace_id FROM pushes WHERE id = %s", (push_id,)).fetchone()
    return row["trace_id"] if row else None


def push(database: Database, push_id: str) -> tuple[Row, Head | None, frozenset[str]] | None:
    """The push as it is stored, with its state and outcome; the processed head of its project; the tenants that the
    project may touch. In one round trip."""
    rows = database.read(
        f"SELECT {_PUSH}, head_ref, head, ARRAY(SELECT tenant FROM project_tenants AS t"
        " WHERE t.project_id = pushes.project_id) AS tenants FROM pushes LEFT JOIN"
        " (SELECT project_id AS known, ref AS head_ref, head FROM project_heads) ON known = project_id WHERE id = %s",
        (push_id,),
    )
    if not rows:
        return None
    found = rows[0]
    ref, sha, tenants = (found.pop(name) for name in ("head_ref", "head", "tenants"))
    return found, None if sha is None else Head(ref, sha), frozenset(tenants)


def push_of_trace(connection: Connection, trace_id: str) -> Row | None:
    """The first push of a trace; a caller's traceparent may have brought more than one into it."""
    return connection.execute(
        f"SELECT {_PUSH} FROM pushes WHERE trace_id = %s ORDER BY received_at LIMIT 1", (trace_id,)
    ).fetchone()


def close_push(
    connection: Connection, push_id: str, *, state: str, outcome: Sequence[dict[str, Any]], at: datetime
) -> None:
    """Ends the processing of a push, unless it has ended before, and the transaction with it."""
    finish(
        connection,
        "UPDATE pushes SET state = %s, outcome = %s, processed_at = %s WHERE id = %s AND state = 'accepted'",
        (state, Jsonb(list(outcome)), at, push_id),
    )


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


def visible_deployments(connection: Connection, ids: Sequence[str]) -> frozenset[str]:
    """Those of `ids` that whoever reads may see."""
    rows = connection.execute("SELECT id FROM deployments WHERE id = ANY(%s)", (list(ids),))
    return frozenset(row["id"] for row in rows)


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


def put_apis(connection: Connection, apis: Apis, tenants: Iterable[str], commit: Commit) -> list[Event]:
    """Writes what became of the APIs of these tenants, each under its next generation; the event of each.

    What the project has no file of any more is deleted, whether or not this push removed it.
    """
    told = []
    for tenant in sorted(tenants):
        enter(connection, tenant)
        for found in apis.touched:
            said = apis.described.get((found.tenant, found.api), Described()).columns
            row = _put_api(connection, found, said, commit) if found.tenant == tenant else None
            if row is not None:
                told.append(api_event(row, commit.trace_id, found.changes, found.changed))
        told += [api_event(row, commit.trace_id) for row in _delete_apis(connection, tenant, apis.present, commit)]
    return told


def _put_api(connection: Connection, found: Touched, said: Mapping[str, Any], commit: Commit) -> Row | None:
    """The API's row as it is now. None for a folder without api.yaml that is no API yet.

    One that was unknown or deleted begins a new life: its `created_generation` is its generation. What its files
    did not say this time stays.
    """
    living = _living(connection, found)
    if not found.defined and living is None:
        return None
    about = {**_NOTHING_SAID, **(living or {}), **said}
    generation = generations.following(connection, f"{found.tenant}/{found.api}")
    return connection.execute(
        f"INSERT INTO apis AS a ({_API}) VALUES (%(tenant)s, %(api)s, %(generation)s, %(generation)s, %(project_id)s,"
        " %(sha)s, %(environments)s, %(at)s, %(actor)s, %(at)s, %(actor)s, NULL, NULL, %(display_name)s,"
        " %(description)s, %(tags)s, %(owner)s, %(version)s, %(operations)s, %(lifecycle)s)"
        " ON CONFLICT (tenant, api) DO UPDATE SET generation = excluded.generation, project_id = excluded.project_id,"
        " commit_sha = excluded.commit_sha, environments = excluded.environments, updated_at = excluded.updated_at,"
        " updated_by = excluded.updated_by, deleted_at = NULL, deleted_by = NULL, display_name = excluded.display_name,"
        " description = excluded.description, tags = excluded.tags, owner = excluded.owner,"
        " version = excluded.version, operations = excluded.operations,"
        " lifecycle = excluded.lifecycle, created_generation ="
        " CASE WHEN a.deleted_at IS NULL THEN a.created_generation ELSE excluded.generation END,"
        " created_at = CASE WHEN a.deleted_at IS NULL THEN a.created_at ELSE excluded.created_at END,"
        " created_by = CASE WHEN a.deleted_at IS NULL THEN a.created_by ELSE excluded.created_by END"
        f" RETURNING {_API}",
        {
            **about,
            **commit.of(found.tenant, found.api),
            **vars(found),
            "environments": list(found.environments),
            "generation": generation,
            "lifecycle": Jsonb(about["lifecycle"]),
        },
    ).fetchone()


def _delete_apis(connection: Connection, tenant: str, present: Collection[Api], commit: Commit) -> list[Row]:
    known = connection.execute(
        "SELECT api FROM apis WHERE project_id = %s AND tenant = %s AND deleted_at IS NULL ORDER BY api",
        (commit.project_id, tenant),
    ).fetchall()
    gone = [row["api"] for row in known if (tenant, row["api"]) not in present]
    deleted: list[Row] = []
    for api in gone:
        generation = generations.following(connection, f"{tenant}/{api}")
        deleted += connection.execute(
            "UPDATE apis SET generation = %(generation)s, commit_sha = %(sha)s, environments = '{}',"
            " operations = '',"
            " updated_at = %(at)s, updated_by = %(actor)s, deleted_at = %(at)s, deleted_by = %(actor)s"
            f" WHERE tenant = %(tenant)s AND api = %(api)s RETURNING {_API}",
            {**commit.of(tenant, api), "tenant": tenant, "api": api, "generation": generation},
        )
    return deleted


def _living(connection: Connection, found: Touched) -> Row | None:
    return connection.execute(
        f"SELECT {', '.join(_NOTHING_SAID)} FROM apis WHERE tenant = %s AND api = %s AND deleted_at IS NULL",
        (found.tenant, found.api),
    ).fetchone()
