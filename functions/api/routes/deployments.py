"""Deployments: list, read with steps and times, start by hand."""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, ConfigDict, Field

from functions.api.problems import RESPONSES
from functions.api.security import Developer
from stoa.bootstrap import app
from stoa.deployments.model import Deployment
from stoa.kernel.errors import Refused

router = APIRouter(prefix="/v1", tags=["deployments"], responses=RESPONSES)

SLUG = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
State = Literal["requested", "launching", "running", "succeeded", "failed", "superseded", "cancelled"]
Environment = Literal["dev", "staging", "prod"]


class Step(BaseModel):
    name: str
    status: str
    started_at: datetime
    completed_at: datetime | None
    detail: str | None


class DeploymentRead(BaseModel):
    """`generation` counts the requests for one API in one environment; `error` has a stable `code`."""

    id: str
    tenant: str
    api: str
    environment: str
    action: str
    generation: int
    state: State
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


class DeploymentDetail(DeploymentRead):
    """With its steps in order, and what the conversion of its document lost."""

    steps: list[Step]
    loss_report: dict[str, Any] | None


class DeploymentPage(BaseModel):
    items: list[DeploymentRead]
    next_cursor: str | None


class Start(BaseModel):
    model_config = ConfigDict(extra="forbid")
    tenant: str = Field(pattern=SLUG)
    api: str = Field(pattern=SLUG)
    environment: Environment


class Filters(BaseModel):
    """Unknown parameters are refused: a filter that is silently ignored lies."""

    model_config = ConfigDict(extra="forbid")
    tenant: str | None = Field(None, pattern=SLUG)
    api: str | None = Field(None, pattern=SLUG)
    environment: Environment | None = None
    state: State | None = None
    cursor: str | None = Field(None, max_length=100)
    limit: int = Field(50, ge=1, le=200)


@router.get("/deployments")
def list_deployments(_who: Developer, filters: Annotated[Filters, Query()]) -> DeploymentPage:
    """Newest first; follow `next_cursor` until it is null."""
    named = filters.model_dump(exclude={"cursor", "limit"}, exclude_none=True)
    before = _decoded(filters.cursor) if filters.cursor else None
    found = app().deployment_queries.page(before=before, limit=filters.limit + 1, filters=named)
    more = found[filters.limit - 1].id if len(found) > filters.limit else None
    return DeploymentPage(
        items=[DeploymentRead(**_fields(d)) for d in found[: filters.limit]],
        next_cursor=_encoded(more) if more else None,
    )


@router.post("/deployments", status_code=202)
def start_deployment(
    who: Developer, start: Start, idempotency_key: Annotated[str | None, Header(max_length=200)] = None
) -> DeploymentDetail:
    """Deploys an API at the newest processed commit; the same Idempotency-Key starts it once."""
    wanted = {"tenant": start.tenant, "api": start.api, "environment": start.environment, "action": "deploy"}
    return read_deployment(who, app().gitops.start_by_hand(wanted, who.id, idempotency_key))  # type: ignore[arg-type]


@router.get("/deployments/{deployment_id}")
def read_deployment(_who: Developer, deployment_id: str) -> DeploymentDetail:
    found, steps, report = app().deployment_queries.read(deployment_id)
    return DeploymentDetail(**_fields(found), steps=[Step(**step) for step in steps], loss_report=report)


def _fields(d: Deployment) -> dict[str, Any]:
    lane = d.lane
    return {**vars(d), "tenant": lane.tenant, "api": lane.api, "environment": lane.environment}


def _encoded(deployment_id: str) -> str:
    return base64.urlsafe_b64encode(deployment_id.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, UnicodeError, ValueError) as error:
        raise Refused("BAD_CURSOR", "the cursor is none that this API gave out", field="cursor") from error
