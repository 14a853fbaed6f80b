"""The shapes of answers: JSON, the gateway's error bodies, and the pages of the server underneath it."""

import json
from html import escape
from typing import Any

from starlette.responses import HTMLResponse, Response

Json = dict[str, Any]
NULL_POINTER = " Unable to process the request. Reason: java.lang.NullPointerException"


class Refusal(Exception):
    """A request that ends with an error status; `body` is what the client reads."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


def refuse(status: int, text: str | None) -> Refusal:
    """The most common shape; the leading blank of `text` is the caller's."""
    return Refusal(status, {"errorDetails": text})


def answer(body: Any, status: int = 200) -> Response:
    return raw(json.dumps(body, separators=(",", ":")).encode(), status)


def raw(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")


def nothing() -> Response:
    return Response(status_code=204)


def access_denied() -> Response:
    dump = "com.wm.app.b2b.server.AccessException: [ISS.0084.9004] Access Denied"
    body = {"$error": "Access Denied", "$errorDump": dump, "$errorType": "com.wm.app.b2b.server.AccessException"}
    response = answer(body, 401)
    response.headers["www-authenticate"] = 'Basic realm="Integration Server"'
    return response


def server_page(variant: str) -> Response:
    """What a client without `Accept: application/json` gets instead of the answer."""
    if variant == "xml":
        return Response('<?xml version="1.0"?>\n<Values version="2.0"></Values>', media_type="text/xml")
    return HTMLResponse("<html><head><title>Integration Server</title></head><body><table></table></body></html>")


def failure_page(status: int) -> Response:
    """An injected failure, as the server underneath shows it while it restarts."""
    title = escape(f"{status} Service Unavailable")
    return HTMLResponse(f"<html><head><title>{title}</title></head><body>{title}</body></html>", status_code=status)
