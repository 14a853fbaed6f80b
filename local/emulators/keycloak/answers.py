"""Keycloak's answers: JSON of the protocol, of the admin API, and pages."""

import json
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from local.emulators.keycloak import pages

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
PAGE = {
    "Cache-Control": "no-store, must-revalidate, max-age=0",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Security-Policy": f"default-src 'none'; style-src '{pages.STYLE_HASH}'; frame-ancestors 'self'",
}


class Refused(Exception):
    """A request that ends here; what it has changed so far stays, as the end of a token family must."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(body, status, headers)


def no_content() -> Response:
    return Response(status_code=204)


def page(html: str, status: int = 200) -> Response:
    return HTMLResponse(html, status, PAGE)


def moved(url: str) -> Response:
    return RedirectResponse(url, 302, {"Cache-Control": PAGE["Cache-Control"], "Referrer-Policy": "no-referrer"})


def oauth(error: str, description: str, status: int = 400) -> Refused:
    return Refused(answer({"error": error, "error_description": description}, status, NO_STORE))


def sorry(message: str, status: int = 400) -> Refused:
    return Refused(page(pages.message("We are sorry...", message), status))


def challenge(error: str = "", description: str = "", status: int = 401) -> Refused:
    """RFC 6750: what was wrong with a bearer token is in the header, the body is empty."""
    said = f', error="{error}", error_description="{description}"' if error else ""
    headers = {**NO_STORE, "WWW-Authenticate": f'Bearer realm="stoa"{said}', "Content-Type": "text/plain;charset=utf-8"}
    return Refused(Response(status_code=status, headers=headers))


def admin(status: int, message: str) -> Refused:
    return Refused(answer({"error": message}, status))


def not_taken(status: int, message: str, **more: Any) -> Refused:
    """The admin API's other shape, of what is wrong with a document."""
    return Refused(answer({"errorMessage": message, **more}, status))


def failure(status: int) -> Response:
    """An injected failure."""
    return Response(json.dumps({"error": "unknown_error"}), status, media_type="application/json")
