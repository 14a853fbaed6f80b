"""The SQL of what there is and what each environment serves. Every function works in the caller's transaction."""

from typing import Any

from stoa.catalog.model import Asked, Place
from stoa.kernel.database import Connection, Row

_ONE = (
    "SELECT %(tenant)s AS tenant, %(api_id)s AS api, %(environment)s AS environment, %(generation)s::bigint AS"
    " generation, %(deployment_id)s AS deployment_id, %(status)s AS status, %(action)s AS action, %(api_version)s"
    " AS api_version, %(commit)s AS commit, %(finished_at)s::timestamptz AS finished_at"
)
_LANE = "tenant, api, environment"
_RECORD = f"""
WITH said AS ({{said}}),
newest AS (
  SELECT DISTINCT ON ({_LANE}) *, max(finished_at) OVER (PARTITION BY {_LANE}) AS latest
  FROM said ORDER BY {_LANE}, generation DESC),
served AS (
  SELECT DISTINCT ON ({_LANE}) {_LANE}, generation AS serving,
    CASE action WHEN 'deploy' THEN deployment_id END AS there,
    CASE action WHEN 'deploy' THEN api_version END AS version, CASE action WHEN 'deploy' THEN commit END AS sha
  FROM said WHERE status = 'success' ORDER BY {_LANE}, generation DESC)
INSERT INTO {{table}} AS s ({_LANE}, generation, deployment_id, status, serving_generation, serving_deployment_id,
  serving_version, serving_commit, updated_at)
SELECT {_LANE}, generation, deployment_id, status, coalesce(serving, 0), there, version, sha, latest
FROM newest LEFT JOIN served USING ({_LANE})
ON CONFLICT ({_LANE}) DO UPDATE SET
  generation = greatest(s.generation, excluded.generation),
  deployment_id = CASE WHEN {{newer}} THEN excluded.deployment_id ELSE s.deployment_id END,
  status = CASE WHEN {{newer}} THEN excluded.status ELSE s.status END,
  serving_generation = greatest(s.serving_generation, excluded.serving_generation),
  serving_deployment_id = CASE WHEN {{serves}} THEN excluded.serving_deployment_id ELSE s.serving_deployment_id END,
  serving_version = CASE WHEN {{serves}} THEN excluded.serving_version ELSE s.serving_version END,
  serving_commit = CASE WHEN {{serves}} THEN excluded.serving_commit ELSE s.serving_commit END,
  updated_at = greatest(s.updated_at, excluded.updated_at)
"""


def recording(said: str, table: str) -> str:
    """SQL that records the results which the query `said` finds: the newest one of an environment, and what it serves,
    the newest of its successes.

    Results may come in any order, one by one or many at once, and more than once: the two are kept by a generation
    each, so that the row is the same in the end. A replay records with it what the consumer recorded.
    """
    newer, serves = "s.generation < excluded.generation", "s.serving_generation < excluded.serving_generation"
    return _RECORD.format(said=said, table=table, newer=newer, serves=serves)


_STATUS = (
    "tenant, api, environment, generation, deployment_id, status, serving_deployment_id, serving_version,"
    " serving_commit, updated_at"
)
_API = (
    "tenant, api, generation, project_id, commit_sha AS commit, environments, created_at, created_by, updated_at,"
    " updated_by, display_name, description, tags, owner, version, lifecycle"
)
_RECORD_ONE = recording(_ONE, "api_status")


def record_status(connection: Connection, value: dict[str, Any]) -> None:
    connection.execute(_RECORD_ONE, value)


def statuses(connection: Connection, *, tenant: str | None, after: tuple[str, ...] | None, limit: int) -> list[Row]:
    """One row per API and environment, by name; `after` is a tenant, an API and an environment."""
    beyond = " AND (tenant, api, environment) > (%(t)s, %(a)s, %(e)s)" if after else ""
    return list(
        connection.execute(
            f"SELECT {_STATUS} FROM api_status"
            f" WHERE (%(tenant)s::text IS NULL OR tenant = %(tenant)s){beyond}"
            " ORDER BY tenant, api, environment LIMIT %(limit)s",
            {"tenant": tenant, "limit": limit, **dict(zip("tae", after or (), strict=False))},
        )
    )


def statuses_of(connection: Connection, tenant: str, api: str) -> list[Row]:
    text = f"SELECT {_STATUS} FROM api_status WHERE tenant = %s AND api = %s ORDER BY environment"
    return list(connection.execute(text, (tenant, api)))


def apis(connection: Connection, asked: Asked, after: Place | None, limit: int) -> list[Row]:
    """Those that were not deleted, by name."""
    beyond = " AND (tenant, api) > (%(after_tenant)s, %(after_api)s)" if after else ""
    return list(
        connection.execute(
            f"SELECT {_API} FROM apis WHERE deleted_at IS NULL"
            " AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s) AND (%(tag)s::text IS NULL OR %(tag)s = ANY (tags))"
            " AND (%(owner)s::text IS NULL OR owner = %(owner)s)"
            f" AND (%(state)s::text IS NULL OR api_is(tenant, api, %(state)s)){beyond}"
            " ORDER BY tenant, api LIMIT %(limit)s",
            _values(asked, after, limit),
        )
    )


def found_apis(connection: Connection, asked: Asked, query: str, after: Place | None, limit: int) -> list[Row]:
    """The same, of those in which `query`, a tsquery, finds something, the best first.

    Under row-level security no index of words is used: the function finds names, and their rows are read under it.
    """
    return list(
        connection.execute(
            f"SELECT {_API}, matched FROM search_apis(%(query)s::tsquery, %(tenant)s, %(tag)s, %(owner)s, %(state)s,"
            " %(after_matched)s::int, %(after_tenant)s, %(after_api)s, %(limit)s::int)"
            " JOIN apis ON tenant = found_tenant AND api = found_api WHERE deleted_at IS NULL"
            " ORDER BY matched, tenant, api",
            {**_values(asked, after, limit), "query": query},
        )
    )


def _values(asked: Asked, after: Place | None, limit: int) -> dict[str, Any]:
    beyond = {f"after_{name}": getattr(after, name, None) for name in ("matched", "tenant", "api")}
    return {**vars(asked), **beyond, "limit": limit}


def api(connection: Connection, tenant: str, name: str) -> Row | None:
    text = f"SELECT {_API} FROM apis WHERE tenant = %s AND api = %s AND deleted_at IS NULL"
    return connection.execute(text, (tenant, name)).fetchone()
