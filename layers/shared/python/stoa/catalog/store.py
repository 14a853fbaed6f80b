"""The SQL of what each environment serves. Every function works in the caller's transaction."""

from typing import Any

from stoa.kernel.database import Connection, Row


def record_status(connection: Connection, value: dict[str, Any]) -> None:
    """The newest result of an environment, and what it serves: the newest of its successes.

    Results of one environment may arrive in any order, so the two are kept by a generation each.
    """
    connection.execute(
        "INSERT INTO api_status AS s (tenant, api, environment, generation, deployment_id, status, updated_at)"
        " VALUES (%(tenant)s, %(api_id)s, %(environment)s, %(generation)s, %(deployment_id)s, %(status)s,"
        " %(finished_at)s) ON CONFLICT (tenant, api, environment) DO UPDATE SET generation = excluded.generation,"
        " deployment_id = excluded.deployment_id, status = excluded.status, updated_at = excluded.updated_at"
        " WHERE s.generation < excluded.generation",
        value,
    )
    if value["status"] == "success":
        there = value["action"] == "deploy"
        connection.execute(
            "UPDATE api_status SET serving_generation = %(generation)s, serving_deployment_id = %(deployment)s,"
            " serving_version = %(version)s, serving_commit = %(sha)s,"
            " updated_at = greatest(updated_at, %(finished_at)s)"
            " WHERE (tenant, api, environment) = (%(tenant)s, %(api_id)s, %(environment)s)"
            " AND serving_generation < %(generation)s",
            {
                **value,
                "deployment": value["deployment_id"] if there else None,
                "version": value["api_version"] if there else None,
                "sha": value["commit"] if there else None,
            },
        )


def statuses(connection: Connection, *, tenant: str | None, after: tuple[str, ...] | None, limit: int) -> list[Row]:
    """One row per API and environment, by name; `after` is a tenant, an API and an environment."""
    beyond = " AND (tenant, api, environment) > (%(t)s, %(a)s, %(e)s)" if after else ""
    return list(
        connection.execute(
            "SELECT tenant, api, environment, generation, deployment_id, status, serving_deployment_id,"
            " serving_version, serving_commit, updated_at FROM api_status"
            f" WHERE (%(tenant)s::text IS NULL OR tenant = %(tenant)s){beyond}"
            " ORDER BY tenant, api, environment LIMIT %(limit)s",
            {"tenant": tenant, "limit": limit, **dict(zip("tae", after or (), strict=False))},
        )
    )
