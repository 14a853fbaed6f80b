"""Tenants: their names, the GitLab project that may touch each, and their members as Git has them."""

import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from functions.api.inline import Router
from functions.api.parameters import SLUG, IfMatch, Page, decoded, encoded, generations, no_parameters, unseen
from functions.api.problems import CONDITIONAL, RESPONSES
from functions.api.security import address, may
from stoa.bootstrap import app
from stoa.kernel.errors import NotFound
from stoa.tenancy.flows_by_hand import Asker, Wanted
from stoa.tenancy.model import Grant

router = Router(prefix="/v1/tenants", tags=["tenants"], responses=RESPONSES)

POSITION = re.compile(r"([a-z0-9-]{1,63})")
NEW = r"^tenant-[a-z0-9]([a-z0-9-]{0,54}[a-z0-9])?$"
NAME = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
LARGEST = 2**53 - 1
ETAG: dict[int | str, dict[str, Any]] = {200: {"headers": {"ETag": {"required": True, "schema": {"type": "string"}}}}}
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
    """`generation` rises with every change; a tenant that was registered by hand has 0 and no dates.
    The ETag of the answer is what If-Match takes. A closed one has no projects and never opens again."""

    tenant: str
    display_name: str
    project_ids: list[int]
    generation: int
    created_at: datetime | None
    created_by: str | None
    updated_at: datetime | None
    updated_by: str | None
    closed_at: datetime | None
    closed_by: str | None


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
    asked = Wanted(wanted.tenant, wanted.display_name, wanted.project_id)
    return TenantRead(**app().tenants.create(asked, _asker(request, who)))


@router.get("/{tenant}", dependencies=[Depends(no_parameters)], responses=ETAG)
def read_tenant(response: Response, who: Reader, tenant: Tenant) -> TenantRead:
    who.within(tenant)
    found = app().tenant_queries.one(tenant)
    if found is None:
        raise NotFound(f"there is no tenant {tenant}")
    response.headers["ETag"] = f'"{found["generation"]}"'
    return TenantRead(**found)


@router.put("/{tenant}", dependencies=[Depends(no_parameters)], responses={412: CONDITIONAL[412]})
def replace_tenant(
    request: Request, who: Manager, tenant: Tenant, wanted: TenantChange, if_match: IfMatch = None
) -> TenantRead:
    """Its name and its project from now on; no other project may touch it any more. If-Match may be left out."""
    asked = Wanted(tenant, wanted.display_name, wanted.project_id)
    return TenantRead(**app().tenants.replace(asked, _asker(request, who, if_match)))


@router.delete("/{tenant}", status_code=202, dependencies=[Depends(no_parameters)], responses=CONDITIONAL)
def close_tenant(request: Request, who: Manager, tenant: Tenant, if_match: IfMatch = None) -> TenantRead:
    """Closes a tenant for ever that has no APIs and nothing under way: its people's tokens are refused, no project may
    touch it, its name is not given again, and its audit stays. That Keycloak has signed its members out and taken
    their roles is to be seen in the state of `members`. Once more changes nothing."""
    if if_match is None:
        raise unseen()
    return TenantRead(**app().tenants.close(tenant, _asker(request, who, if_match)))


@router.get("/{tenant}/members", dependencies=[Depends(no_parameters)])
def list_members(who: UserManager, tenant: Tenant) -> MemberList:
    """All whom the file names, by address: a tenant has few."""
    who.within(tenant)
    sync, members = app().member_queries.of(tenant)
    shown = {**NEVER, **(sync or {})}
    commit = shown.pop("commit_sha") or None  # it is empty where no file says who is a member: of a closed tenant
    items = [MemberRead(**row) for row in members]
    return MemberList(tenant=tenant, source_commit=None if shown["state"] == "none" else commit, items=items, **shown)


def _asker(request: Request, who: Grant, if_match: str | None = None) -> Asker:
    seen = generations(if_match) if if_match is not None else None
    return Asker(who.id, address(request), request.state.trace_id, seen)
