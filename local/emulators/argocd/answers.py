"""Argo CD's answers: JSON, and errors of grpc-gateway with their gRPC code."""

import json
from typing import Any

from starlette.responses import PlainTextResponse, Response

Json = dict[str, Any]
UNKNOWN, INVALID, NOT_FOUND, DENIED, EXHAUSTED, PRECONDITION, UNAVAILABLE, UNAUTHENTICATED = 2, 3, 5, 7, 8, 9, 14, 16
HTTP_STATUS = {
    UNKNOWN: 500,
    INVALID: 400,
    NOT_FOUND: 404,
    DENIED: 403,
    EXHAUSTED: 429,
    PRECONDITION: 400,
    UNAVAILABLE: 503,
    UNAUTHENTICATED: 401,
}
RETRY_AFTER = "7"  # as what stands in front of it adds
SAID = {401: (UNAUTHENTICATED, "invalid session: token is expired"), 403: (DENIED, "permission denied"),
        429: (EXHAUSTED, "too many requests"), 503: (UNAVAILABLE, "connection error")}  # fmt: skip


class Refusal(Exception):
    """A request that ends with an error of this gRPC code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


def answer(body: Any, status: int = 200) -> Response:
    return Response(json.dumps(body, separators=(",", ":")), status, media_type="application/json")


def refused(error: Refusal) -> Response:
    body = {"error": error.message, "code": error.code, "message": error.message}
    return answer(body, HTTP_STATUS[error.code])


def failure(status: int) -> Response:
    """An injected failure."""
    code, message = SAID.get(status, (UNKNOWN, "rpc error: code = Unknown desc = injected"))
    made = answer({"error": message, "code": code, "message": message}, status)
    if status in (429, 503):
        made.headers["Retry-After"] = RETRY_AFTER
    return made


def invalid_content_type() -> Response:
    return PlainTextResponse("Invalid content type\n", 415)
