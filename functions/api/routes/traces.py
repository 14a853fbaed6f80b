"""One trace from the push, or the person, to the last result: what happened when, and how long it took."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from functions.api.inline import Router
from functions.api.parameters import SLUG
from functions.api.problems import RESPONSES
from functions.api.routes.deployments import DeploymentLine, DeploymentWithSteps, with_steps
from functions.api.routes.pushes import PushRead
from functions.api.security import may
from stoa.bootstrap import app
from stoa.kernel.errors import NotFound
from stoa.notifications.model import Notice
from stoa.rollouts.model import Rollout
from stoa.tenancy.model import Grant

router = Router(prefix="/v1/traces", tags=["traces"], responses=RESPONSES)

Status = Literal["in_progress", "success", "failed"]
WENT_WRONG = frozenset({"failed", "cancelled"})
SYNC_STATUS = {
    "succeeded": "success", "removed": "success", "failed": "failed", "refused": "failed", "superseded": "skipped",
}  # fmt: skip
NOTICE_STATUS = {"sent": "success", "digested": "success", "refused": "failed", "dropped": "skipped"}


class TraceStep(BaseModel):
    """`of` is the deployment it belongs to, null for what belongs to the push; `duration_ms` is null while it lasts."""

    name: str
    of: str | None
    status: str
    started_at: datetime
    completed_at: datetime | None
    duration_ms: int | None
    detail: str | None


class Trace(BaseModel):
    """`timeline` holds every step in the order of its start; `status` is `failed` when all are over and the
    last word on one API is; what was lost and asked for again may have healed."""

    trace_id: str
    status: Status
    started_at: datetime
    completed_at: datetime | None
    total_duration_ms: int | None
    push: PushRead | None
    deployments: list[DeploymentWithSteps]
    timeline: list[TraceStep]


class OfTenant(BaseModel):
    """With `tenant`, only what is its own: a push may concern several."""

    model_config = ConfigDict(extra="forbid")
    tenant: str | None = Field(None, pattern=SLUG)


@router.get("/{trace_id}")
def read_trace(
    who: Annotated[Grant, may("traces:read")],
    trace_id: Annotated[str, Path(pattern=r"^trc-[0-9a-f]{32}$")],
    asked: Annotated[OfTenant, Query()],
) -> Trace:
    """Everything that a push, or a start by hand, set going; the `trace_id` is in the answer to either."""
    tenant = who.within(asked.tenant)
    row = app().push_queries.of_trace(who.tenant, trace_id)
    push = PushRead(**row) if row else None
    found = [with_steps(*pair) for pair in app().deployment_queries.of_trace(trace_id, tenant)]
    if not found and (push is None or asked.tenant is not None):
        raise NotFound(f"there is no trace {trace_id}")
    synced = app().rollout_queries.of_trace(trace_id, tenant)
    told = app().notification_queries.of_trace(trace_id, tenant)
    steps = [*_timeline(push, found), *map(_argocd_sync, synced), *map(_notify, told)]
    timeline = sorted(steps, key=lambda step: step.started_at)
    completed = completion([push.processed_at] if push else [], [d.finished_at for d in found])
    started = timeline[0].started_at
    return Trace(
        trace_id=trace_id,
        status=outcome(push.state if push else None, found, completed),
        started_at=started,
        completed_at=completed,
        total_duration_ms=milliseconds(started, completed),
        push=push,
        deployments=found,
        timeline=timeline,
    )


def completion(push: Sequence[datetime | None], deployments: Sequence[datetime | None]) -> datetime | None:
    """When the last of them ended; None while one has not."""
    ends = [*push, *deployments]
    over = [end for end in ends if end is not None]
    return max(over) if len(over) == len(ends) else None


def outcome(push_state: str | None, found: Sequence[DeploymentLine], completed: datetime | None) -> Status:
    if completed is None:
        return "in_progress"
    newest = {(d.tenant, d.api, d.environment): d for d in sorted(found, key=lambda d: d.generation)}
    bad = push_state == "refused" or any(d.state in WENT_WRONG for d in newest.values())
    return "failed" if bad else "success"


def _timeline(push: PushRead | None, found: Sequence[DeploymentWithSteps]) -> list[TraceStep]:
    steps = []
    if push is not None:
        state = {"accepted": "in_progress", "refused": "failed"}.get(push.state, "success")
        steps.append(_step("webhook_received", None, "success", push.received_at, push.received_at, push.ref))
        steps.append(_step("analyze_changes", None, state, push.received_at, push.processed_at, push.after_sha))
    for deployment in found:
        for s in deployment.steps:
            steps.append(_step(s.name, deployment.id, s.status, s.started_at, s.completed_at, s.detail))
    return steps


def _argocd_sync(r: Rollout) -> TraceStep:
    """Beside the deployments: it says nothing of the status of the trace."""
    detail = f"{r.application}: {r.detail or r.state}"
    status = SYNC_STATUS.get(r.state, "in_progress")
    return _step("argocd_sync", None, status, r.started_at, r.finished_at, detail)


def _notify(n: Notice) -> TraceStep:
    """As a sync, beside the deployments."""
    status = NOTICE_STATUS.get(n.state, "in_progress")
    return _step("notify", None, status, n.taken_at, n.ended_at, f"{n.type} to {n.channel}: {n.state}")


def _step(
    name: str, of: str | None, status: str, started: datetime, completed: datetime | None, detail: str | None
) -> TraceStep:
    return TraceStep(
        name=name, of=of, status=status, started_at=started, completed_at=completed,
        duration_ms=milliseconds(started, completed), detail=detail,
    )  # fmt: skip


def milliseconds(start: datetime, end: datetime | None) -> int | None:
    return None if end is None else round((end - start).total_seconds() * 1000)
