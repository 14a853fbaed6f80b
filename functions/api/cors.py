"""Which pages of other origins may read our answers: those of the setting, and no others.

Starlette's CORSMiddleware allows one list of methods for all paths, and refuses in plain text instead of a problem.
Credentials are not allowed, because tokens come in Authorization and no cookie of ours exists.
Source: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.routing import Match
from starlette.types import Scope

from stoa.bootstrap import app

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
REQUEST_HEADERS = b"authorization, content-type, idempotency-key, if-match, traceparent"
RESPONSE_HEADERS = b"etag, link, location, ratelimit, ratelimit-policy, retry-after, www-authenticate"
MAX_AGE_S = b"600"

Fields = list[tuple[bytes, bytes]]


def fields(scope: Scope) -> Fields:
    """What every answer carries for the origin that asks."""
    vary: Fields = [(b"vary", b"Origin")]
    origin = _origin(scope)
    if origin is None:
        return vary
    return [*vary, (b"access-control-allow-origin", origin), (b"access-control-expose-headers", RESPONSE_HEADERS)]


def preflight(scope: Scope, routes: FastAPI) -> Fields | None:
    """What a preflight is told of its path; None for any other request, and where there is no such path."""
    asks = any(name == b"access-control-request-method" for name, _ in scope["headers"])
    origin = _origin(scope)
    methods = allowed(scope, routes) if asks and origin and scope["method"] == "OPTIONS" else ()
    if not methods or origin is None:
        return None
    return [
        (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", ", ".join(methods).encode()),
        (b"access-control-allow-headers", REQUEST_HEADERS),
        (b"access-control-max-age", MAX_AGE_S),
    ]


def allowed(scope: Scope, routes: FastAPI) -> Sequence[str]:
    """The methods that the path of the request has."""

    def answers(method: str) -> bool:
        return any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes.router.routes)

    return [method for method in METHODS if answers(method)]


def _origin(scope: Scope) -> bytes | None:
    """The caller's when it is one of ours."""
    given = [value for name, value in scope["headers"] if name == b"origin"]
    known = len(given) == 1 and given[0].decode("latin-1") in app().settings.cors_origins
    return given[0] if known else None
