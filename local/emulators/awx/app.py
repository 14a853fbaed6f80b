"""The emulator as an ASGI application."""

import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.emulators.awx.answers import Refusal, answer, detail, failure, not_allowed, unauthorized
from local.emulators.awx.awx import Awx
from local.emulators.awx.login import SAFE, Unauthorized, scope_of
from local.emulators.awx.notify import Notifier
from local.emulators.awx.routes import ALL, OPEN, Handler
from local.emulators.awx.scheduler import Scheduler
from local.emulators.awx.seed import seed
from local.emulators.awx.settings import EXECUTORS, NODE, VERSION, Config
from local.emulators.awx.workers import Workers
from local.emulators.faults import Faults

LOG = logging.getLogger(__name__)
NAMED = re.compile(r"^/api/v2/job_templates/([^/]*\+\+[^/]*)/")
Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(config: Config) -> ASGIApp:
    """Raises ValueError without credentials: an emulator that anyone may launch from would prove nothing."""
    if not config.token or not config.user or not config.password:
        raise ValueError("AWX_TOKEN, AWX_USER and AWX_PASSWORD must be set")
    if config.executor not in EXECUTORS:
        raise ValueError(f"the executor is one of {', '.join(EXECUTORS)}")
    awx = Awx(config)
    seed(awx)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        scheduler = Scheduler(awx, Notifier(awx), Workers(config.state))
        awx.runs = scheduler
        scheduler.start()
        yield
        await scheduler.stop()
        awx.store.close()

    routes = [Route(path, _endpoint(awx, handler), methods=[method]) for method, path, handler in OPEN]
    routes += [Route(path, _endpoint(awx, _guard(handler)), methods=[method]) for method, path, handler in ALL]
    inner = Starlette(routes=_merged(routes), lifespan=lifespan, exception_handlers={HTTPException: _no_such_route})
    inner.router.redirect_slashes = False
    return Faults(Front(awx, inner), failure)


class Front:
    """Slashes, named URLs and the headers of every answer."""

    def __init__(self, awx: Awx, inner: ASGIApp) -> None:
        self.awx = awx
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/api"):
            await self.inner(scope, receive, send)
            return
        began = time.perf_counter()

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                spent = f"{time.perf_counter() - began:.3f}s"
                more = {"Product-Version": VERSION, "Product-Name": "AWX", "Node": NODE, "Time": spent}
                headers = [(f"X-API-{name}".encode(), value.encode()) for name, value in more.items()]
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        if not scope["path"].endswith("/"):
            query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
            await RedirectResponse(f"{scope['path']}/{query}", 301)(scope, receive, with_headers)
        else:
            await self.inner(self._resolved(scope), receive, with_headers)

    def _resolved(self, scope: Scope) -> Scope:
        """`/job_templates/deploy-api++STOA/` becomes the path with the id; an unknown name gets an id of nobody."""
        found = NAMED.match(scope["path"])
        if found is None:
            return scope
        name, _, organization = unquote(found[1]).partition("++")
        owner = next(self.awx.store.where("organizations", name=organization), {"id": None})
        template = next(self.awx.store.where("job_templates", name=name, organization=owner["id"]), {"id": 0})
        path = f"/api/v2/job_templates/{template['id']}/{scope['path'][found.end() :]}"
        return {**scope, "path": path, "raw_path": path.encode(), "named": True}


def _guard(handler: Handler) -> Handler:
    async def guarded(awx: Awx, request: Request) -> Response:
        try:
            scope = scope_of(awx, request)
        except Unauthorized as error:
            return unauthorized(str(error))
        if scope == "read" and request.method not in SAFE:
            raise detail(404 if request.scope.get("named") else 403)
        return await handler(awx, request)

    return guarded


def _endpoint(awx: Awx, handler: Handler) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            response = await handler(awx, request)
        except Refusal as error:
            response = answer(error.body, error.status)
        except (AttributeError, KeyError, TypeError, ValueError):
            # a body of an unforeseen shape: AWX dies of it too
            LOG.exception("request.died")
            response = failure(500)
        awx.store.commit()
        return response

    return endpoint


def _merged(routes: list[Route]) -> list[Route]:
    """One route for each path: the first that knows the path must know all its methods, or 405 comes too early."""
    by_path: dict[str, dict[str, Route]] = {}
    for route in routes:
        for method in route.methods or ():
            by_path.setdefault(route.path, {})[method] = route
    return [Route(path, _by_method(found), methods=list(found)) for path, found in by_path.items()]


def _by_method(found: dict[str, Route]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        response: Response = await found[request.method].endpoint(request)
        return response

    return endpoint


async def _no_such_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    refusal = not_allowed(request.method) if status == 405 else detail(404)
    return answer(refusal.body, refusal.status)
