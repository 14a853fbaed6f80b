"""Sessions of people: how the issuer tells that one has ended before its tokens do."""

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Body, Request, Response

from functions.api import limits
from functions.api.inline import Router
from functions.api.problems import RESPONSES
from functions.api.security import address
from stoa.bootstrap import app
from stoa.kernel.errors import Refused

router = Router(prefix="/v1/sessions", tags=["sessions"], responses=RESPONSES)

FORM = "application/x-www-form-urlencoded"
FIELDS = 10  # anybody may send this, and a million of them take seconds


@router.post("/backchannel-logout", status_code=200, response_class=Response)
def backchannel_logout(request: Request, body: Annotated[bytes, Body(media_type=FORM)]) -> Response:
    """The logout token in the form proves who sends it. Its session, or every session of its user, has ended.

    Source: OpenID Connect Back-Channel Logout 1.0, section 2.8.
    """
    given = _tokens(body)
    if len(given) != 1:
        detail = "the form holds no logout_token, or several"
        raise Refused("INVALID_LOGOUT_TOKEN", detail, field="logout_token", status=400)
    with limits.listening(request, address(request)):
        app().identity.logged_out(given[0])
    return Response(headers={"Cache-Control": "no-store"})


def _tokens(body: bytes) -> list[str]:
    try:
        return parse_qs(body.decode("ascii", "replace"), max_num_fields=FIELDS).get("logout_token", [])
    except ValueError:
        return []
