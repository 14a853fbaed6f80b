"""The catalogue: the APIs that Git has, and what each environment serves of them."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field

from functions.api.parameters import SLUG, Page, decoded, encoded, no_parameters
from functions.api.problems import RESPONSES
from functions.api.routes.catalog import Serving
from functions.api.security import may
from stoa.authoring.model import changes_blocked
from stoa.bootstrap import app
from stoa.catalog.model import deploy_blocked
from stoa.kernel.errors import NotFound
from stoa.tenancy.model import Grant, Permission

router = APIRouter(prefix="/v1", tags=["catalog"], responses=RESPONSES)

POSITION = re.compile(r"([a-z0-9-]{1,63}) ([a-z0-9-]{1,63})")
# no NUL, which PostgreSQL does not take
WORDS = r"^[^\x00]*[A-Za-z0-9][^\x00]*$"
Reader = Annotated[Grant, may("apis:read")]
Slug = Annotated[str, Path(pattern=SLUG)]
# which permission each of its changes needs
NEEDED: dict[str, Permission] = {
    "update": "apis:write",
    "delete": "apis:delete",
    "publish": "apis:write",
    "deprecate": "apis:write",
}


class Lifecycle(BaseModel):
    """`deprecated` says since when, and `sunset` from when it may be gone."""

    state: Literal["draft", "published", "deprecated"]
    deprecated: datetime | None
    sunset: datetime | None


class Api(BaseModel):
    """As Git has it at `commit`; `environments` are those it has a file for, people are stable ids. `generation`
    rises with every change."""

    tenant: str
    api: str
    generation: int
    project_id: int
    commit: str
    environments: list[str]
    lifecycle: Lifecycle
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str


class ApiRead(Api):
    """`can_deploy`: whether the caller may start its deployment by hand now; `block_reason` says why not. The others
    likewise, with their reasons in `blocked`, by `update`, `delete`, `publish`, `deprecate`; `change` is the one that
    is not finished. The ETag of the answer is what If-Match takes."""

    serving: list[Serving]
    can_deploy: bool
    block_reason: str | None
    can_update: bool
    can_delete: bool
    can_publish: bool
    can_deprecate: bool
    blocked: dict[str, str]
    change: str | None


class ApiPage(BaseModel):
    items: list[Api]
    next_cursor: str | None


class Filters(Page):
    """`q` are words of the API's name, each as a whole, the last one perhaps only begun."""

    tenant: str | None = Field(None, pattern=SLUG)
    q: str | None = Field(None, max_length=200, pattern=WORDS)


@router.get("/apis")
def list_apis(who: Reader, filters: Annotated[Filters, Query()]) -> ApiPage:
    """The APIs there are, by name; follow `next_cursor` until it is null."""
    after = decoded(filters.cursor, POSITION) if filters.cursor is not None else None
    tenant = who.within(filters.tenant)
    rows = app().catalog_queries.apis(tenant=tenant, words=filters.q, after=after, limit=filters.limit + 1)
    items = [Api(**row) for row in rows[: filters.limit]]
    last = items[-1] if len(rows) > filters.limit else None
    return ApiPage(items=items, next_cursor=encoded(last.tenant, last.api) if last else None)


ETAG: dict[int | str, dict[str, Any]] = {200: {"headers": {"ETag": {"required": True, "schema": {"type": "string"}}}}}


@router.get("/apis/{tenant}/{api}", dependencies=[Depends(no_parameters)], responses=ETAG)
def read_api(response: Response, who: Reader, tenant: Slug, api: Slug) -> ApiRead:
    """One API, and what each environment serves of it."""
    who.within(tenant)
    found = app().catalog_queries.api(tenant, api)
    if found is None:
        raise NotFound(f"there is no API {api} of {tenant}")
    row, serving = found
    response.headers["ETag"] = f'"{row["generation"]}"'
    stays = deploy_blocked(row["environments"], permitted=who.caller.reaches("apis:deploy", tenant))
    change = app().change_queries.under_way(tenant, api)
    permitted = {action: who.caller.reaches(needed, tenant) for action, needed in NEEDED.items()}
    blocked = changes_blocked(row["lifecycle"]["state"], permitted, change)
    can = {f"can_{action}": action not in blocked for action in NEEDED}
    shown = [Serving(**one) for one in serving]
    return ApiRead(
        **row, **can, serving=shown, can_deploy=stays is None, block_reason=stays, blocked=blocked, change=change
    )
