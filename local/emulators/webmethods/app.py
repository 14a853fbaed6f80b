"""The emulator as an ASGI application: runtime below /gateway/, admin REST below /rest/apigateway."""

import base64
import binascii
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from local.emulators.faults import Faults
from local.emulators.webmethods import aliases, controls, dates, health, settings_parts
from local.emulators.webmethods.answers import NULL_POINTER, Refusal, access_denied, answer, failure_page, server_page
from local.emulators.webmethods.gateway import Gateway
from local.emulators.webmethods.routes import READS, ROUTES, Handler
from local.emulators.webmethods.settings import Config

LOG = logging.getLogger(__name__)
BASE = "/rest/apigateway"
RUNTIME = ("/gateway/", "/ws/")


def create_app(config: Config) -> ASGIApp:
    """Raises ValueError without credentials: an emulator that anyone may write to would prove nothing."""
    if not config.user or not config.password:
        raise ValueError("GATEWAY_USER and GATEWAY_PASSWORD must be set")
    gateway = Gateway(config)
    aliases.add_built_ins(gateway)
    settings_parts.add_built_ins(gateway)
    gateway.store.commit()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await gateway.backend.close()
        gateway.store.close()

    routes = [Route(f"{BASE}/health", _open(gateway, health.probe), methods=["GET"])]
    routes += [Route(BASE + path, _admin(gateway, handler), methods=[method]) for method, path, handler in ROUTES]
    routes += [Route(path, _open(gateway, handler), methods=[method]) for method, path, handler in controls.ROUTES]
    admin = Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: _no_such_route})
    return Faults(Front(gateway, admin), failure_page)


class Front:
    """Sends runtime calls past the admin routes; they are many."""

    def __init__(self, gateway: Gateway, admin: ASGIApp) -> None:
        self.gateway = gateway
        self.admin = admin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(RUNTIME):
            await self.gateway.plane(scope, receive, send)
        else:
            await self.admin(scope, receive, send)


async def _no_such_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return answer({"errorDetails": " Method Not Allowed" if status == 405 else " Resource not found"}, status)


Endpoint = Callable[[Request], Awaitable[Response]]


def _open(gateway: Gateway, handler: Handler) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            response = await handler(gateway, request)
        except Refusal as error:
            response = answer(error.body, error.status)
        gateway.store.commit()
        return response

    return endpoint


def _admin(gateway: Gateway, handler: Handler) -> Endpoint:
    """Basic authentication, the journal, one commit, and the Accept rule around a handler."""

    async def endpoint(request: Request) -> Response:
        if not _may(gateway.config, request.headers.get("authorization", "")):
            return access_denied()
        try:
            response = await handler(gateway, request)
        except Refusal as error:
            response = answer(error.body, error.status)
        except (AttributeError, KeyError, TypeError, ValueError):
            # a body of an unforeseen shape: the gateway dies of it too
            LOG.exception("request.died")
            response = answer({"errorDetails": NULL_POINTER}, 500)
        if request.method != "GET" and handler not in READS and "x-http-method-override" not in request.headers:
            _journal(gateway, request, response.status_code)
        gateway.store.commit()
        if response.media_type == "application/json" and "application/json" not in request.headers.get("accept", ""):
            return server_page(gateway.variants.missing_accept)
        return response

    return endpoint


def _journal(gateway: Gateway, request: Request, status: int) -> None:
    entry = {
        "at": dates.now().isoformat(),
        "method": request.method,
        "path": request.url.path,
        "status": status,
        **getattr(request.state, "notes", {}),
    }
    for own in getattr(request.state, "entries", None) or [{}]:
        gateway.store.journal_add({**entry, **own})


def _may(config: Config, header: str) -> bool:
    scheme, _, token = header.partition(" ")
    try:
        given = base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(given, f"{config.user}:{config.password}".encode())
