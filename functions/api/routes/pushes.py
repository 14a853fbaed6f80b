"""What became of a push: the deployments it asked for, and what was left out and why."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from functions.api.parameters import Page, decoded, encoded
from functions.api.problems import RESPONSES
from functions.api.security import Developer
from stoa.bootstrap import app

router = APIRouter(prefix="/v1/pushes", tags=["pushes"], responses=RESPONSES)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
POSITION = re.compile(r"([1-9][0-9]{0,15}) ([\x21-\x7e]{1,300})")


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
def list_pushes(_who: Developer, page: Annotated[Page, Query()]) -> PushPage:
    """The newest pushes first; follow `next_cursor` until it is null."""
    before = _position(page.cursor) if page.cursor is not None else None
    rows = app().gitops.recent_pushes(before, page.limit + 1)
    items = [PushRead(**row) for row in rows[: page.limit]]
    return PushPage(items=items, next_cursor=_cursor(items[-1]) if len(rows) > page.limit else None)


def _cursor(last: PushRead) -> str:
    return encoded(str((last.received_at - EPOCH) // MICROSECOND), last.id)


def _position(cursor: str) -> tuple[datetime, str]:
    microseconds, push_id = decoded(cursor, POSITION)
    return EPOCH + int(microseconds) * MICROSECOND, push_id
