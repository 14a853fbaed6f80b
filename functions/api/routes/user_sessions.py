"""Where people are signed in: one's own sessions, and those of a tenant's members, and the end of each."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Path, Request, Response
from pydantic import BaseModel

from functions.api.inline import Router
from functions.api.parameters import SLUG
from functions.api.problems import RESPONSES
from functions.api.security import address, may
from stoa.audit.events import PLATFORM
from stoa.bootstrap import app
from stoa.kernel.clock import now
from stoa.members.model import SessionEnd
from stoa.tenancy.model import Grant

if TYPE_CHECKING:
    from stoa.adapters.keycloak import Session

router = Router(prefix="/v1", tags=["sessions"], responses=RESPONSES)

Own = Annotated[Grant, may("sessions:own", "own")]
UserManager = Annotated[Grant, may("users:manage")]
Tenant = Annotated[str, Path(pattern=SLUG)]
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
OF_MEMBER = "/tenants/{tenant}/members/{sub}/sessions"
UNDER_WAY: dict[int | str, dict[str, Any]] = {
    202: {"description": "its tokens are refused; the issuer does not answer and is asked until it does"}
}


class SessionRead(BaseModel):
    """`clients` are what the person is signed in to; `current` marks the session of this request."""

    id: str
    ip: str
    started_at: datetime
    last_access_at: datetime
    clients: list[str]
    current: bool


class SessionList(BaseModel):
    items: list[SessionRead]


@router.get("/users/me/sessions")
def list_own_sessions(who: Own) -> SessionList:
    """The one used last comes first."""
    return _shown(app().sessions.of(who.id), who)


@router.delete("/users/me/sessions/{session}", status_code=204, responses=UNDER_WAY)
def end_own_session(request: Request, who: Own, session: Name) -> Response:
    """From now on none of its tokens is taken."""
    ended = app().sessions.end(_end(request, who, who.id, who.caller.tenant or PLATFORM, session))
    return Response(status_code=204 if ended else 202)


@router.get(OF_MEMBER)
def list_member_sessions(who: UserManager, tenant: Tenant, sub: Name) -> SessionList:
    """The one used last comes first."""
    who.within(tenant)
    return _shown(app().sessions.of_member(tenant, sub), who)


@router.delete(f"{OF_MEMBER}/{{session}}", status_code=204, responses=UNDER_WAY)
def end_member_session(request: Request, who: UserManager, tenant: Tenant, sub: Name, session: Name) -> Response:
    """From now on none of its tokens is taken."""
    who.within(tenant)
    ended = app().sessions.end_of_member(tenant, _end(request, who, sub, tenant, session))
    return Response(status_code=204 if ended else 202)


def _end(request: Request, who: Grant, user: str, tenant: str, session: str) -> SessionEnd:
    return SessionEnd(session, user, tenant, who.id, address(request), request.state.trace_id, now())


def _shown(found: list["Session"], who: Grant) -> SessionList:
    items = [SessionRead(**vars(one), current=one.id == who.caller.session) for one in found]
    return SessionList(items=items)
