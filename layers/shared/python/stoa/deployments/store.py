"""The SQL of deployments, their steps and their artefacts. All but `whole` work in the caller's transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from stoa.deployments.events import Cause, Wanted
from stoa.deployments.model import Deployment, Lane, Verdict
from stoa.gitops.events import Prepared
from stoa.kernel import generations, ids
from stoa.kernel.database import Connection, Database, Row, enter

_COLUMNS = (
    "id, tenant, api, environment, action, generation, state, project_id, commit_sha, trigger, requested_by,"
    " trace_id, requested_at, api_version, launch_vars, artefact_sha256, awx_job_id, result, error, finished_at"
)

_VERSION = (
    "d.id AS deployment_id, d.environment, d.generation, d.commit_sha AS commit, d.api_version AS version,"
    " d.artefact_sha256 AS spec_sha256"
)


def insert(connection: Connection, d: Deployment) -> None:
    connection.execute(
        f"INSERT INTO deployments ({_COLUMNS}) VALUES ({', '.join(['%s'] * 20)})",
        (
            d.id, d.lane.tenant, d.lane.api, d.lane.environment, d.action, d.generation, d.state, d.project_id,
            d.commit, d.trigger, d.requested_by, d.trace_id, d.requested_at, d.api_version, _json(d.launch_vars),
            d.artefact_sha256, d.awx_job_id, _json(d.result), _json(d.error), d.finished_at,
        ),
    )  # fmt: skip


def create(connection: Connection, cause: Cause, w: Wanted, at: datetime) -> Deployment:
    """Writes one request under the next generation of its subject; one that may not be carried out has failed."""
    lane = Lane(w["tenant"], w["api"], w["environment"])
    enter(connection, lane.tenant)
    refused = w.get("refused")
    made = Deployment(
        id=ids.deployment_id(),
        lane=lane,
        action=w["action"],
        generation=generations.following(connection, lane.subject),
        state="failed" if refused else "requested",
        project_id=cause["project_id"],
        commit=cause["commit"],
        trigger=cause["trigger"],
        requested_by=cause["actor"],
        trace_id=cause["trace_id"],
        requested_at=at,
        error=refused,
        finished_at=at if refused else None,
    )
    insert(connection, made)
    step(connection, made, "requested", "success", at, at)
    return made


def get(connection: Connection, deployment_id: str) -> Deployment | None:
    row = connection.execute(f"SELECT {_COLUMNS} FROM deployments WHERE id = %s", (deployment_id,)).fetchone()
    return _deployment(row) if row else None


def page(connection: Connection, *, before: str | None, limit: int, filters: dict[str, str]) -> list[Deployment]:
    """Newest first; `filters` are equalities on tenant, api, environment and state."""
    allowed = {"tenant", "api", "environment", "state"}
    clauses = [f"{name} = %({name})s" for name in filters if name in allowed]
    if before is not None:
        clauses.append("id < %(before)s")
    where = f" WHERE {' AND '.join(clauses)}" if clauses else ""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM deployments{where} ORDER BY id DESC LIMIT %(limit)s",
        {**filters, "before": before, "limit": limit},
    )
    return [_deployment(row) for row in rows]


def standing(connection: Connection, project_id: int) -> list[tuple[str, str, str]]:
    """Lanes whose newest deployment is a `deploy` that this project asked for."""
    rows = connection.execute(
        "SELECT * FROM (SELECT DISTINCT ON (tenant, api, environment) tenant, api, environment, action, project_id"
        " FROM deployments WHERE (tenant, api, environment) IN"
        " (SELECT tenant, api, environment FROM deployments WHERE project_id = %(project)s)"
        " ORDER BY tenant, api, environment, generation DESC) newest"
        " WHERE action = 'deploy' AND project_id = %(project)s",
        {"project": project_id},
    )
    return [(row["tenant"], row["api"], row["environment"]) for row in rows]


def set_prepared(connection: Connection, deployment_id: str, prepared: Prepared) -> bool:
    """False for one that has ended meanwhile."""
    row = connection.execute(
        "UPDATE deployments SET api_version = %s, launch_vars = %s, artefact_sha256 = %s"
        " WHERE id = %s AND finished_at IS NULL RETURNING id",
        (prepared.api_version, Jsonb(prepared.launch_vars), prepared.sha256, deployment_id),
    ).fetchone()
    return row is not None


def create_again(connection: Connection, old: Deployment, asked: tuple[Cause, Wanted], at: datetime) -> Deployment:
    """The same request once more, with what the old one was prepared with: nothing is read from Git again."""
    made = create(connection, *asked, at)
    if old.prepared:
        _prepare_as(connection, made.id, old.id)
        step(connection, made, "prepare", "success", at, at, f"as {old.id}")
    return made


def _prepare_as(connection: Connection, deployment_id: str, other: str) -> None:
    connection.execute(
        "UPDATE deployments AS d SET api_version = o.api_version, launch_vars = o.launch_vars,"
        " artefact_sha256 = o.artefact_sha256 FROM deployments AS o WHERE d.id = %s AND o.id = %s",
        (deployment_id, other),
    )


def newest(connection: Connection, lane: Lane, trigger: str | None = None) -> Deployment | None:
    """The lane's newest request, or the newest with that trigger, whatever became of it. Its generation stays locked
    until the transaction ends."""
    connection.execute("SELECT 1 FROM generations WHERE subject = %s FOR UPDATE", (lane.subject,))
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM deployments WHERE (tenant, api, environment) = (%(tenant)s, %(api)s, %(environment)s)"
        " AND (%(trigger)s::text IS NULL OR trigger = %(trigger)s) ORDER BY generation DESC LIMIT 1",
        {"trigger": trigger, **vars(lane)},
    ).fetchone()
    return _deployment(row) if row else None


def put_artefact(
    connection: Connection, *, tenant: str, sha256: str, openapi_type: str, document: bytes,
    report: dict[str, Any], at: datetime,
) -> None:  # fmt: skip
    """Content-addressed: the same document is stored once per tenant."""
    connection.execute(
        "INSERT INTO artefacts (tenant, sha256, openapi_type, document, report, stored_at)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (tenant, sha256, openapi_type, document, Jsonb(report), at),
    )


def artefact(connection: Connection, sha256: str) -> bytes | None:
    row = connection.execute("SELECT document FROM artefacts WHERE sha256 = %s", (sha256,)).fetchone()
    return bytes(row["document"]) if row else None


def versions(
    connection: Connection, *, tenant: str, api: str, environment: str | None, before: str | None, limit: int
) -> list[Row]:
    """Deployments of an API that had a document, the newest first; `changed` when it is another one than before."""
    return list(
        connection.execute(
            f"SELECT {_VERSION}, d.state, d.trigger, d.requested_by, d.requested_at, d.finished_at,"
            " d.artefact_sha256 IS DISTINCT FROM (SELECT p.artefact_sha256 FROM deployments AS p WHERE"
            " (p.tenant, p.api, p.environment) = (d.tenant, d.api, d.environment) AND p.generation < d.generation"
            " AND p.artefact_sha256 IS NOT NULL ORDER BY p.generation DESC LIMIT 1) AS changed FROM deployments AS d"
            " WHERE d.tenant = %(tenant)s AND d.api = %(api)s AND d.artefact_sha256 IS NOT NULL"
            " AND (%(environment)s::text IS NULL OR d.environment = %(environment)s)"
            " AND (%(before)s::text IS NULL OR d.id < %(before)s) ORDER BY d.id DESC LIMIT %(limit)s",
            {"tenant": tenant, "api": api, "environment": environment, "before": before, "limit": limit},
        )
    )


def version(connection: Connection, tenant: str, api: str, wanted: tuple[str, int] | str) -> Row | None:
    """The version of an environment and a generation, or the newest with that SHA-256, with its `document`."""
    sha256 = wanted if isinstance(wanted, str) else None
    environment, generation = (None, None) if isinstance(wanted, str) else wanted
    return connection.execute(
        f"SELECT {_VERSION}, a.document FROM deployments AS d"
        " JOIN artefacts AS a ON (a.tenant, a.sha256) = (d.tenant, d.artefact_sha256)"
        " WHERE d.tenant = %(tenant)s AND d.api = %(api)s AND (d.artefact_sha256 = %(sha256)s::text"
        " OR (d.environment, d.generation) = (%(environment)s::text, %(generation)s::bigint))"
        " ORDER BY d.id DESC LIMIT 1",
        {"tenant": tenant, "api": api, "sha256": sha256, "environment": environment, "generation": generation},
    ).fetchone()


def waiting(connection: Connection, lane: Lane) -> list[Deployment]:
    """Requests of the lane that are prepared and could be launched."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM deployments WHERE tenant = %s AND api = %s AND environment = %s"
        " AND state = 'requested' AND launch_vars IS NOT NULL ORDER BY generation",
        (lane.tenant, lane.api, lane.environment),
    )
    return [_deployment(row) for row in rows]


def note_waiting(connection: Connection, deployment_id: str, behind: str, at: datetime) -> None:
    """A step that says for whom a request waits in its lane."""
    deployment = get(connection, deployment_id)
    if deployment is not None and deployment.state == "requested":
        step(connection, deployment, "lane", "in_progress", at, None, f"waits for {behind}")


def finish(connection: Connection, deployment_id: str, verdict: Verdict, at: datetime) -> bool:
    """Writes the final state; False when there is one already, because the first final state wins."""
    row = connection.execute(
        "UPDATE deployments SET state = %s, result = %s, error = %s, finished_at = %s"
        " WHERE id = %s AND finished_at IS NULL RETURNING id",
        (verdict.state, _json(verdict.result), _json(verdict.error), at, deployment_id),
    ).fetchone()
    return row is not None


def whole(database: Database, deployment_id: str) -> tuple[Deployment, list[Row], dict[str, Any] | None] | None:
    """The deployment, its steps in order, their times as ISO 8601, and what the conversion of its document lost; of
    whichever tenant, in a transaction and a round trip of its own."""
    rows = database.read(
        f"SELECT {_COLUMNS}, (SELECT report FROM artefacts AS a WHERE a.tenant = d.tenant AND sha256 = artefact_sha256)"
        " AS report,"
        " ARRAY(SELECT to_jsonb(s) FROM (SELECT name, status, started_at, completed_at, detail FROM deployment_steps"
        " WHERE deployment_id = d.id ORDER BY started_at, completed_at) AS s) AS steps"
        " FROM deployments AS d WHERE id = %s",
        (deployment_id,),
        admin_read=True,
    )
    for row in rows:
        steps, report = row.pop("steps"), row.pop("report")
        return _deployment(row), steps, report
    return None


def some(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[Deployment, list[Row]]]:
    """Those deployments by id, each with its steps in order."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM deployments WHERE id = ANY(%s)", (list(ids),))
    found: dict[str, tuple[Deployment, list[Row]]] = {row["id"]: (_deployment(row), []) for row in rows}
    written = connection.execute(
        "SELECT deployment_id, name, status, started_at, completed_at, detail FROM deployment_steps"
        " WHERE deployment_id = ANY(%s) ORDER BY started_at, completed_at",
        (list(found),),
    )
    for row in written:
        found[row.pop("deployment_id")][1].append(row)
    return found


def of_trace(connection: Connection, trace_id: str, tenant: str | None) -> list[str]:
    """The ids of the deployments of a trace, in the order in which they were asked for; of all tenants, or of one."""
    rows = connection.execute(
        "SELECT id FROM deployments WHERE trace_id = %(trace)s"
        " AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s) ORDER BY id",
        {"trace": trace_id, "tenant": tenant},
    )
    return [row["id"] for row in rows]


def unfinished(connection: Connection, tenant: str) -> bool:
    """Whether anything of the tenant is under way."""
    row = connection.execute(
        "SELECT 1 FROM deployments WHERE tenant = %s AND finished_at IS NULL LIMIT 1", (tenant,)
    ).fetchone()
    return row is not None


def step(
    connection: Connection, d: Deployment, name: str, status: str, started: datetime,
    completed: datetime | None = None, detail: str | None = None,
) -> None:  # fmt: skip
    """Writes a step; a second writing ends it and keeps the first start."""
    connection.execute(
        "INSERT INTO deployment_steps (tenant, deployment_id, name, status, started_at, completed_at, detail)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (deployment_id, name) DO UPDATE"
        " SET status = excluded.status, completed_at = excluded.completed_at,"
        " detail = coalesce(excluded.detail, deployment_steps.detail)",
        (d.lane.tenant, d.id, name, status, started, completed, detail),
    )


def end_open_steps(connection: Connection, deployment_id: str, status: str, at: datetime) -> None:
    connection.execute(
        "UPDATE deployment_steps SET status = %s, completed_at = %s WHERE deployment_id = %s AND completed_at IS NULL",
        (status, at, deployment_id),
    )


def waited_ms(connection: Connection, d: Deployment, at: datetime) -> float:
    """Since it was asked for, or since it had its turn where it stood behind another one of its lane."""
    row = connection.execute(
        "SELECT max(completed_at) AS turn FROM deployment_steps WHERE deployment_id = %s AND name = 'lane'", (d.id,)
    ).fetchone()
    turn = row["turn"] if row else None
    return (at - max(d.requested_at, turn or d.requested_at)).total_seconds() * 1000


def _json(value: dict[str, Any] | None) -> Jsonb | None:
    return None if value is None else Jsonb(value)


def _deployment(row: Row) -> Deployment:
    fields = {k: v for k, v in row.items() if k not in ("tenant", "api", "environment", "commit_sha")}
    lane = Lane(row["tenant"], row["api"], row["environment"])
    return Deployment(lane=lane, commit=row["commit_sha"], **fields)
