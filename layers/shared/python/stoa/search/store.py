"""The SQL of the list of traces. A trace begins with its push, or with the first deployment of those without one."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from stoa.kernel.database import Connection, Row

_BEFORE = "(%(at)s::timestamptz IS NULL OR (at, trace_id) < (%(at)s, %(trace)s))"
_NEWEST = "ORDER BY at DESC, trace_id DESC LIMIT %(limit)s"
# Pushes are read from the newest, and of the deployments only those since the last of these: nearly all of them have
# a push, so that a search for those without one would go through everything.
_ALL = f"""
WITH pushed AS (SELECT trace_id, at FROM (SELECT trace_id, received_at AS at FROM pushes AS b
  WHERE NOT EXISTS (SELECT FROM pushes AS o WHERE o.trace_id = b.trace_id
    AND (o.received_at, o.id) < (b.received_at, b.id))) AS begun WHERE {_BEFORE} {_NEWEST}),
since AS (SELECT coalesce(min(at) FILTER (WHERE n = %(limit)s), '-infinity') AS at
  FROM (SELECT at, count(*) OVER () AS n FROM pushed) AS counted),
others AS (SELECT trace_id, at FROM (SELECT trace_id, requested_at AS at FROM deployments AS b
  WHERE NOT EXISTS (SELECT FROM pushes AS o WHERE o.trace_id = b.trace_id)
    AND NOT EXISTS (SELECT FROM deployments AS o WHERE o.trace_id = b.trace_id
      AND (o.requested_at, o.id) < (b.requested_at, b.id))) AS begun
  WHERE {_BEFORE} AND at >= (SELECT at FROM since) {_NEWEST})
SELECT trace_id FROM (SELECT * FROM pushed UNION ALL SELECT * FROM others) AS begun {_NEWEST}
"""
_SOME = f"""
SELECT trace_id FROM (SELECT trace_id, coalesce(
    (SELECT min(received_at) FROM pushes AS p WHERE p.trace_id = m.trace_id),
    (SELECT min(requested_at) FROM deployments AS d WHERE d.trace_id = m.trace_id {{shown}})) AS at
  FROM ({{matches}}) AS m) AS begun WHERE {_BEFORE} {_NEWEST}
"""
_DEPLOYMENT = {
    "tenant": "tenant = %(tenant)s",
    "api": "api = %(api)s",
    "commit": "starts_with(commit_sha, %(commit)s)",
    "person": "requested_by = %(person)s",
}
# a push belongs to no tenant and to no API
_PUSH = {"commit": "starts_with(after_sha, %(commit)s)", "person": "pusher = %(person)s"}


def page(
    connection: Connection, before: tuple[datetime, str] | None, limit: int, filters: Mapping[str, str]
) -> list[str]:
    """The ids of the newest traces that have a deployment, or a push, which all `filters` hold for; `before` is the
    beginning and the id of one."""
    at, trace = before or (None, None)
    values = {**filters, "at": at, "trace": trace, "limit": limit}
    # where it begins as it is shown
    shown = "AND d.tenant = %(tenant)s" if "tenant" in filters else ""
    some = _SOME.format(matches=_matches(filters), shown=shown)
    rows = connection.execute(some if filters else _ALL, values)
    return [row["trace_id"] for row in rows]


def _matches(filters: Mapping[str, str]) -> str:
    some = []
    for table, known in (("deployments", _DEPLOYMENT), ("pushes", _PUSH)):
        if set(filters) <= set(known):
            clauses = " AND ".join(known[name] for name in filters)
            some.append(f"SELECT DISTINCT trace_id FROM {table} WHERE {clauses}")
    return " UNION ".join(some)


def pushes(connection: Connection, trace_ids: Sequence[str]) -> dict[str, Row]:
    """The first push of each trace that has one."""
    rows = connection.execute(
        "SELECT DISTINCT ON (trace_id) trace_id, id, ref, after_sha, pusher, state, received_at, processed_at"
        " FROM pushes WHERE trace_id = ANY(%s) ORDER BY trace_id, received_at, id",
        (list(trace_ids),),
    )
    return {row["trace_id"]: row for row in rows}


def deployments(connection: Connection, trace_ids: Sequence[str], tenant: str | None) -> dict[str, list[Row]]:
    """Of each trace its deployments, the first asked for first; those of all tenants, or of one."""
    found: dict[str, list[Row]] = {trace_id: [] for trace_id in trace_ids}
    rows = connection.execute(
        "SELECT trace_id, id, tenant, api, environment, action, generation, state, commit_sha, trigger, requested_by,"
        " requested_at, finished_at FROM deployments WHERE trace_id = ANY(%(traces)s)"
        " AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s) ORDER BY requested_at, id",
        {"traces": list(found), "tenant": tenant},
    )
    for row in rows:
        found[row["trace_id"]].append(row)
    return found
