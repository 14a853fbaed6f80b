"""The SQL of members as Git wants them, of what is about to be changed in Keycloak, and of sessions about to end."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from stoa.kernel import generations
from stoa.kernel.database import Connection, Row, enter
from stoa.members.model import Change, Member, SessionEnd, Sync, Verdict

if TYPE_CHECKING:  # see model.py
    from stoa.repository.iam import IamPush, Role

_SYNC = "tenant, project_id, generation, commit_sha, asked_by, trace_id, state, leased_until"
_SHOWN = "generation, commit_sha, asked_at, state, error, refusal, refused_commit, synced_at"
_ONE_WORKER = 4  # the class of an advisory lock


def source_of(connection: Connection, tenant: str) -> int | None:
    """The project whose file decides who is a member; the row is locked until the transaction ends. A project that may
    not touch the tenant any more decides nothing."""
    row = connection.execute(
        "SELECT s.project_id FROM member_syncs AS s JOIN project_tenants AS p USING (project_id, tenant)"
        " WHERE s.tenant = %s AND s.state <> 'none' FOR UPDATE OF s",
        (tenant,),
    ).fetchone()
    return int(row["project_id"]) if row else None


def wanted(connection: Connection, tenant: str) -> dict[str, "Role"]:
    """The role of each address, as the newest file that was taken says; of the tenant that was entered."""
    rows = connection.execute("SELECT email, role FROM tenant_members WHERE tenant = %s", (tenant,))
    return {row["email"]: row["role"] for row in rows}


def authors(connection: Connection, tenant: str, people: frozenset[str] | None) -> frozenset[str] | None:
    """Those, and whoever wrote what was refused since the newest file that was taken: a later push by somebody else
    does not make it theirs. None when nobody can tell."""
    row = connection.execute("SELECT authors FROM member_syncs WHERE tenant = %s", (tenant,)).fetchone()
    before = row["authors"] if row else []
    return None if before is None or people is None else people | frozenset(before)


def want(connection: Connection, tenant: str, people: Mapping[str, "Role"], push: "IamPush", at: datetime) -> int:
    """The tenant's members from now on, under the next generation; enters the tenant."""
    enter(connection, tenant)
    generation = generations.following(connection, f"members:{tenant}")
    connection.execute(
        "INSERT INTO member_syncs (tenant, project_id, generation, commit_sha, asked_by, trace_id, asked_at, state,"
        " due_at) VALUES (%(tenant)s, %(project)s, %(generation)s, %(commit)s, %(by)s, %(trace)s, %(at)s, 'pending',"
        " %(at)s) ON CONFLICT (tenant) DO UPDATE SET project_id = excluded.project_id,"
        " generation = excluded.generation, commit_sha = excluded.commit_sha, asked_by = excluded.asked_by,"
        " trace_id = excluded.trace_id, asked_at = excluded.asked_at, state = 'pending', error = NULL,"
        " refusal = NULL, refused_commit = NULL, authors = '{}', due_at = excluded.due_at",
        {"tenant": tenant, "project": push.project_id, "generation": generation, "commit": push.commit,
         "by": push.pusher, "trace": push.trace_id, "at": at},
    )  # fmt: skip
    connection.execute("DELETE FROM tenant_members WHERE tenant = %s AND email <> ALL(%s)", (tenant, list(people)))
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO tenant_members AS m (tenant, email, role, state) VALUES (%s, %s, %s, 'pending')"
            " ON CONFLICT (tenant, email) DO UPDATE SET role = excluded.role, state = 'pending', reason = NULL"
            " WHERE m.role <> excluded.role OR m.state <> 'synced'",
            [(tenant, email, role) for email, role in people.items()],
        )
    return generation


def refuse(connection: Connection, tenant: str, problem: Mapping[str, Any], push: "IamPush", at: datetime) -> None:
    """A newer file was not taken: what was wanted before stays, and the refusal stands beside it."""
    authors = None if push.people is None else sorted(push.people)
    connection.execute(
        "INSERT INTO member_syncs (tenant, project_id, generation, commit_sha, asked_by, trace_id, asked_at, state,"
        " refusal, refused_commit, authors, due_at) VALUES (%(tenant)s, %(project)s, 0, %(commit)s, %(by)s, %(trace)s,"
        " %(at)s, 'none', %(why)s, %(commit)s, %(authors)s, 'infinity') ON CONFLICT (tenant) DO UPDATE SET"
        " refusal = excluded.refusal, refused_commit = excluded.refused_commit, authors = excluded.authors",
        {"tenant": tenant, "project": push.project_id, "commit": push.commit, "by": push.pusher,
         "trace": push.trace_id, "at": at, "why": Jsonb(dict(problem)), "authors": authors},
    )  # fmt: skip


def claim(connection: Connection, at: datetime, until: datetime) -> Sync | None:
    """The tenant that is due for the longest, for this worker alone: nobody else works at Keycloak until it is let go,
    or the lease has run out."""
    connection.execute("SELECT pg_advisory_xact_lock(%s, 0)", (_ONE_WORKER,))
    row = connection.execute(
        "UPDATE member_syncs SET leased_until = %(until)s WHERE tenant = (SELECT tenant FROM member_syncs"
        " WHERE due_at <= %(at)s AND NOT EXISTS (SELECT FROM member_syncs WHERE leased_until > %(at)s)"
        f" ORDER BY due_at, tenant LIMIT 1 FOR UPDATE) RETURNING {_SYNC}",
        {"at": at, "until": until},
    ).fetchone()
    return Sync(**row) if row else None


def holds(connection: Connection, sync: Sync) -> bool:
    """Whether the worker still has the tenant, at the generation that it began; the row is locked until the end."""
    row = connection.execute(
        "SELECT tenant FROM member_syncs WHERE (tenant, generation, leased_until) = (%s, %s, %s) FOR UPDATE",
        (sync.tenant, sync.generation, sync.leased_until),
    )
    return row.fetchone() is not None


def let_go(connection: Connection, sync: Sync, due: datetime) -> None:
    """Another worker may go on. A newer file is due at once, whatever is said here."""
    connection.execute(
        "UPDATE member_syncs SET leased_until = NULL, due_at = CASE WHEN generation = %(generation)s THEN %(due)s"
        " ELSE due_at END WHERE tenant = %(tenant)s AND leased_until = %(leased_until)s",
        {**vars(sync), "due": due},
    )


def ended(connection: Connection, sync: Sync, error: Mapping[str, Any] | None, at: datetime) -> None:
    """How the generation ended: `error` says why nothing was done."""
    connection.execute(
        "UPDATE member_syncs SET state = %s, error = %s, synced_at = coalesce(%s, synced_at)"
        " WHERE (tenant, generation) = (%s, %s)",
        (
            "refused" if error else "synced", Jsonb(dict(error)) if error else None, None if error else at,
            sync.tenant, sync.generation,
        ),
    )  # fmt: skip


def judge(connection: Connection, tenant: str, verdicts: Iterable[Verdict]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE tenant_members SET state = %s, user_id = %s, reason = %s WHERE (tenant, email) = (%s, %s)",
            [(one.state, one.user_id, one.reason, tenant, one.email) for one in verdicts],
        )


def members(connection: Connection, tenant: str) -> list[Member]:
    return [Member(email, role) for email, role in sorted(wanted(connection, tenant).items())]


def intend(connection: Connection, sync: Sync, change: Change, actor: str) -> None:
    """Before the call."""
    connection.execute(
        "INSERT INTO member_changes (tenant, user_id, before, after, generation, commit_sha, actor, trace_id)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            sync.tenant, change.account.id, sorted(change.account.managed), sorted(change.after), sync.generation,
            sync.commit_sha, actor, sync.trace_id,
        ),
    )  # fmt: skip


def intended(connection: Connection, tenant: str) -> list[Row]:
    """What was begun, and nobody wrote down that it was done."""
    return connection.execute("SELECT * FROM member_changes WHERE tenant = %s ORDER BY user_id", (tenant,)).fetchall()


def done(connection: Connection, tenant: str, user_id: str) -> Row | None:
    """Takes the intent away; None when somebody else did."""
    return connection.execute(
        "DELETE FROM member_changes WHERE (tenant, user_id) = (%s, %s) RETURNING *", (tenant, user_id)
    ).fetchone()


def shown(connection: Connection, tenant: str) -> tuple[Row | None, list[Row]]:
    """The sync of a tenant, and its members by address."""
    sync = connection.execute(f"SELECT {_SHOWN} FROM member_syncs WHERE tenant = %s", (tenant,)).fetchone()
    rows = connection.execute(
        "SELECT email, role, user_id AS sub, state, reason FROM tenant_members WHERE tenant = %s ORDER BY email",
        (tenant,),
    )
    return sync, rows.fetchall()


def end_session(connection: Connection, end: SessionEnd) -> None:
    """Before the call; one that is asked for already stays as it is."""
    connection.execute(
        "INSERT INTO session_ends (session_id, user_id, tenant, asked_by, ip, trace_id, asked_at)"
        " VALUES (%(session_id)s, %(user_id)s, %(tenant)s, %(asked_by)s, %(ip)s, %(trace_id)s, %(asked_at)s)"
        " ON CONFLICT DO NOTHING",
        vars(end),
    )


def session_ends(connection: Connection, before: datetime, limit: int) -> list[SessionEnd]:
    """Those that nobody finished, the oldest first."""
    rows = connection.execute(
        "SELECT * FROM session_ends WHERE asked_at <= %s ORDER BY asked_at, session_id LIMIT %s", (before, limit)
    )
    return [SessionEnd(**row) for row in rows]


def session_ended(connection: Connection, session_id: str) -> SessionEnd | None:
    """Takes the intent away; None when somebody else did."""
    row = connection.execute("DELETE FROM session_ends WHERE session_id = %s RETURNING *", (session_id,)).fetchone()
    return SessionEnd(**row) if row else None
