"""The SQL of deployments, their lanes and their artefacts. Every method works in the caller's transaction."""

from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from stoa.deployments.events import Cause, Wanted
from stoa.deployments.model import RETRIES, Deployment, Holder, Lane, Verdict
from stoa.gitops.events import Prepared
from stoa.kernel import ids
from stoa.kernel.database import Connection, Row, enter

_COLUMNS = (
    "id, tenant, api, environment, action, generation, state, project_id, commit_sha, trigger, requested_by,"
    " trace_id, requested_at, api_version, launch_vars, artefact_sha256, awx_job_id, result, error, finished_at"
)
_LANE = "(tenant, api, environment) = (%(tenant)s, %(api)s, %(environment)s)"
_HOLDER = "tenant, api, environment, deployment_id, last_generation, awx_job_id, launch_started_at"


def next_generation(connection: Connection, subject: str) -> int:
    """Counts the subject up under its row lock; a number is never used twice, not even after a deletion."""
    row = connection.execute(
        "INSERT INTO generations (subject, generation) VALUES (%s, 1)"
        " ON CONFLICT (subject) DO UPDATE SET generation = generations.generation + 1 RETURNING generation",
        (subject,),
    ).fetchone()
    return int(row["generation"]) if row else 1


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
        generation=next_generation(connection, lane.subject),
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


def set_prepared(connection: Connection, deployment_id: str, prepared: Prepared) -> None:
    connection.execute(
        "UPDATE deployments SET api_version = %s, launch_vars = %s, artefact_sha256 = %s WHERE id = %s",
        (prepared.api_version, Jsonb(prepared.launch_vars), prepared.sha256, deployment_id),
    )


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


def loss_report(connection: Connection, tenant: str, sha256: str) -> dict[str, Any] | None:
    row = connection.execute(
        "SELECT report FROM artefacts WHERE tenant = %s AND sha256 = %s", (tenant, sha256)
    ).fetchone()
    return row["report"] if row else None


def lock_lane(connection: Connection, lane: Lane) -> Holder:
    """The lane's row, locked until the transaction ends; made when it does not exist yet."""
    connection.execute(
        "INSERT INTO lanes (tenant, api, environment) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (lane.tenant, lane.api, lane.environment),
    )
    row = connection.execute(f"SELECT {_HOLDER} FROM lanes WHERE {_LANE} FOR UPDATE", vars(lane)).fetchone()
    assert row is not None  # noqa: S101  the INSERT above made it
    return _holder(row)


def hold_lane(connection: Connection, d: Deployment) -> None:
    connection.execute(
        "UPDATE lanes SET deployment_id = %s, last_generation = %s, awx_job_id = NULL, launch_started_at = NULL"
        " WHERE tenant = %s AND api = %s AND environment = %s",
        (d.id, d.generation, d.lane.tenant, d.lane.api, d.lane.environment),
    )
    connection.execute("UPDATE deployments SET state = 'launching' WHERE id = %s", (d.id,))


def free_lane(connection: Connection, lane: Lane) -> None:
    connection.execute(
        f"UPDATE lanes SET deployment_id = NULL, awx_job_id = NULL, launch_started_at = NULL WHERE {_LANE}", vars(lane)
    )


def note_lost(connection: Connection, d: Deployment, at: datetime, pause_s: float) -> None:
    """The lane's newest launch came to nothing by no fault of its own: it is due again after a pause, which doubles
    each time up to forty times its length; after `RETRIES` it is not due again."""
    connection.execute(
        "UPDATE lanes SET lost_deployment_id = CASE WHEN retries < %(most)s THEN %(id)s END,"
        " retry_at = %(at)s + least(power(2, retries), 40) * %(pause)s * interval '1 second', retries = retries + 1"
        f" WHERE {_LANE}",
        {"most": RETRIES, "id": d.id, "at": at, "pause": pause_s, **vars(d.lane)},
    )


def forget_lost(connection: Connection, lane: Lane) -> None:
    connection.execute(f"UPDATE lanes SET lost_deployment_id = NULL, retries = 0 WHERE {_LANE}", vars(lane))


def lost_lanes(connection: Connection, at: datetime) -> list[Lane]:
    """Free lanes whose lost deployment is due again."""
    rows = connection.execute(
        "SELECT tenant, api, environment FROM lanes"
        " WHERE lost_deployment_id IS NOT NULL AND retry_at <= %s AND deployment_id IS NULL ORDER BY retry_at",
        (at,),
    )
    return [_lane(row) for row in rows]


def take_lost(connection: Connection, lane: Lane) -> Deployment | None:
    """The lost deployment of a locked lane, no longer lost; None while another request of the lane is open.

    The subject's generation stays locked: no request can come in between.
    """
    connection.execute("SELECT 1 FROM generations WHERE subject = %s FOR UPDATE", (lane.subject,))
    row = connection.execute(
        f"SELECT lost_deployment_id AS id FROM lanes WHERE {_LANE} AND deployment_id IS NULL AND NOT EXISTS"
        f" (SELECT 1 FROM deployments WHERE {_LANE} AND finished_at IS NULL)",
        vars(lane),
    ).fetchone()
    if row is None or row["id"] is None:
        return None
    connection.execute(f"UPDATE lanes SET lost_deployment_id = NULL WHERE {_LANE}", vars(lane))
    return get(connection, row["id"])


def start_launch(connection: Connection, deployment_id: str, *, now: datetime, not_after: datetime) -> bool:
    """Claims the right to call AWX. False while an earlier call could still arrive there (begun after
    `not_after`), or when the deployment has its job already or lost its lane."""
    row = connection.execute(
        "UPDATE lanes SET launch_started_at = %s WHERE deployment_id = %s AND awx_job_id IS NULL"
        " AND (launch_started_at IS NULL OR launch_started_at <= %s) RETURNING tenant",
        (now, deployment_id, not_after),
    ).fetchone()
    return row is not None


def launch_not_sent(connection: Connection, deployment_id: str) -> None:
    connection.execute(
        "UPDATE lanes SET launch_started_at = NULL WHERE deployment_id = %s AND awx_job_id IS NULL", (deployment_id,)
    )


def set_job(connection: Connection, deployment_id: str, job_id: int) -> None:
    connection.execute("UPDATE lanes SET awx_job_id = %s WHERE deployment_id = %s", (job_id, deployment_id))
    connection.execute(
        "UPDATE deployments SET awx_job_id = %s, state = 'running' WHERE id = %s AND state = 'launching'",
        (job_id, deployment_id),
    )


def holder_of(connection: Connection, deployment_id: str) -> Holder | None:
    row = connection.execute(f"SELECT {_HOLDER} FROM lanes WHERE deployment_id = %s", (deployment_id,)).fetchone()
    return _holder(row) if row else None


def holder_of_job(connection: Connection, job_id: int) -> Holder | None:
    row = connection.execute(f"SELECT {_HOLDER} FROM lanes WHERE awx_job_id = %s", (job_id,)).fetchone()
    return _holder(row) if row else None


def busy_lanes(connection: Connection) -> list[Holder]:
    """Those whose launch was tried longest ago come first, so that one that always fails holds up nobody."""
    rows = connection.execute(
        f"SELECT {_HOLDER} FROM lanes WHERE deployment_id IS NOT NULL"
        " ORDER BY launch_started_at NULLS FIRST, deployment_id"
    )
    return [_holder(row) for row in rows]


def waiting(connection: Connection, lane: Lane) -> list[Deployment]:
    """Requests of the lane that are prepared and could be launched."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM deployments WHERE tenant = %s AND api = %s AND environment = %s"
        " AND state = 'requested' AND launch_vars IS NOT NULL ORDER BY generation",
        (lane.tenant, lane.api, lane.environment),
    )
    return [_deployment(row) for row in rows]


def finish(connection: Connection, deployment_id: str, verdict: Verdict, at: datetime) -> bool:
    """Writes the final state; False when there is one already, because the first final state wins."""
    row = connection.execute(
        "UPDATE deployments SET state = %s, result = %s, error = %s, finished_at = %s"
        " WHERE id = %s AND finished_at IS NULL RETURNING id",
        (verdict.state, _json(verdict.result), _json(verdict.error), at, deployment_id),
    ).fetchone()
    return row is not None


def steps(connection: Connection, deployment_id: str) -> list[Row]:
    """Name, status, started_at, completed_at and detail of each step, in order."""
    found = connection.execute(
        "SELECT name, status, started_at, completed_at, detail FROM deployment_steps"
        " WHERE deployment_id = %s ORDER BY started_at, completed_at",
        (deployment_id,),
    )
    return list(found)


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


def _json(value: dict[str, Any] | None) -> Jsonb | None:
    return None if value is None else Jsonb(value)


def _lane(row: Row) -> Lane:
    return Lane(row["tenant"], row["api"], row["environment"])


def _holder(row: Row) -> Holder:
    return Holder(_lane(row), row["deployment_id"], row["last_generation"], row["awx_job_id"], row["launch_started_at"])


def _deployment(row: Row) -> Deployment:
    fields = {k: v for k, v in row.items() if k not in ("tenant", "api", "environment", "commit_sha")}
    return Deployment(lane=_lane(row), commit=row["commit_sha"], **fields)
