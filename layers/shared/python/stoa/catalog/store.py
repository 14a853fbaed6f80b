"""The SQL of what each environment serves. Every function works in the caller's transaction."""

from typing import Any

from stoa.kernel.database import Connection, Row


def record_status(connection: Connection, value: dict[str, Any]) -> None:
    """What each environment serves, from a deploy result; an older generation changes nothing."""
    serving = value["status"] == "success"
    version, commit = (value["api_version"], value["commit"]) if value["action"] == "deploy" else (None, None)
    deployment = value["deployment_id"] if value["action"] == "deploy" else None
    connection.execute(
        "INSERT INTO api_status AS s (tenant, api, environment, generation, deployment_id, status,"
        " serving_deployment_id, serving_version, serving_commit, updated_at)"
        " VALUES (%(tenant)s, %(api_id)s, %(environment)s, %(generation)s, %(deployment_id)s, %(status)s,"
        " %(s_deployment)s, %(s_version)s, %(s_commit)s, %(finished_at)s)"
        " ON CONFLICT (tenant, api, environment) DO UPDATE SET generation = excluded.generation,"
        " deployment_id = excluded.deployment_id, status = excluded.status, updated_at = excluded.updated_at,"
        " serving_deployment_id = CASE WHEN %(serving)s THEN excluded.serving_deployment_id"
        " ELSE s.serving_deployment_id END,"
        " serving_version = CASE WHEN %(serving)s THEN excluded.serving_version ELSE s.serving_version END,"
        " serving_commit = CASE WHEN %(serving)s THEN excluded.serving_commit ELSE s.serving_commit END"
        " WHERE s.generation < excluded.generation",
        {
            **{k: value[k] for k in ("tenant", "api_id", "environment", "generation", "deployment_id", "status")},
            "finished_at": value["finished_at"],
            "serving": serving,
            "s_deployment": deployment if serving else None,
            "s_version": version if serving else None,
            "s_commit": commit if serving else None,
        },
    )


def statuses(connection: Connection, tenant: str | None) -> list[Row]:
    """One row per API and environment, by name."""
    return list(
        connection.execute(
            "SELECT tenant, api, environment, generation, deployment_id, status, serving_deployment_id,"
            " serving_version, serving_commit, updated_at FROM api_status"
            " WHERE %(tenant)s::text IS NULL OR tenant = %(tenant)s ORDER BY tenant, api, environment LIMIT 1000",
            {"tenant": tenant},
        )
    )
