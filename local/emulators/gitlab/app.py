"""The emulator as an ASGI application: REST below /api/v4, git remotes below /<group>/<project>.git."""

import base64
import binascii
import hmac
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import request_response
from starlette.types import ASGIApp

from local.emulators.faults import Faults
from local.emulators.gitlab import transport
from local.emulators.gitlab.answers import Refusal, TooMany, answer, failure, refuse, retry_later
from local.emulators.gitlab.call import Call, Handler, parameters
from local.emulators.gitlab.instance import Instance
from local.emulators.gitlab.routes import COMPILED, CONTROLS
from local.emulators.gitlab.settings import Config

GIT = re.compile(r"^/(?P<path>.+?)\.git/(?P<service>info/refs|git-upload-pack|git-receive-pack)$")
READS = ("GET", "HEAD")
SCOPE = {
    "error": "insufficient_scope",
    "error_description": "The request requires higher privileges than provided by the access token.",
    "scope": "api",
}


def create_app(config: Config) -> ASGIApp:
    """Raises ValueError without a token: an emulator that anyone may write to would prove nothing."""
    if not config.token:
        raise ValueError("GITLAB_TOKEN must be set")
    front = Front(config)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        front.instance.close()

    app = Starlette(lifespan=lifespan)
    # no route: their patterns do not match a line break, which a file's name may hold
    app.router.default = request_response(front.handle)
    return Faults(app, failure)


class Front:
    """Finds out what a request is for and whether it may."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.instance = Instance(config)

    async def handle(self, request: Request) -> Response:
        path = request.scope["raw_path"].decode("ascii").partition("?")[0]
        try:
            if path.startswith("/_emulator/"):
                return await self._control(request, path)
            if path.startswith("/api/v4/"):
                return await self._api(request, path)
            found = GIT.match(unquote(path))
            return await self._git(request, found["path"], found["service"]) if found else _page_not_found()
        except Refusal as error:
            return answer(error.body, error.status)
        except TooMany as error:
            return retry_later(error.headers)

    async def _control(self, request: Request, path: str) -> Response:
        call = await self._call(request, path, {})
        handler = CONTROLS.get((request.method, path))
        if handler is None:
            raise Refusal(404, {"error": "no such control"})
        return await run_in_threadpool(handler, call)

    async def _api(self, request: Request, path: str) -> Response:
        now, limit = time.monotonic(), self.instance.rate_limit
        limit.take(now)
        handler, args = _route(request.method, path)
        call = await self._call(request, path, args, member=self._authorize(request))
        response = await run_in_threadpool(handler, call)
        response.headers.update(limit.headers(now))
        return response

    async def _call(self, request: Request, path: str, args: dict[str, str], *, member: bool = True) -> Call:
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        body = parameters(request.headers.get("content-type", ""), await request.body())
        return Call(self.instance, request.method, self.instance.url + path, args, query, body, member)

    def _authorize(self, request: Request) -> bool:
        """By PRIVATE-TOKEN or Bearer: whether it is the member. Raises Refusal 401, 403 for a write by the reader."""
        given = request.headers.get("private-token") or _bearer(request.headers.get("authorization", ""))
        if _same(given, self.config.token):
            return True
        if not _same(given, self.config.read_token):
            raise refuse(401, "401 Unauthorized")
        if request.method not in READS:
            raise Refusal(403, SCOPE)
        return False

    async def _git(self, request: Request, path: str, service: str) -> Response:
        password = _password(request.headers.get("authorization", ""))
        member = _same(password, self.config.token)
        if not member and not _same(password, self.config.read_token):
            return transport.access_denied()
        project = self.instance.project(path) if "/" in path else None
        if project is None or not (member or not project.private):
            return transport.not_there()
        wanted = request.query_params.get("service", "") if service == "info/refs" else service
        if wanted not in transport.SERVICES:
            return PlainTextResponse("the dumb protocol is not offered\n", 403)
        if wanted == "git-receive-pack" and not member:
            return transport.may_not_push()
        return await transport.serve(self.instance, project, service, request)


def _route(method: str, path: str) -> tuple[Handler, dict[str, str]]:
    """The handler of a resource. Raises Refusal 404, or 405 for one that has no such method."""
    known = False
    for wanted, pattern, handler in COMPILED:
        found = pattern.match(path)
        if found is not None:
            known = True
            if method == wanted:
                return handler, {name: unquote(part) for name, part in found.groupdict().items()}
    raise Refusal(405, {"error": "405 Not Allowed"}) if known else Refusal(404, {"error": "404 Not Found"})


def _page_not_found() -> Response:
    return PlainTextResponse("404 page not found\n", 404)


def _same(given: str, secret: str) -> bool:
    return bool(secret) and hmac.compare_digest(given.encode(), secret.encode())


def _bearer(header: str) -> str:
    return header.removeprefix("Bearer ") if header.startswith("Bearer ") else ""


def _password(header: str) -> str:
    scheme, _, encoded = header.partition(" ")
    try:
        pair = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return pair.partition(":")[2] if scheme.lower() == "basic" else ""
