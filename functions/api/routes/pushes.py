"""What became of a push: the deployments it asked for, and what was left out and why."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel

from functions.api.inline import Router
from functions.api.parameters import Page, moment_decoded, moment_encoded
from functions.api.problems import RESPONSES
from functions.api.security import may
from stoa.bootstrap import app
from stoa.tenancy.model import Grant

router = Router(prefix="/v1/pushes", tags=["pushes"], responses=RESPONSES)


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


class PushPage(BaseModel):
    items: list[PushRead]
    next_cursor: str | None


@router.get("")
def list_pushes(who: Annotated[Grant, may("traces:read")], page: Annotated[Page, Query()]) -> PushPage:
    """The newest pushes first; follow `next_cursor` until it is null."""
    before = moment_decoded(page.cursor) if page.cursor is not None else None
    rows = app().push_queries.recent(who.tenant, before, page.limit + 1)
    items = [PushRead(**row) for row in rows[: page.limit]]
    more = moment_encoded(items[-1].received_at, items[-1].id) if len(rows) > page.limit else None
    return PushPage(items=items, next_cursor=more)
