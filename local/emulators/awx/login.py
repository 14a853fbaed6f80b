"""Who is calling: bearer tokens, Basic, and the browser login that clients without a token use."""

import base64
import binascii
import hashlib
import hmac
import secrets
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from local.emulators.awx.answers import Json, Refusal, answer
from local.emulators.awx.awx import Awx, json_object
from local.emulators.awx.documents import document
from local.emulators.awx.fields import KINDS

COOKIE = "awx_sessionid"
SAFE = ("GET", "HEAD", "OPTIONS")
MISSING = "Authentication credentials were not provided."
FORM = '<html><body><form method="post"><input name="username"><input name="password" type="password"></form></body>'


class Unauthorized(Exception):
    """Nobody that AWX knows; the text is what the client reads."""


def scope_of(awx: Awx, request: Request) -> str:
    """`read` or `write`. Raises Unauthorized."""
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return _of_token(awx, credential.strip())
    if scheme.lower() == "basic":
        if not is_user(awx, _decoded(credential)):
            raise Unauthorized("Invalid username/password.")
        return "write"
    if request.cookies.get(COOKIE) in awx.sessions:
        return "write"
    raise Unauthorized(MISSING)


def is_user(awx: Awx, pair: bytes) -> bool:
    return hmac.compare_digest(pair, f"{awx.config.user}:{awx.config.password}".encode())


def _of_token(awx: Awx, token: str) -> str:
    if hmac.compare_digest(token.encode(), awx.config.token.encode()):
        return "write"
    found = next(awx.store.where("tokens", token_hash=_hash(token)), None)
    if found is None:
        raise Unauthorized(MISSING)
    return str(found["scope"])


def _decoded(credential: str) -> bytes:
    try:
        return base64.b64decode(credential, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def create_token(awx: Awx, request: Request) -> Response:
    """The token is shown here and never again."""
    sent = await json_object(request)
    scope = sent.get("scope", "write")
    if scope not in ("read", "write"):
        raise Refusal(
            400, {"scope": ["Must be a simple space-separated string with allowed scopes ['read', 'write']."]}
        )
    token = secrets.token_urlsafe(30)
    fields: Json = {"description": sent.get("description", ""), "scope": scope, "user": 1, "application": None}
    made = awx.add("tokens", **fields, expires="3026-01-01T00:00:00Z", refresh_token=None, token_hash=_hash(token))
    body = {**document(awx, KINDS["tokens"].table, made), "token": token}
    return answer(body, 201, {"location": body["url"]})


async def login_page(awx: Awx, request: Request) -> Response:
    return HTMLResponse(FORM, headers={"set-cookie": f"csrftoken={secrets.token_hex(16)}; Path=/"})


async def login(awx: Awx, request: Request) -> Response:
    form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
    if not is_user(awx, f"{form.get('username', '')}:{form.get('password', '')}".encode()):
        return HTMLResponse(FORM, 401)
    session = secrets.token_urlsafe(24)
    awx.sessions.add(session)
    response = RedirectResponse(form.get("next", "/api/"), 302, {"x-api-session-cookie-name": COOKIE})
    response.set_cookie(COOKIE, session, httponly=True)
    return response
