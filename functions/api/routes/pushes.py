"""What became of a push: the deployments it asked for, and what was left out and why."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from functions.api.problems import RESPONSES
from functions.api.security import Developer
from stoa.bootstrap import app

router = APIRouter(prefix="/v1/pushes", tags=["pushes"], responses=RESPONSES)


class PushRead(BaseModel):
    """`outcome` lists `{"deployment_id"}` for what was asked for and `{"code", "detail", ...}` for what was not."""

    id: str
    project_id: int
    ref: str
    before_sha: str
    after_sha: str
    pusher: str
    trace_id: str
    state: str
    outcome: list[dict[str, Any]]
    received_at: datetime
    processed_at: datetime | None


class PushList(BaseModel):
    items: list[PushRead]


@router.get("")
def list_pushes(_who: Developer, limit: int = Query(50, ge=1, le=200)) -> PushList:
    """The newest pushes first."""
    return PushList(items=[PushRead(**row) for row in app().gitops.recent_pushes(limit)])
