"""Lists of traces: page by page from PostgreSQL, and by one word through the index."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from functions.api.inline import Router
from functions.api.parameters import SLUG, Page, moment_decoded, moment_encoded
from functions.api.problems import RESPONSES
from functions.api.routes.deployments import DeploymentLine
from functions.api.routes.traces import Status, completion, milliseconds, outcome
from functions.api.security import may
from stoa.bootstrap import app
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.log import log
from stoa.tenancy.model import Grant

if TYPE_CHECKING:  # loaded by the first request that needs it
    from stoa.search.queries import TraceRow

router = Router(prefix="/v1/traces", tags=["traces"], responses=RESPONSES)

Reader = Annotated[Grant, may("traces:read")]
WORD = r"^[!-~]{1,200}$"


class TraceSummary(BaseModel):
    """`person` pushed, or asked for the first deployment; `status` is that of GET /v1/traces/{trace_id}."""

    trace_id: str
    status: Status
    started_at: datetime
    completed_at: datetime | None
    total_duration_ms: int | None
    trigger: str
    person: str
    commit: str
    deployments: list[DeploymentLine]


class TracePage(BaseModel):
    items: list[TraceSummary]
    next_cursor: str | None


class TraceFilters(Page):
    """All of them hold for one deployment of the trace, or for its push; `commit` is how it begins. With `tenant` only
    the deployments of that tenant are shown."""

    tenant: str | None = Field(None, pattern=SLUG)
    api: str | None = Field(None, pattern=SLUG)
    commit: str | None = Field(None, pattern=r"^[0-9a-f]{7,64}$")
    person: str | None = Field(None, pattern=WORD)


class TraceSearch(Page):
    """`q`: the id of a trace or a deployment, a commit or its first 7 digits or more, an API, a person."""

    q: str = Field(pattern=WORD)
    tenant: str | None = Field(None, pattern=SLUG)


@router.get("")
def list_traces(who: Reader, filters: Annotated[TraceFilters, Query()]) -> TracePage:
    """Those that began last first; follow `next_cursor` until it is null."""
    named = filters.model_dump(exclude={"cursor", "limit"}, exclude_none=True)
    if tenant := who.within(filters.tenant):
        named["tenant"] = tenant
    before = moment_decoded(filters.cursor) if filters.cursor is not None else None
    rows = app().trace_queries.page(before, filters.limit + 1, named)
    items = _summaries(rows[: filters.limit])
    more = moment_encoded(items[-1].started_at, items[-1].trace_id) if len(rows) > filters.limit else None
    return TracePage(items=items, next_cursor=more)


@router.get("/search")
def search_traces(who: Reader, asked: Annotated[TraceSearch, Query()]) -> TracePage:
    """Those whose newest match is the newest first. The index may be some seconds behind; what it finds is shown as it
    is now."""
    before = moment_decoded(asked.cursor) if asked.cursor is not None else None
    tenant = who.within(asked.tenant)
    try:
        found = app().search_queries.traces(asked.q, tenant, before, asked.limit)
    except Transient as error:
        log.error("request.unavailable", system=error.system, detail=error.detail)
        hint = "GET /v1/traces with tenant, api, commit or person reads the same without the index"
        raise Refused("UNAVAILABLE", f"{error.system} does not answer", status=503, hint=hint) from error
    items = _summaries(app().trace_queries.some(found.trace_ids, tenant))
    return TracePage(items=items, next_cursor=moment_encoded(*found.more) if found.more else None)


def _summaries(rows: "Iterable[TraceRow]") -> list[TraceSummary]:
    return [_summary(row) for row in rows]


def _summary(row: "TraceRow") -> TraceSummary:
    push, found = row.push, [DeploymentLine(**d) for d in row.deployments]
    completed = completion([push["processed_at"]] if push else [], [d["finished_at"] for d in row.deployments])
    if push:
        started, trigger, person, commit = push["received_at"], "gitlab-push", push["pusher"], push["after_sha"]
    else:
        first = row.deployments[0]
        started, trigger = first["requested_at"], first["trigger"]
        person, commit = first["requested_by"], first["commit_sha"]
    return TraceSummary(
        trace_id=row.trace_id,
        status=outcome(push["state"] if push else None, found, completed),
        started_at=started,
        completed_at=completed,
        total_duration_ms=milliseconds(started, completed),
        trigger=trigger,
        person=person,
        commit=commit,
        deployments=found,
    )
