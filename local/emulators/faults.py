"""Faults that any emulator can be told to have, over HTTP, while it runs.

`PUT /_emulator/faults` takes one JSON object, `GET` shows the one in force:

    {"mode": "slow", "delay_s": 0.3, "path": "/launch/$", "count": 5}

modes   ok     nothing is wrong (this clears the fault)
        down   502 with an HTML page, as an ingress answers for a dead backend
        slow   the request waits `delay_s`, then is served
        fail   `status` in the emulator's own error shape, nothing is done
        hang   no answer for `delay_s`, then the connection is cut; nothing is done
        drop   the request is served and its effect kept, but the connection is cut instead of an answer
path    regular expression searched in "METHOD /path"; default: every request
count   how many requests are hit before the fault clears itself; default: until cleared
"""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTROL = "/_emulator/faults"
MODES = frozenset({"ok", "down", "slow", "fail", "hang", "drop"})
BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass(frozen=True)
class Fault:
    mode: str = "ok"
    delay_s: float = 0.0
    status: int = 503
    path: str = ""
    count: int | None = None

    def hits(self, method: str, path: str) -> bool:
        return self.mode != "ok" and re.search(self.path, f"{method} {path}") is not None


def parse(body: bytes) -> Fault:
    """The fault in a control request. Raises ValueError with a sentence on a bad one."""
    try:
        fault = Fault(**json.loads(body))
        re.compile(fault.path)
    except (TypeError, re.error, json.JSONDecodeError) as error:
        raise ValueError(f"not a fault: {error}") from error
    if fault.mode not in MODES:
        raise ValueError(f"mode is one of {', '.join(sorted(MODES))}")
    return fault


class Faults:
    """ASGI layer around an emulator; `refusal(status)` renders the emulator's own error body."""

    def __init__(self, app: ASGIApp, refusal: Callable[[int], Response]) -> None:
        self.app = app
        self.refusal = refusal
        self.fault = Fault()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["path"] == CONTROL:
            await self._control(scope, receive, send)
        elif self.fault.hits(scope["method"], scope["path"]):
            fault = self.fault
            self._spend()
            await self._hit(fault, scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _spend(self) -> None:
        if self.fault.count is not None:
            left = self.fault.count - 1
            self.fault = Fault(**{**asdict(self.fault), "count": left}) if left > 0 else Fault()

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        response: Response = JSONResponse(asdict(self.fault))
        if scope["method"] == "PUT":
            try:
                self.fault = parse(await _body(receive))
                response = JSONResponse(asdict(self.fault))
            except ValueError as error:
                response = JSONResponse({"error": str(error)}, status_code=400)
        await response(scope, receive, send)

    async def _hit(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.mode == "down":
            await HTMLResponse(BAD_GATEWAY, status_code=502)(scope, receive, send)
        elif fault.mode == "fail":
            await self.refusal(fault.status)(scope, receive, send)
        elif fault.mode == "slow":
            await asyncio.sleep(fault.delay_s)
            await self.app(scope, receive, send)
        elif fault.mode == "hang":
            await asyncio.sleep(fault.delay_s)
            _cut(receive)
        else:
            await self.app(scope, receive, _swallow)
            _cut(receive)


async def _swallow(message: Message) -> None:
    """Takes the answer that the client never gets to see."""


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _cut(receive: Receive) -> None:
    # uvicorn hands out a bound method of its request cycle; ASGI itself has no way to cut a connection
    cycle: Any = getattr(receive, "__self__", None)
    if cycle is not None:
        cycle.transport.abort()
