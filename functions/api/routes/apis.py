"""The catalogue: the APIs that Git has, and what each environment serves of them."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query, Response
from pydantic import BaseModel, Field

from functions.api.inline import Router
from functions.api.parameters import SLUG, Page, decoded, encoded, no_parameters
from functions.api.problems import RESPONSES
from functions.api.routes.catalog import Serving
from functions.api.security import may
from stoa.authoring.model import changes_blocked
from stoa.bootstrap import app
from stoa.catalog.model import MATCHED, Asked, Place, State, deploy_blocked
from stoa.kernel.errors import NotFound
from stoa.tenancy.model import Grant, Permission

router = Router(prefix="/v1", tags=["catalog"], responses=RESPONSES)

POSITION = re.compile(r"([a-z0-9-]{1,63}) ([a-z0-9-]{1,63})")
FOUND_POSITION = re.compile(r"([1-3]) ([a-z0-9-]{1,63}) ([a-z0-9-]{1,63})")
# no NUL, which PostgreSQL does not take
TEXT = r"^[^\x00]+$"
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
    rises with every change. What follows is what its api.yaml says in every environment; `owner` answers for it."""

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
    display_name: str
    description: str
    tags: list[str]
    owner: str | None
    version: str | None


class ApiFound(Api):
    """`matched` says where all words of `q` were found together: in its `name`, in its `description`, tags and owner
    as well, or in the paths and ids of its operations (`operation`)."""

    matched: Literal["name", "description", "operation"] | None = None


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
    items: list[ApiFound]
    next_cursor: str | None


class Filters(Page):
    """`q` are words of the API's name, description, tags, owner, paths or operations, the last one perhaps only
    begun; names of several parts are found by each of them. An API is `serving` when an environment serves it, `idle`
    when none does, `failed` when its newest result in some environment is a failure."""

    tenant: str | None = Field(None, pattern=SLUG)
    q: str | None = Field(None, max_length=200, pattern=TEXT)
    tag: str | None = Field(None, pattern=SLUG)
    owner: str | None = Field(None, max_length=320, pattern=TEXT)
    state: State | None = None


@router.get("/apis")
def list_apis(who: Reader, filters: Annotated[Filters, Query()]) -> ApiPage:
    """The APIs there are, by name, with `q` the best matches first; follow `next_cursor` until it is null."""
    asked = Asked(who.within(filters.tenant), filters.q, filters.tag, filters.owner, filters.state)
    rows = app().catalog_queries.apis(asked, _place(filters), filters.limit + 1)
    items = [ApiFound(**{**row, "matched": MATCHED.get(row.get("matched", 0))}) for row in rows[: filters.limit]]
    more = rows[filters.limit - 1] if len(rows) > filters.limit else None
    found = [str(more["matched"])] if more and "matched" in more else []
    return ApiPage(items=items, next_cursor=encoded(*found, more["tenant"], more["api"]) if more else None)


def _place(filters: Filters) -> Place | None:
    if filters.cursor is None:
        return None
    if filters.q is None:
        return Place(0, *decoded(filters.cursor, POSITION))
    matched, tenant, api = decoded(filters.cursor, FOUND_POSITION)
    return Place(int(matched), tenant, api)


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
