"""The catalogue: the APIs that Git has, and what each environment serves of them."""

import re
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from functions.api.parameters import SLUG, Page, decoded, encoded, no_parameters
from functions.api.problems import RESPONSES
from functions.api.routes.catalog import Serving
from functions.api.security import may
from stoa.bootstrap import app
from stoa.catalog.model import MATCHED, Asked, Place, State, deploy_blocked
from stoa.kernel.errors import NotFound
from stoa.tenancy.model import Grant

router = APIRouter(prefix="/v1", tags=["catalog"], responses=RESPONSES)

POSITION = re.compile(r"([a-z0-9-]{1,63}) ([a-z0-9-]{1,63})")
FOUND_POSITION = re.compile(r"([1-3]) ([a-z0-9-]{1,63}) ([a-z0-9-]{1,63})")
# no NUL, which PostgreSQL does not take
TEXT = r"^[^\x00]+$"
Reader = Annotated[Grant, may("apis:read")]
Slug = Annotated[str, Path(pattern=SLUG)]


class Api(BaseModel):
    """As Git has it at `commit`; `environments` are those it has a file for, people are stable ids. `generation`
    rises with every change. What follows is what its api.yaml says in every environment; `owner` answers for it."""

    tenant: str
    api: str
    generation: int
    project_id: int
    commit: str
    environments: list[str]
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
    """`can_deploy`: whether the caller may start its deployment by hand now; `block_reason` says why not."""

    serving: list[Serving]
    can_deploy: bool
    block_reason: str | None


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


@router.get("/apis/{tenant}/{api}", dependencies=[Depends(no_parameters)])
def read_api(who: Reader, tenant: Slug, api: Slug) -> ApiRead:
    """One API, and what each environment serves of it."""
    who.within(tenant)
    found = app().catalog_queries.api(tenant, api)
    if found is None:
        raise NotFound(f"there is no API {api} of {tenant}")
    row, serving = found
    blocked = deploy_blocked(row["environments"], permitted=who.caller.reaches("apis:deploy", tenant))
    shown = [Serving(**one) for one in serving]
    return ApiRead(**row, serving=shown, can_deploy=blocked is None, block_reason=blocked)
