"""The SQL of the list of traces. A trace begins with its push, or with the first deployment of those without one."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from stoa.kernel.database import Connection, Row

# of each table the rows that begin a trace, narrowed before they are joined: an index has them in this order
_PAGE = """
(SELECT trace_id, received_at AS at FROM pushes AS b
  WHERE (%(at)s::timestamptz IS NULL OR (received_at, trace_id) < (%(at)s, %(trace)s))
    AND NOT EXISTS (SELECT FROM pushes AS o WHERE o.trace_id = b.trace_id
      AND (o.received_at, o.id) < (b.received_at, b.id)) AND {matches}
  ORDER BY received_at DESC, trace_id DESC LIMIT %(limit)s)
UNION ALL
(SELECT trace_id, requested_at AS at FROM deployments AS b
  WHERE (%(at)s::timestamptz IS NULL OR (requested_at, trace_id) < (%(at)s, %(trace)s))
    AND NOT EXISTS (SELECT FROM pushes AS o WHERE o.trace_id = b.trace_id)
    AND NOT EXISTS (SELECT FROM deployments AS o WHERE o.trace_id = b.trace_id
      AND (o.requested_at, o.id) < (b.requested_at, b.id)) AND {matches}
  ORDER BY requested_at DESC, trace_id DESC LIMIT %(limit)s)
ORDER BY at DESC, trace_id DESC LIMIT %(limit)s
"""
_DEPLOYMENT = {
    "tenant": "f.tenant = %(tenant)s",
    "api": "f.api = %(api)s",
    "commit": "starts_with(f.commit_sha, %(commit)s)",
    "person": "f.requested_by = %(person)s",
}
# a push belongs to no tenant and to no API
_PUSH = {"commit": "starts_with(f.after_sha, %(commit)s)", "person": "f.pusher = %(person)s"}


def page(
    connection: Connection, before: tuple[datetime, str] | None, limit: int, filters: Mapping[str, str]
) -> list[str]:
    """The ids of the newest traces that have a deployment, or a push, which all `filters` hold for; `before` is the
    beginning and the id of one."""
    at, trace = before or (None, None)
    values = {**filters, "at": at, "trace": trace, "limit": limit}
    rows = connection.execute(_PAGE.format(matches=_matches(filters)), values)
    return [row["trace_id"] for row in rows]


def _matches(filters: Mapping[str, str]) -> str:
    some = []
    for table, known in (("deployments", _DEPLOYMENT), ("pushes", _PUSH)):
        if set(filters) <= set(known):
            clauses = " AND ".join(["f.trace_id = b.trace_id", *(known[name] for name in filters)])
            some.append(f"EXISTS (SELECT FROM {table} AS f WHERE {clauses})")
    return f"({' OR '.join(some)})" if filters else "true"


def pushes(connection: Connection, trace_ids: Sequence[str]) -> dict[str, Row]:
    """The first push of each trace that has one."""
    rows = connection.execute(
        "SELECT DISTINCT ON (trace_id) trace_id, id, ref, after_sha, pusher, state, received_at, processed_at"
        " FROM pushes WHERE trace_id = ANY(%s) ORDER BY trace_id, received_at, id",
        (list(trace_ids),),
    )
    return {row["trace_id"]: row for row in rows}


def deployments(connection: Connection, trace_ids: Sequence[str]) -> dict[str, list[Row]]:
    """Of each trace its deployments, the first asked for first."""
    found: dict[str, list[Row]] = {trace_id: [] for trace_id in trace_ids}
    rows = connection.execute(
        "SELECT trace_id, id, tenant, api, environment, action, generation, state, commit_sha, trigger, requested_by,"
        " requested_at, finished_at FROM deployments WHERE trace_id = ANY(%s) ORDER BY requested_at, id",
        (list(found),),
    )
    for row in rows:
        found[row["trace_id"]].append(row)
    return found
