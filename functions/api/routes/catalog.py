"""What each environment serves."""

import re
from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from functions.api.inline import Router
from functions.api.parameters import SLUG, Page, decoded, encoded
from functions.api.problems import RESPONSES
from functions.api.security import may
from stoa.bootstrap import app
from stoa.tenancy.model import Grant

router = Router(prefix="/v1", tags=["catalog"], responses=RESPONSES)

POSITION = re.compile(r"([a-z0-9-]{1,63}) ([a-z0-9-]{1,63}) (dev|staging|prod)")


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


class ServingPage(BaseModel):
    items: list[Serving]
    next_cursor: str | None


class Filters(Page):
    tenant: str | None = Field(None, pattern=SLUG)


@router.get("/status")
def list_status(who: Annotated[Grant, may("apis:read")], filters: Annotated[Filters, Query()]) -> ServingPage:
    """What every environment serves, by name; follow `next_cursor` until it is null."""
    after = decoded(filters.cursor, POSITION) if filters.cursor is not None else None
    rows = app().catalog_queries.serving(tenant=who.within(filters.tenant), after=after, limit=filters.limit + 1)
    items = [Serving(**row) for row in rows[: filters.limit]]
    last = items[-1] if len(rows) > filters.limit else None
    return ServingPage(items=items, next_cursor=encoded(last.tenant, last.api, last.environment) if last else None)
