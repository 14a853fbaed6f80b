"""Who did what: audit events from the index, the newest first, as JSON or as a table for a spreadsheet."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import Header, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, Field

from functions.api.inline import Router
from functions.api.parameters import Page, moment_decoded, moment_encoded
from functions.api.problems import RESPONSES
from functions.api.security import may
from stoa.audit.events import COLUMNS, csv_line
from stoa.bootstrap import app
from stoa.kernel.errors import Refused
from stoa.tenancy.model import Grant

router = Router(prefix="/v1", tags=["audit"], responses=RESPONSES)

Reader = Annotated[Grant, may("audit:read", "own")]
TENANT = r"^(_platform|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$"
WORD = r"^[!-~]{1,300}$"
TYPES = {"ip": str, "before": dict, "after": dict, "git_commit": str}
TABLE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


class AuditEvent(BaseModel):
    """`actor`, `ip`, `before` and `after` are personal data: null for who has not the permission audit:export."""

    event_id: str
    occurred_at: datetime
    tenant: str
    actor: str | None
    ip: str | None
    action: str | None
    resource: str
    outcome: str | None
    trace_id: str | None
    git_commit: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditPage(BaseModel):
    items: list[AuditEvent]
    next_cursor: str | None


class AuditFilters(Page):
    """All of them hold. `resource` is one, or with a / at its end all below it; `from` is included, `to` is not.
    `actor` needs the permission audit:export. `format` comes before the header Accept."""

    limit: int = Field(50, ge=1, le=1000)
    tenant: str | None = Field(None, pattern=TENANT)
    actor: str | None = Field(None, pattern=WORD)
    action: str | None = Field(None, pattern=r"^[A-Z0-9_]{1,100}$")
    resource: str | None = Field(None, pattern=WORD)
    outcome: Literal["done", "refused"] | None = None
    since: AwareDatetime | None = Field(None, alias="from")
    until: AwareDatetime | None = Field(None, alias="to")
    format: Literal["json", "csv"] | None = None


@router.get("/audit", response_model=AuditPage, responses=TABLE)
def list_audit_events(
    request: Request, who: Reader, filters: Annotated[AuditFilters, Query()], accept: Annotated[str, Header()] = ""
) -> AuditPage | Response:
    """The newest first; follow `next_cursor` until it is null. A table names the next page in its header Link. The
    index may be some seconds behind."""
    before = moment_decoded(filters.cursor) if filters.cursor is not None else None
    hits = app().search_queries.audit(_asked(who, filters), before, filters.limit + 1)
    # what the query asks for already; an index keeps no tenants apart by itself
    found = [hit for hit in hits if who.tenant in {None, hit[1]["tenant_id"]}]
    items = [_event(body, _personal(who, body["tenant_id"])) for _, body in found[: filters.limit]]
    more = moment_encoded(*found[filters.limit - 1][0]) if len(found) > filters.limit else None
    if (filters.format or _accepted(accept)) == "csv":
        return _table(request, items, more)
    return AuditPage(items=items, next_cursor=more)


def _asked(who: Grant, filters: AuditFilters) -> dict[str, Any]:
    """Raises Refused 403 for a person of whom the caller may not read."""
    named = filters.model_dump(exclude={"cursor", "limit", "format"}, exclude_none=True)
    if tenant := who.within(filters.tenant):
        named["tenant"] = tenant
    if who.reach == "own":
        if filters.actor not in {None, who.id}:
            raise _not_of_others()
        return {**named, "actor": who.id}
    if filters.actor is not None and not _personal(who, named.get("tenant", "")):
        raise _not_of_others()
    return named


def _personal(who: Grant, tenant: str) -> bool:
    """Whether the caller may read who it was, in this tenant."""
    return who.reach == "own" or who.caller.reaches("audit:export", tenant)


def _not_of_others() -> Refused:
    hint = "leave actor out, or ask an administrator of your tenant for it"
    detail = "to filter by actor takes the permission audit:export"
    return Refused("FORBIDDEN", detail, field="query.actor", status=403, hint=hint)


def _event(body: dict[str, Any], personal: bool) -> AuditEvent:
    """What an event of somebody else holds in another form is left out."""
    said = {name: body["data"].get(name) for name in TYPES}
    data = {name: value if isinstance(value, TYPES[name]) else None for name, value in said.items()}
    told = {"actor": body.get("actor"), **{name: data[name] for name in ("ip", "before", "after")}}
    return AuditEvent(
        event_id=body["event_id"],
        occurred_at=body["@timestamp"],
        tenant=body["tenant_id"],
        action=body.get("action"),
        resource=body["subject"],
        outcome=body.get("outcome"),
        trace_id=body.get("trace_id"),
        git_commit=data["git_commit"],
        **(told if personal else dict.fromkeys(told)),
    )


def _accepted(accept: str) -> str:
    """By the first of the media types."""
    return "csv" if accept.partition(",")[0].partition(";")[0].strip().lower() == "text/csv" else "json"


def _table(request: Request, items: Iterable[AuditEvent], more: str | None) -> Response:
    rows = (item.model_dump(mode="json") for item in items)
    text = "".join([csv_line(COLUMNS), *(csv_line(row[name] for name in COLUMNS) for row in rows)])
    headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
    if more is not None:
        query = urlencode({**request.query_params, "cursor": more, "format": "csv"})
        headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
    return Response(text.encode("utf-8", "replace"), headers=headers, media_type="text/csv; charset=utf-8")
