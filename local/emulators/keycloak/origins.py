"""Which pages may read our answers (CORS)."""

from starlette.requests import Request
from starlette.responses import Response

HEADERS = (
    "Origin, Access-Control-Request-Method, Accept, X-Requested-With, Access-Control-Request-Headers, DPoP,"
    " Content-Type, Authorization"
)


def preflight(request: Request) -> Response:
    """Keycloak lets every page ask; what it then may read depends on the client."""
    origin = request.headers.get("origin", "")
    named = {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS"}
    more = {"Access-Control-Allow-Headers": HEADERS, "Access-Control-Max-Age": "3600"}
    credentials = {"Access-Control-Allow-Credentials": "true"}
    return Response(status_code=200, headers={**named, **credentials, **more} if origin else {})


def allow(response: Response, origin: str) -> None:
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Allow-Credentials"] = "true"
