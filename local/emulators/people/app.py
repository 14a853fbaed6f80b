"""What people would read, as one program: Slack's incoming webhooks over HTTP, and a mail server beside them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict

from aiosmtpd.smtp import SMTP
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from local.emulators.faults import Faults
from local.emulators.people.mailbox import Mailbox, parse
from local.emulators.people.settings import Config, Variants
from local.emulators.people.slack import STATUS, Webhooks, failure
from local.emulators.people.store import Json, Store

HOSTNAME = "mail.stoa.local"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def create_app(config: Config) -> ASGIApp:
    store, variants = Store(config.state), Variants()
    mailbox = Mailbox(store)
    controls = Controls(config, store, variants, mailbox)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(mailbox, hostname=HOSTNAME, loop=loop), "127.0.0.1", config.smtp_port
        )
        yield
        server.close()
        store.close()

    routes = [
        Route("/services/{team}/{service}/{secret}", Webhooks(store, variants).post, methods=METHODS),
        Route("/_emulator/messages", controls.messages, methods=["GET", "DELETE"]),
        Route("/_emulator/webhooks", controls.webhooks, methods=["GET"]),
        Route("/_emulator/webhooks/{name}", controls.webhook, methods=["PUT"]),
        Route("/_emulator/variants", controls.variants, methods=["GET", "PUT"]),
        Route("/_emulator/smtp", controls.smtp, methods=["GET", "PUT"]),
    ]
    return Faults(Starlette(routes=routes, lifespan=lifespan), failure)


class Controls:
    """What only the emulator has."""

    def __init__(self, config: Config, store: Store, variants: Variants, mailbox: Mailbox) -> None:
        self._config = config
        self._store = store
        self._variants = variants
        self._mailbox = mailbox

    async def messages(self, request: Request) -> Response:
        """`?after=<id>` for what came later, `?kind=slack` or `mail`; the oldest first."""
        if request.method == "DELETE":
            self._store.forget_messages()
        query = request.query_params
        return JSONResponse({"messages": self._store.messages(int(query.get("after", 0)), query.get("kind"))})

    async def webhooks(self, _request: Request) -> Response:
        return JSONResponse({"webhooks": [self._shown(hook) for hook in self._store.webhooks()]})

    async def webhook(self, request: Request) -> Response:
        """Makes a webhook; one of this name keeps its address and takes the new answer."""
        given = await request.json()
        answer = given.get("answer") if isinstance(given, dict) else ""
        if not (answer is None or answer in STATUS) or not given.keys() <= {"answer"}:
            return _wrong(f"answer is null or one of {', '.join(STATUS)}")
        return JSONResponse(self._shown(self._store.put_webhook(request.path_params["name"], answer)))

    async def variants(self, request: Request) -> Response:
        """`PUT` changes the ones that are named; each keeps its type."""
        if request.method == "PUT":
            given, known = await request.json(), asdict(self._variants)
            if not isinstance(given, dict) or not given.keys() <= known.keys():
                return _wrong(f"variants are {', '.join(known)}")
            for name, value in given.items():
                setattr(self._variants, name, type(known[name])(value))
        return JSONResponse(asdict(self._variants))

    async def smtp(self, request: Request) -> Response:
        """`{"at": "rcpt", "reply": "451 4.3.0 later", "count": 1}`; `{}` and all mail is taken again."""
        if request.method == "PUT":
            try:
                self._mailbox.script = parse(await request.json())
            except ValueError as error:
                return _wrong(str(error))
        return JSONResponse(asdict(self._mailbox.script))

    def _shown(self, hook: Json) -> Json:
        return {"name": hook["name"], "url": self._config.url + hook["path"], "answer": hook["answer"]}


def _wrong(sentence: str) -> Response:
    return JSONResponse({"error": sentence}, 400)
