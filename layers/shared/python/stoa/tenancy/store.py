"""The SQL of sessions that have ended, and of tenants."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from stoa.kernel import generations
from stoa.kernel.database import Connection, Database, Row, enter
from stoa.kernel.rate_limit import Level, Wanted, levels, taking

# the tenants that some project may touch, and those that were closed; one that was registered by hand has its own name
_TENANTS = (
    "SELECT tenant, coalesce(t.display_name, tenant) AS display_name, coalesce(t.generation, 0) AS generation,"
    " coalesce(p.project_ids, '{}') AS project_ids, t.created_at, t.created_by, t.updated_at, t.updated_by,"
    " t.closed_at, t.closed_by FROM"
    " (SELECT tenant, array_agg(project_id ORDER BY project_id) AS project_ids FROM project_tenants GROUP BY tenant)"
    " AS p FULL JOIN tenants AS t USING (tenant) WHERE (project_ids IS NOT NULL OR closed_at IS NOT NULL)"
)
# by kind, what an environment serves of it included: an undeployment may have failed
_IN_THE_WAY = (
    "SELECT 'API' AS kind, api AS name FROM apis WHERE tenant = %(tenant)s AND deleted_at IS NULL"
    " UNION ALL SELECT 'change under way', id FROM api_changes"
    " WHERE tenant = %(tenant)s AND state IN ('requested', 'committed')"
    " UNION ALL SELECT 'deployment under way', id FROM deployments"
    " WHERE tenant = %(tenant)s AND state IN ('requested', 'launching', 'running')"
    " UNION ALL SELECT 'served API', api || ' in ' || environment FROM api_status"
    " WHERE tenant = %(tenant)s AND serving_deployment_id IS NOT NULL ORDER BY kind, name"
)
_BY_TENANT = 5  # the class of an advisory lock


def end(
    connection: Connection, subject: str, at: datetime, keep: timedelta, *, ahead: timedelta = timedelta()
) -> None:  # fmt: skip
    """Of two ends the later one counts; one `ahead` is of tokens that are still to be made. What nobody needs any more
    goes with it."""
    connection.execute(
        "INSERT INTO ended_sessions AS known (subject, ended_at, kept_until) VALUES (%s, %s, %s)"
        " ON CONFLICT (subject) DO UPDATE SET ended_at = greatest(known.ended_at, excluded.ended_at),"
        " kept_until = greatest(known.kept_until, excluded.kept_until)",
        (subject, at + ahead, at + ahead + keep),
    )
    connection.execute("DELETE FROM ended_sessions WHERE kept_until < %s", (at,))


def admitted(
    database: Database, subjects: Sequence[str], made: datetime, wanted: Wanted
) -> tuple[Level, ...] | None:  # fmt: skip
    """None when one of the subjects ended at or after the time at which a token was made. Else what rate_limit.take
    returns, in the same round trip: a CASE evaluates no other branch, so who has ended takes no token. Raises
    Transient."""
    text, values = taking(wanted)
    named = ", ".join(["%s"] * len(subjects))
    ended = f"EXISTS (SELECT FROM ended_sessions WHERE subject IN ({named}) AND ended_at >= %s)"
    (row,) = database.statement(
        f"SELECT CASE WHEN {ended} THEN NULL ELSE {text} END AS taken", (*subjects, made, *values)
    )
    return None if row["taken"] is None else levels(wanted, row["taken"])


def tenants(connection: Connection, *, tenant: str | None, after: str | None, limit: int) -> list[Row]:
    """By name, those that come behind `after`; closed ones are left out."""
    return connection.execute(
        f"{_TENANTS} AND closed_at IS NULL AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s)"
        ' AND (%(after)s::text IS NULL OR tenant COLLATE "C" > %(after)s)'
        ' ORDER BY tenant COLLATE "C" LIMIT %(limit)s',
        {"tenant": tenant, "after": after, "limit": limit},
    ).fetchall()


def tenant(connection: Connection, name: str) -> Row | None:
    """Also a closed one."""
    return connection.execute(f"{_TENANTS} AND tenant = %s", (name,)).fetchone()


def lock_tenant(connection: Connection, name: str) -> None:
    """To the end of the transaction: there may be no row yet that could be locked."""
    connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_BY_TENANT, name))


def put_tenant(
    connection: Connection, name: str, display_name: str, project_id: int, actor: str, at: datetime
) -> None:  # fmt: skip
    """Its name and the one project that may touch it, under its next generation."""
    generation = generations.following(connection, f"tenant:{name}")
    connection.execute(
        "INSERT INTO tenants (tenant, display_name, generation, created_at, created_by, updated_at, updated_by)"
        " VALUES (%(tenant)s, %(display_name)s, %(generation)s, %(at)s, %(actor)s, %(at)s, %(actor)s)"
        " ON CONFLICT (tenant) DO UPDATE SET display_name = excluded.display_name, generation = excluded.generation,"
        " updated_at = excluded.updated_at, updated_by = excluded.updated_by",
        {"tenant": name, "display_name": display_name, "generation": generation, "at": at, "actor": actor},
    )
    connection.execute("DELETE FROM project_tenants WHERE tenant = %s AND project_id <> %s", (name, project_id))
    connection.execute(
        "INSERT INTO project_tenants (project_id, tenant) VALUES (%s, %s) ON CONFLICT DO NOTHING", (project_id, name)
    )


def release(connection: Connection, name: str) -> None:
    """No project may touch it any more; waits for whoever writes something of it."""
    connection.execute("DELETE FROM project_tenants WHERE tenant = %s", (name,))


def in_the_way(connection: Connection, name: str) -> list[tuple[str, str]]:
    """What a tenant must not have when it is closed, by kind and name; enters the tenant."""
    enter(connection, name)
    return [(row["kind"], row["name"]) for row in connection.execute(_IN_THE_WAY, {"tenant": name})]


def close(connection: Connection, name: str, actor: str, at: datetime) -> None:
    """For ever; none of its people's tokens is taken any more, whenever it was made."""
    generation = generations.following(connection, f"tenant:{name}")
    connection.execute(
        "INSERT INTO tenants (tenant, display_name, generation, created_at, created_by, updated_at, updated_by,"
        " closed_at, closed_by) VALUES (%(tenant)s, %(tenant)s, %(generation)s, %(at)s, %(actor)s, %(at)s, %(actor)s,"
        " %(at)s, %(actor)s) ON CONFLICT (tenant) DO UPDATE SET generation = excluded.generation,"
        " updated_at = excluded.updated_at, updated_by = excluded.updated_by, closed_at = excluded.closed_at,"
        " closed_by = excluded.closed_by",
        {"tenant": name, "generation": generation, "at": at, "actor": actor},
    )
    connection.execute(
        "INSERT INTO ended_sessions (subject, ended_at, kept_until) VALUES (%s, 'infinity', 'infinity')"
        " ON CONFLICT (subject) DO UPDATE SET ended_at = 'infinity', kept_until = 'infinity'",
        (f"tenant:{name}",),
    )
