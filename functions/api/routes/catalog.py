"""What each environment serves."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from functions.api.problems import RESPONSES
from functions.api.security import Developer
from stoa.bootstrap import app

router = APIRouter(prefix="/v1", tags=["catalog"], responses=RESPONSES)

SLUG = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"


class Serving(BaseModel):
    """The newest result of one API in one environment, and which deployment it serves now."""

    tenant: str
    api: str
    environment: str
    generation: int
    deployment_id: str
    status: str
    serving_deployment_id: str | None
    serving_version: str | None
    serving_commit: str | None
    updated_at: datetime


class ServingList(BaseModel):
    items: list[Serving]


@router.get("/status")
def list_status(_who: Developer, tenant: Annotated[str | None, Query(pattern=SLUG)] = None) -> ServingList:
    """What every environment serves."""
    return ServingList(items=[Serving(**row) for row in app().catalog_queries.serving(tenant)])
