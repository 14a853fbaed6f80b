"""Who may call: people and services by tokens of the realm, GitLab and AWX by secrets of their own.

Secrets are compared in constant time; an empty one refuses everything.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Header, Request

from functions.api import limits
from stoa.bootstrap import app
from stoa.kernel.database import bind
from stoa.kernel.errors import Refused
from stoa.kernel.rate_limit import Level
from stoa.kernel.settings import Secret
from stoa.tenancy.model import Caller, Grant, Permission, Reach, granted

SIGNATURE_AGE_S = 300
BEARER = "Bearer "


def same(secret: Secret, given: str) -> bool:
    """Bytes, because comparing str raises on non-ASCII input."""
    return bool(secret) and hmac.compare_digest(secret.reveal().encode(), given.encode())


def gitlab_delivery(headers: Mapping[str, str], raw: bytes) -> None:
    """A signature that is present must verify; without one the token must match. Raises Refused 401."""
    settings = app().settings
    signature = headers.get("webhook-signature")
    if signature is not None:
        genuine = signed(
            settings.webhook_signing_secret,
            headers.get("webhook-id", ""),
            headers.get("webhook-timestamp", ""),
            raw,
            signature,
            time.time(),
        )
    else:
        genuine = same(settings.webhook_secret, headers.get("x-gitlab-token", ""))
    if not genuine:
        detail = "neither the signature nor X-Gitlab-Token proves that this is our GitLab"
        raise _unauthorized(detail, hint="write our secret into the webhook's settings in GitLab")


def signed(secret: Secret, message_id: str, timestamp: str, raw: bytes, header: str, now: float) -> bool:
    """Standard Webhooks: `v1,<base64 HMAC-SHA256 of "{id}.{timestamp}.{body}">`, one of a list.

    Source: https://www.standardwebhooks.com, secrets are `whsec_` and base64.
    """
    # isdigit alone accepts digits that int refuses
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12):
        return False
    try:
        key = base64.b64decode(secret.reveal().removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return False
    if not key or abs(now - int(timestamp)) > SIGNATURE_AGE_S:
        return False
    want = base64.b64encode(hmac.new(key, f"{message_id}.{timestamp}.".encode() + raw, hashlib.sha256).digest())
    entries = [part.removeprefix("v1,").encode() for part in header.split() if part.startswith("v1,")]
    return any([hmac.compare_digest(entry, want) for entry in entries])


async def awx_notification(x_stoa_token: Annotated[str, Header()] = "") -> None:
    if not same(app().settings.awx_webhook_secret, x_stoa_token):
        detail = "X-Stoa-Token is not the one that AWX was given"
        raise _unauthorized(detail, hint="write our token into the headers of AWX's notification template")


async def artefact_reader(authorization: Annotated[str, Header()] = "") -> None:
    if not same(app().settings.artefact_token, _bearer(authorization)):
        raise _unauthorized("only an AWX job may read artefacts", hint="send Authorization: Bearer with its token")


def caller(authorization: str) -> tuple[Caller, tuple[Level, ...]]:
    """Who calls, by the token of the realm, and how their limits stand. Raises Refused 401."""
    token = _bearer(authorization)
    if not token:
        raise _unauthorized("the request carries no token", hint="sign in, and send Authorization: Bearer <token>")
    return app().identity.caller(token, limits.of)


class Permitted:
    """A dependency: who calls and has the permission that the route declares. `also` are narrower reaches it keeps to.

    Async, because FastAPI would hand it to a thread otherwise; a function serves one request at a time.
    """

    def __init__(self, permission: Permission, also: frozenset[Reach]) -> None:
        self.permission = permission
        self.also = also

    async def __call__(self, request: Request, authorization: Annotated[str, Header()] = "") -> Grant:
        grant = granted(self.who(request, authorization), self.permission, also=self.also)
        bind(grant.tenant)
        return grant

    def who(self, request: Request, authorization: str) -> Caller:
        """Who calls, within the limits. Raises Refused 401, 429."""
        with limits.listening(request, address(request)):
            who, levels = caller(authorization)
        limits.heed(request, levels)
        request.state.caller = who  # not before: a refusal for the rate is not written down, which would cost more
        return who


def may(permission: Permission, *also: Reach) -> Any:
    """For the annotation of a route's parameter: `who: Annotated[Grant, may("apis:read")]`. Raises Refused 401, 403
    and 429."""
    return Depends(Permitted(permission, frozenset(also)))


def address(request: Request) -> str:
    """Who called, as the gateway in front of us saw it, for the audit; no header of the caller can change it."""
    return request.client.host if request.client else ""


def _bearer(authorization: str) -> str:
    return authorization.removeprefix(BEARER) if authorization.startswith(BEARER) else ""


def _unauthorized(detail: str, *, hint: str) -> Refused:
    return Refused("UNAUTHORIZED", detail, hint=hint, status=401)
