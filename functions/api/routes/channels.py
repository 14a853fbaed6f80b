"""Where a tenant wants to be told what happens: its Slack and e-mail channels."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Request
from pydantic import BaseModel, ConfigDict, Field

from functions.api.inline import Router
from functions.api.parameters import SLUG
from functions.api.problems import RESPONSES
from functions.api.security import address, may
from stoa.bootstrap import app
from stoa.notifications.model import USUAL, Channel, Kind, MessageType
from stoa.tenancy.model import Grant

router = Router(prefix="/v1/tenants/{tenant}/channels", tags=["channels"], responses=RESPONSES)

Tenant = Annotated[str, Path(pattern=SLUG)]
Name = Annotated[str, Path(pattern=SLUG)]
Reader = Annotated[Grant, may("channels:read")]
Manager = Annotated[Grant, may("channels:manage")]


class Wanted(BaseModel):
    """`target` is `vault:channels/<tenant>/<name>#url` for Slack, an address for e-mail; `messages` what it gets."""

    model_config = ConfigDict(extra="forbid", strict=True)
    kind: Kind
    target: str = Field(min_length=1, max_length=320)
    messages: list[MessageType] = Field(list(USUAL), min_length=1, max_length=20)
    enabled: bool = True


class ChannelRead(BaseModel):
    """`disabled_reason` is set when the provider refused for good; a PUT with `enabled` takes it off."""

    tenant: str
    name: str
    kind: Kind
    target: str
    messages: list[MessageType]
    enabled: bool
    disabled_reason: str | None
    rests_until: datetime | None
    updated_at: datetime


class ChannelList(BaseModel):
    items: list[ChannelRead]


@router.get("")
def list_channels(who: Reader, tenant: Tenant) -> ChannelList:
    """All of them, by name: a tenant has few."""
    who.within(tenant)
    return ChannelList(items=[_read(c) for c in app().channels.all(tenant)])


@router.get("/{name}")
def read_channel(who: Reader, tenant: Tenant, name: Name) -> ChannelRead:
    who.within(tenant)
    return _read(app().channels.read(tenant, name))


@router.put("/{name}")
def put_channel(request: Request, who: Manager, tenant: Tenant, name: Name, wanted: Wanted) -> ChannelRead:
    """Makes it or replaces it; one that was disabled is enabled again by `"enabled": true`."""
    who.within(tenant)
    caller = {"actor": who.id, "trace_id": request.state.trace_id, "ip": address(request)}
    asked = {**wanted.model_dump(), **caller}
    return _read(app().channels.put(tenant, name, **asked))


@router.delete("/{name}", status_code=204)
def delete_channel(request: Request, who: Manager, tenant: Tenant, name: Name) -> None:
    """What was held back for it is gone with it; messages under way are dropped."""
    who.within(tenant)
    trace_id = request.state.trace_id
    app().channels.remove(tenant, name, actor=who.id, trace_id=trace_id, ip=address(request))


def _read(channel: Channel) -> ChannelRead:
    fields: dict[str, Any] = {**vars(channel), "messages": list(channel.messages)}
    return ChannelRead(**fields)
