"""Tenants: their names, the GitLab project that may touch each, and their members as Git has them."""

import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from functions.api.inline import Router
from functions.api.parameters import SLUG, Page, decoded, encoded, no_parameters
from functions.api.problems import RESPONSES
from functions.api.security import address, may
from stoa.bootstrap import app
from stoa.kernel.errors import NotFound
from stoa.tenancy.flows_by_hand import Wanted
from stoa.tenancy.model import Grant

router = Router(prefix="/v1/tenants", tags=["tenants"], responses=RESPONSES)

POSITION = re.compile(r"([a-z0-9-]{1,63})")
NEW = r"^tenant-[a-z0-9]([a-z0-9-]{0,54}[a-z0-9])?$"
NAME = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
LARGEST = 2**53 - 1
Tenant = Annotated[str, Path(pattern=SLUG)]
Reader = Annotated[Grant, may("tenants:read")]
Manager = Annotated[Grant, may("tenants:manage")]
UserManager = Annotated[Grant, may("users:manage")]


class TenantChange(BaseModel):
    """`project_id` is the one GitLab project whose pushes may touch the tenant."""

    model_config = ConfigDict(extra="forbid", strict=True)
    display_name: str = Field(min_length=1, max_length=200, pattern=NAME)
    project_id: int = Field(ge=1, le=LARGEST)


class TenantCreate(TenantChange):
    """`tenant` is `tenant-` and small letters, digits and dashes, at most 63 characters; it never changes."""

    tenant: str = Field(pattern=NEW)


class TenantRead(BaseModel):
    """`generation` rises with every change; a tenant that was registered by hand has 0 and no dates."""

    tenant: str
    display_name: str
    project_ids: list[int]
    generation: int
    created_at: datetime | None
    created_by: str | None
    updated_at: datetime | None
    updated_by: str | None


class TenantPage(BaseModel):
    items: list[TenantRead]
    next_cursor: str | None


class MemberRead(BaseModel):
    """`sub` is the account, null while nobody knows it; `reason` says why a member is not synced."""

    email: str
    role: str
    sub: str | None
    state: str
    reason: str | None


class MemberList(BaseModel):
    """What the file of `source_commit` asks for. `state`: `none` before the first, `pending` until Keycloak has it,
    `synced`, or `refused` with `error`. `refusal`: why the newer file of `refused_commit` was not taken."""

    tenant: str
    generation: int
    source_commit: str | None
    state: str
    error: dict[str, Any] | None
    refused_commit: str | None
    refusal: dict[str, Any] | None
    asked_at: datetime | None
    synced_at: datetime | None
    items: list[MemberRead]


# of a tenant that no file has named yet
NEVER: dict[str, Any] = {
    "generation": 0,
    "state": "none",
    **dict.fromkeys(("commit_sha", "error", "refused_commit", "refusal", "asked_at", "synced_at")),
}


@router.get("")
def list_tenants(who: Reader, page: Annotated[Page, Query()]) -> TenantPage:
    """By name; of who belongs to a tenant, their own. Follow `next_cursor` until it is null."""
    after = decoded(page.cursor, POSITION)[0] if page.cursor is not None else None
    rows = app().tenant_queries.all(tenant=who.tenant, after=after, limit=page.limit + 1)
    items = [TenantRead(**row) for row in rows[: page.limit]]
    return TenantPage(items=items, next_cursor=encoded(items[-1].tenant) if len(rows) > page.limit else None)


@router.post("", status_code=201, dependencies=[Depends(no_parameters)])
def create_tenant(request: Request, who: Manager, wanted: TenantCreate) -> TenantRead:
    """A tenant, which the pushes of its project may touch from now on."""
    asked = Wanted(wanted.tenant, wanted.display_name, wanted.project_id, **_asked(request, who))
    return TenantRead(**app().tenants.create(asked))


@router.get("/{tenant}", dependencies=[Depends(no_parameters)])
def read_tenant(who: Reader, tenant: Tenant) -> TenantRead:
    who.within(tenant)
    found = app().tenant_queries.one(tenant)
    if found is None:
        raise NotFound(f"there is no tenant {tenant}")
    return TenantRead(**found)


@router.put("/{tenant}", dependencies=[Depends(no_parameters)])
def replace_tenant(request: Request, who: Manager, tenant: Tenant, wanted: TenantChange) -> TenantRead:
    """Its name and its project from now on; no other project may touch it any more."""
    asked = Wanted(tenant, wanted.display_name, wanted.project_id, **_asked(request, who))
    return TenantRead(**app().tenants.replace(asked))


@router.get("/{tenant}/members", dependencies=[Depends(no_parameters)])
def list_members(who: UserManager, tenant: Tenant) -> MemberList:
    """All whom the file names, by address: a tenant has few."""
    who.within(tenant)
    sync, members = app().member_queries.of(tenant)
    shown = {**NEVER, **(sync or {})}
    commit = shown.pop("commit_sha")
    items = [MemberRead(**row) for row in members]
    return MemberList(tenant=tenant, source_commit=None if shown["state"] == "none" else commit, items=items, **shown)


def _asked(request: Request, who: Grant) -> dict[str, str]:
    return {"actor": who.id, "ip": address(request), "trace_id": request.state.trace_id}
