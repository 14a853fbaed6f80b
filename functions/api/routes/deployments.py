"""Deployments: list, read with steps and times, start, cancel, retry and roll back by hand."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from functions.api.inline import Router
from functions.api.parameters import SLUG, Page, decoded, encoded, no_parameters
from functions.api.problems import RESPONSES
from functions.api.security import address, may
from stoa.bootstrap import app
from stoa.deployments.model import Deployment
from stoa.kernel.environments import Environment
from stoa.tenancy.model import Grant

router = Router(prefix="/v1", tags=["deployments"], responses=RESPONSES)

POSITION = re.compile(r"(dep-[0-9a-hjkmnp-tv-z]{26})")
State = Literal["requested", "launching", "running", "succeeded", "failed", "superseded", "cancelled"]
Key = Annotated[str | None, Header(max_length=200)]
Reader = Annotated[Grant, may("apis:read")]
Deployer = Annotated[Grant, may("apis:deploy")]


class Step(BaseModel):
    name: str
    status: str
    started_at: datetime
    completed_at: datetime | None
    detail: str | None


class DeploymentLine(BaseModel):
    """What names a deployment; `generation` counts the requests for one API in one environment."""

    id: str
    tenant: str
    api: str
    environment: str
    action: str
    generation: int
    state: State


class DeploymentRead(DeploymentLine):
    """`generation` counts the requests for one API in one environment; `error` has a stable `code`."""

    commit: str
    trigger: str
    requested_by: str
    trace_id: str
    api_version: str | None
    awx_job_id: int | None
    error: dict[str, Any] | None
    result: dict[str, Any] | None
    requested_at: datetime
    finished_at: datetime | None


class DeploymentWithSteps(DeploymentRead):
    """With its steps in order."""

    steps: list[Step]


class DeploymentDetail(DeploymentWithSteps):
    """With what the conversion of its document lost."""

    loss_report: dict[str, Any] | None


class DeploymentPage(BaseModel):
    items: list[DeploymentRead]
    next_cursor: str | None


class Start(BaseModel):
    model_config = ConfigDict(extra="forbid")
    tenant: str = Field(pattern=SLUG)
    api: str = Field(pattern=SLUG)
    environment: Environment


class Filters(Page):
    tenant: str | None = Field(None, pattern=SLUG)
    api: str | None = Field(None, pattern=SLUG)
    environment: Environment | None = None
    state: State | None = None


@router.get("/deployments")
def list_deployments(who: Reader, filters: Annotated[Filters, Query()]) -> DeploymentPage:
    """Newest first; follow `next_cursor` until it is null."""
    named = filters.model_dump(exclude={"cursor", "limit"}, exclude_none=True)
    before = decoded(filters.cursor, POSITION)[0] if filters.cursor is not None else None
    who.within(filters.tenant)
    found = app().deployment_queries.page(before=before, limit=filters.limit + 1, filters=named)
    more = found[filters.limit - 1].id if len(found) > filters.limit else None
    return DeploymentPage(
        items=[DeploymentRead(**_fields(d)) for d in found[: filters.limit]],
        next_cursor=encoded(more) if more else None,
    )


@router.post("/deployments", status_code=202, dependencies=[Depends(no_parameters)])
def start_deployment(request: Request, who: Deployer, start: Start, idempotency_key: Key = None) -> DeploymentDetail:
    """Deploys an API at the newest processed commit; the same Idempotency-Key starts it once."""
    who.within(start.tenant)
    wanted = {"tenant": start.tenant, "api": start.api, "environment": start.environment, "action": "deploy"}
    made = app().gitops_by_hand.start(wanted, who.id, idempotency_key, address(request))  # type: ignore[arg-type]
    return read_deployment(who, made)


@router.post("/deployments/{deployment_id}/cancel", status_code=202, dependencies=[Depends(no_parameters)])
def cancel_deployment(request: Request, who: Deployer, deployment_id: str) -> DeploymentDetail:
    """Ends one that waits at once, a running one as soon as AWX has stopped its job; a lost one is not tried again."""
    app().by_hand.cancel(deployment_id, who.id, address(request))
    return read_deployment(who, deployment_id)


@router.post("/deployments/{deployment_id}/retry", status_code=202, dependencies=[Depends(no_parameters)])
def retry_deployment(
    request: Request, who: Deployer, deployment_id: str, idempotency_key: Key = None
) -> DeploymentDetail:
    """Asks again for the newest request of an API, at the same commit, when it failed or was cancelled."""
    return read_deployment(who, app().by_hand.retry(deployment_id, who.id, idempotency_key, address(request)))


@router.post("/deployments/{deployment_id}/rollback", status_code=202, dependencies=[Depends(no_parameters)])
def roll_back_to_deployment(
    request: Request, who: Deployer, deployment_id: str, idempotency_key: Key = None
) -> DeploymentDetail:
    """Deploys once more, under a new generation, exactly what this one deployed. It lasts until the next push."""
    trace_id = request.state.trace_id
    made = app().by_hand.roll_back(deployment_id, who.id, idempotency_key, trace_id, address(request))
    return read_deployment(who, made)


@router.get("/deployments/{deployment_id}", dependencies=[Depends(no_parameters)])
def read_deployment(who: Reader, deployment_id: str) -> DeploymentDetail:
    found, steps, report = app().deployment_queries.read(deployment_id)
    return DeploymentDetail(**_fields(found), steps=[Step(**step) for step in steps], loss_report=report)


def with_steps(deployment: Deployment, steps: Sequence[Mapping[str, Any]]) -> DeploymentWithSteps:
    return DeploymentWithSteps(**_fields(deployment), steps=[Step(**step) for step in steps])


def _fields(d: Deployment) -> dict[str, Any]:
    lane = d.lane
    return {**vars(d), "tenant": lane.tenant, "api": lane.api, "environment": lane.environment}
