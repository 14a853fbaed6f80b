"""What happens to every request before a route sees it, and to every answer after: limits, a trace id, headers."""

import re
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from functions.api import cors
from functions.api.app import include
from functions.api.arrival import arrived
from functions.api.problems import problem
from stoa.kernel import ids
from stoa.kernel.log import bind, unbind

# in base64 it always fits into the 6 MB of a Lambda event; above, the content would decide. How deep JSON may go, the
# parsers decide: json raises RecursionError, which FastAPI answers with 400, and pydantic stops at 200
BODY_LIMIT = 4 * 1024 * 1024

# API Gateway takes 10,240 bytes of request line and header values together; it says nothing of how many there are
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
HEADERS_LIMIT = 100

# https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers
SECURITY = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"x-content-type-options", b"nosniff"),
)

ADDRESS = frozenset({"host", "x-forwarded-port"})

# https://www.w3.org/TR/trace-context/: version 00 ends after the flags, a later one may go on
TRACEPARENT = re.compile(rb"(?!ff|00.{53}-)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def usable(event: dict[str, Any]) -> dict[str, Any]:
    """The event without what its caller says of our address: Mangum parses it before the application runs and dies
    of `[::1]:80`, and no answer of ours depends on it."""
    kept = {name: value for name, value in (event.get("headers") or {}).items() if name.lower() not in ADDRESS}
    return {**event, "headers": {**kept, "host": "stoa"}}


class Edge:
    """Around the whole application, whose answer to a bug leaves it outside of its own middleware.

    `request.state.trace_id` is on every log line and in every problem of the request; what is in
    `request.state.headers` is on its answer, whatever that will be.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        trace = trace_id(scope)
        headers = [*SECURITY, *cors.fields(scope)]
        scope["state"] = {"trace_id": trace, "headers": headers}
        unbind()  # a warm container still has the fields of the request before
        bind(trace_id=trace)
        own = self._answer(scope)
        if own is not None:
            await own(scope, receive, _dressed(send, headers))
        else:
            await self._app(scope, _limited(receive), _dressed(send, headers))

    def _answer(self, scope: Scope) -> Response | None:
        """Where no route is asked."""
        if len(scope["headers"]) > HEADERS_LIMIT:
            detail, hint = f"a request has at most {HEADERS_LIMIT} headers", "send less"
            return problem(Request(scope), 431, "TOO_MANY_HEADERS", detail, hint=hint)
        refusal = arrived(scope)
        if refusal is not None:
            return refusal
        include(self._app, scope["path"])
        preflight = cors.preflight(scope, self._app)
        if preflight is None:
            return None
        answer = Response(status_code=204)
        answer.raw_headers += preflight
        return answer


def trace_id(scope: Scope) -> str:
    """The caller's trace when it names one, else a new one."""
    given = [value for name, value in scope["headers"] if name == b"traceparent"]
    found = TRACEPARENT.fullmatch(given[0]) if len(given) == 1 else None
    return f"trc-{found[1].decode()}" if found else ids.trace_id()


def _dressed(send: Send, headers: cors.Fields) -> Send:
    """What the answer says itself stays as it is."""

    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            said = {name for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(one for one in headers if one[0] not in said)]
        await send(message)

    return dressed


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
