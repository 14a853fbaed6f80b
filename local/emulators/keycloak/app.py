"""The emulator as an ASGI application: the realm below /realms, its admin API, controls below /_emulator."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import request_response
from starlette.types import ASGIApp

from local.emulators.document_store import DocumentStore
from local.emulators.faults import Faults
from local.emulators.keycloak.answers import Refused, failure
from local.emulators.keycloak.call import Call, Server
from local.emulators.keycloak.keys import Keys
from local.emulators.keycloak.origins import allow, preflight
from local.emulators.keycloak.people import People
from local.emulators.keycloak.placeholders import read
from local.emulators.keycloak.realm import parse
from local.emulators.keycloak.routes import Handler, handler_of
from local.emulators.keycloak.sessions import Sessions
from local.emulators.keycloak.settings import Config, Oddities
from local.emulators.keycloak.tokens import Tokens

FORM = "application/x-www-form-urlencoded"


def create_app(config: Config) -> ASGIApp:
    """Raises ValueError for a file that is not usable, or a placeholder without a value."""
    front = Front(config)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        front.store.close()

    app = Starlette(lifespan=lifespan)
    app.router.default = request_response(front.handle)
    return Faults(app, failure)


class Front:
    """Finds out what a request is for, and keeps all of its changes or none."""

    def __init__(self, config: Config) -> None:
        more = read(config.users, config.environment) if config.users else None
        realm = parse(read(config.realm, config.environment), more)
        oddities = Oddities()
        self.store = DocumentStore(config.state / "keycloak.sqlite")
        url = f"{config.url}/realms/{realm.name}"
        people, keys = People(self.store, realm, oddities.now()), Keys(self.store)
        tokens = Tokens(url, realm, keys, people, oddities)
        self._server = Server(url, realm, keys, people, Sessions(self.store, realm), tokens, oddities)

    async def handle(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return preflight(request)
        try:
            handler, names = handler_of(request.method, request.url.path, self._server.realm.name)
        except Refused as error:
            return error.response
        body = await request.body()
        form = body.decode(errors="replace") if request.headers.get("content-type", "").startswith(FORM) else ""
        call = Call(
            server=self._server,
            names=names,
            query=parse_qs(request.url.query),
            form=parse_qs(form, keep_blank_values=True),
            headers=request.headers,
            cookies=request.cookies,
            body=body,
            address=request.client.host if request.client else "",
            now=self._server.oddities.now(),
        )
        return await run_in_threadpool(self._work, handler, call, request.headers.get("origin", ""))

    def _work(self, handler: Handler, call: Call, origin: str) -> Response:
        with self.store.transaction():
            try:
                response = handler(call)
            except Refused as error:
                response = error.response
        if origin and call.readable:
            allow(response, origin)
        for later in call.afterwards:
            later()
        return response
