"""The shapes of answers: JSON, the error bodies, the pages of an ingress and of a migration."""

import json
from typing import Any

from starlette.responses import HTMLResponse, RedirectResponse, Response

Json = dict[str, Any]
LOGIN_HINT = "To establish a login session, visit /api/login/."
DETAILS = {
    403: "You do not have permission to perform this action.",
    404: "Not found.",
    429: "Request was throttled. Expected available in 1 second.",
    500: "A server error has occurred.",
}
REASONS = {502: "502 Bad Gateway", 503: "503 Service Temporarily Unavailable", 504: "504 Gateway Time-out"}


class Refusal(Exception):
    """A request that ends with an error status; `body` is what the client reads."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(body, separators=(",", ":")), status, headers, "application/json")


def nothing(status: int = 204) -> Response:
    return Response(status_code=status)


def detail(status: int, text: str = "") -> Refusal:
    return Refusal(status, {"detail": text or DETAILS[status]})


def not_found() -> Refusal:
    return detail(404)


def not_allowed(method: str) -> Refusal:
    return detail(405, f'Method "{method}" not allowed.')


def unauthorized(text: str) -> Response:
    """Every 401 carries the login hint."""
    body = {"detail": f"{text} {LOGIN_HINT}"}
    return answer(body, 401, {"www-authenticate": 'Bearer realm="api"'})


def failure(status: int) -> Response:
    """An injected failure: 302 stands for a migration, 502 to 504 come from the ingress, the rest from AWX."""
    if status == 302:
        return RedirectResponse("/migrations_notran/", 302)
    if status in REASONS:
        title = REASONS[status]
        page = f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
        return HTMLResponse(page, status)
    if status == 401:
        return unauthorized("Invalid token.")
    return answer({"detail": DETAILS.get(status, "Request failed.")}, status)
