"""What happens to every request before a route sees it: it gets a trace id, and its body a limit."""

import re
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stoa.kernel import ids
from stoa.kernel.log import bind, unbind

# in base64 it always fits into the 6 MB of a Lambda event; above, the content would decide
BODY_LIMIT = 4 * 1024 * 1024

ADDRESS = frozenset({"host", "x-forwarded-port"})

# https://www.w3.org/TR/trace-context/: version 00 ends after the flags, a later one may go on
TRACEPARENT = re.compile(rb"(?!ff|00.{53}-)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def usable(event: dict[str, Any]) -> dict[str, Any]:
    """The event without what its caller says of our address: Mangum parses it before the application runs and dies
    of `[::1]:80`, and no answer of ours depends on it."""
    kept = {name: value for name, value in (event.get("headers") or {}).items() if name.lower() not in ADDRESS}
    return {**event, "headers": {**kept, "host": "stoa"}}


class Edge:
    """ASGI middleware. `request.state.trace_id` is on every log line and in every problem of the request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            trace = trace_id(scope)
            scope.setdefault("state", {})["trace_id"] = trace
            unbind()  # a warm container still has the fields of the request before
            bind(trace_id=trace)
        await self._app(scope, _limited(receive), send)


def trace_id(scope: Scope) -> str:
    """The caller's trace when it names one, else a new one."""
    given = [value for name, value in scope["headers"] if name == b"traceparent"]
    found = TRACEPARENT.fullmatch(given[0]) if len(given) == 1 else None
    return f"trc-{found[1].decode()}" if found else ids.trace_id()


def _limited(receive: Receive) -> Receive:
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > BODY_LIMIT:
            raise HTTPException(413, f"a request has at most {BODY_LIMIT} bytes")
        return message

    return limited
