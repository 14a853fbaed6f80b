"""The SQL of lanes: who holds one, how far its launch has come, what was lost in it. In the caller's transaction.

Whether a time has passed is asked of the database's clock alone: those of containers differ.
"""

from datetime import datetime

from stoa.deployments.model import RETRIES, Deployment, Holder, Lane, Verdict, lost
from stoa.kernel.database import Connection, Row

_LANE = "(tenant, api, environment) = (%(tenant)s, %(api)s, %(environment)s)"
_HOLDER = "tenant, api, environment, deployment_id, last_generation, awx_job_id, launch_started_at, cancelled_by"


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
        "UPDATE lanes SET deployment_id = %s, last_generation = %s, awx_job_id = NULL, launch_started_at = NULL,"
        " cancelled_by = NULL WHERE tenant = %s AND api = %s AND environment = %s",
        (d.id, d.generation, d.lane.tenant, d.lane.api, d.lane.environment),
    )
    connection.execute("UPDATE deployments SET state = 'launching' WHERE id = %s", (d.id,))


def free_lane(connection: Connection, lane: Lane) -> None:
    connection.execute(
        "UPDATE lanes SET deployment_id = NULL, awx_job_id = NULL, launch_started_at = NULL, cancelled_by = NULL"
        f" WHERE {_LANE}",
        vars(lane),
    )


def remember(connection: Connection, d: Deployment, ended: Verdict, pause_s: float) -> None:
    """What became of the lane's newest launch; one that is at fault itself leaves a lost older one due."""
    if lost(ended):
        note_lost(connection, d, pause_s)
    elif ended.state != "failed":
        forget_lost(connection, d.lane)


def note_lost(connection: Connection, d: Deployment, pause_s: float) -> None:
    """The lane's newest launch came to nothing by no fault of its own: it is due again after a pause, which doubles
    each time up to forty times its length; after `RETRIES` it is not due again."""
    connection.execute(
        "UPDATE lanes SET lost_deployment_id = CASE WHEN retries < %(most)s THEN %(id)s END,"
        " retry_at = clock_timestamp() + least(power(2, retries), 40) * %(pause)s * interval '1 second',"
        " retries = retries + 1"
        f" WHERE {_LANE}",
        {"most": RETRIES, "id": d.id, "pause": pause_s, **vars(d.lane)},
    )


def drop_lost(connection: Connection, lane: Lane, deployment_id: str) -> bool:
    """Whether this one was due again; it is not any more."""
    row = connection.execute(
        f"UPDATE lanes SET lost_deployment_id = NULL, retries = 0 WHERE {_LANE} AND lost_deployment_id = %(id)s"
        " RETURNING tenant",
        {"id": deployment_id, **vars(lane)},
    ).fetchone()
    return row is not None


def forget_lost(connection: Connection, lane: Lane) -> None:
    connection.execute(f"UPDATE lanes SET lost_deployment_id = NULL, retries = 0 WHERE {_LANE}", vars(lane))


def lost_lanes(connection: Connection) -> list[Lane]:
    """Free lanes whose lost deployment is due again."""
    rows = connection.execute(
        "SELECT tenant, api, environment FROM lanes"
        " WHERE lost_deployment_id IS NOT NULL AND retry_at <= clock_timestamp() AND deployment_id IS NULL"
        " ORDER BY retry_at"
    )
    return [_lane(row) for row in rows]


def take_lost(connection: Connection, lane: Lane) -> str | None:
    """The id of the lost deployment of a locked lane, no longer lost; None while another request of the lane is open.

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
    lost: str = row["id"]
    return lost


def start_launch(connection: Connection, deployment_id: str, may_arrive_s: float) -> datetime | None:
    """Claims the right to call AWX; returns the claim. None while an earlier call could still arrive there, or when
    the deployment has its job already or lost its lane."""
    row = connection.execute(
        "UPDATE lanes SET launch_started_at = clock_timestamp() WHERE deployment_id = %s AND awx_job_id IS NULL"
        " AND (launch_started_at IS NULL OR launch_started_at <= clock_timestamp() - %s * interval '1 second')"
        " RETURNING launch_started_at",
        (deployment_id, may_arrive_s),
    ).fetchone()
    return row["launch_started_at"] if row else None


def call_begins(connection: Connection, deployment_id: str, claim: datetime) -> datetime | None:
    """The claim anew, right before the call: what came before it took its time. None when it is another one's now."""
    row = connection.execute(
        "UPDATE lanes SET launch_started_at = clock_timestamp()"
        " WHERE deployment_id = %s AND awx_job_id IS NULL AND launch_started_at = %s RETURNING launch_started_at",
        (deployment_id, claim),
    ).fetchone()
    return row["launch_started_at"] if row else None


def launch_not_sent(connection: Connection, deployment_id: str, claim: datetime) -> None:
    connection.execute(
        "UPDATE lanes SET launch_started_at = NULL"
        " WHERE deployment_id = %s AND awx_job_id IS NULL AND launch_started_at = %s",
        (deployment_id, claim),
    )


def note_cancelled(connection: Connection, deployment_id: str, actor: str) -> None:
    """For the launch that is under way."""
    connection.execute("UPDATE lanes SET cancelled_by = %s WHERE deployment_id = %s", (actor, deployment_id))


def set_job(connection: Connection, deployment_id: str, job_id: int) -> bool:
    """Whether somebody cancelled it meanwhile."""
    row = connection.execute(
        "UPDATE lanes SET awx_job_id = %s WHERE deployment_id = %s RETURNING cancelled_by", (job_id, deployment_id)
    ).fetchone()
    connection.execute(
        "UPDATE deployments SET awx_job_id = %s, state = 'running' WHERE id = %s AND state = 'launching'",
        (job_id, deployment_id),
    )
    return row is not None and row["cancelled_by"] is not None


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


def _lane(row: Row) -> Lane:
    return Lane(row["tenant"], row["api"], row["environment"])


def _holder(row: Row) -> Holder:
    named = ("deployment_id", "last_generation", "awx_job_id", "launch_started_at", "cancelled_by")
    return Holder(_lane(row), **{name: row[name] for name in named})
