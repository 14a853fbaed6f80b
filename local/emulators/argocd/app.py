"""The emulator as an ASGI application: the REST API below /api, controls below /_emulator."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import request_response
from starlette.types import ASGIApp

from local.emulators.argocd import controls, resources
from local.emulators.argocd.answers import (
    INVALID,
    NOT_FOUND,
    Json,
    Refusal,
    answer,
    failure,
    invalid_content_type,
    refused,
)
from local.emulators.argocd.controller import Controller
from local.emulators.argocd.generator import Generator
from local.emulators.argocd.resources import Call, Handler
from local.emulators.argocd.sessions import Sessions
from local.emulators.argocd.settings import Config, Timing
from local.emulators.document_store import DocumentStore
from local.emulators.faults import Faults

APPLICATION = "/api/v1/applications/{name}"
ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/api/version", resources.version),
    ("POST", "/api/v1/session", resources.login),
    ("POST", "/api/v1/account/{name}/token", resources.account_token),
    ("GET", "/api/v1/applications", resources.list_applications),
    ("GET", APPLICATION, resources.read),
    ("POST", f"{APPLICATION}/sync", resources.sync),
    ("GET", f"{APPLICATION}/syncwindows", resources.sync_windows),
    ("DELETE", f"{APPLICATION}/operation", resources.terminate),
]
OPEN = (resources.version, resources.login)


def create_app(config: Config) -> ASGIApp:
    """Raises ValueError without a token: an emulator that anyone may write to would prove nothing."""
    if not config.token:
        raise ValueError("ARGOCD_TOKEN must be set")
    front = Front(config)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        front.store.close()

    app = Starlette(lifespan=lifespan)
    app.router.default = request_response(front.handle)
    return Faults(app, failure)


class Front:
    """Finds out what a request is for and whether it may."""

    def __init__(self, config: Config) -> None:
        timing = Timing()
        self.store = DocumentStore(config.state / "argocd.sqlite")
        self.controller = Controller(self.store, timing)
        self.generator = Generator(self.controller, config.repositories)
        self.sessions = Sessions(config, self.store, timing)
        told: list[tuple[str, str, Handler]] = [
            ("PUT", "/_emulator/applicationset", partial(controls.applicationset, self.generator)),
            ("PUT", "/_emulator/applications/{name}", controls.application),
            ("PUT", "/_emulator/windows", controls.windows),
            ("PUT", "/_emulator/timing", controls.timing),
        ]
        self._routes = [(method, _pattern(path), handler) for method, path, handler in [*ROUTES, *told]]

    async def handle(self, request: Request) -> Response:
        controlled = request.url.path.startswith("/_emulator/")
        if request.method != "GET" and not controlled and not _is_json(request.headers.get("content-type", "")):
            return invalid_content_type()
        try:
            handler, name = self._route(request.method, request.url.path)
            if not controlled and handler not in OPEN:
                self.sessions.check(request.headers.get("authorization", ""))
            query = parse_qs(request.url.query)
            body = _body(await request.body())
            call = Call(self.controller, self.sessions, name, query, body, self.controller.timing.now())
            return answer(await run_in_threadpool(self._work, handler, call))
        except Refusal as error:
            return refused(error)

    def _work(self, handler: Handler, call: Call) -> Any:
        self.generator.generate(call.now)
        return handler(call)

    def _route(self, method: str, path: str) -> tuple[Handler, str]:
        """The handler of a resource and the name in its path. Raises Refusal 404."""
        for wanted, pattern, handler in self._routes:
            found = pattern.match(path) if method == wanted else None
            if found is not None:
                return handler, found.groupdict().get("name", "")
        raise Refusal(NOT_FOUND, "Not Found")


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(path.replace("{name}", "(?P<name>[^/]+)") + r"\Z")


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"


def _body(raw: bytes) -> Json:
    """Raises Refusal 400."""
    try:
        body = json.loads(raw) if raw else {}
    except ValueError as error:
        raise Refusal(INVALID, "invalid character in the body") from error
    if not isinstance(body, dict):
        raise Refusal(INVALID, "json: cannot unmarshal into Go value of an object")
    return body
