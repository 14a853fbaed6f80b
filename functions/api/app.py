"""The HTTP application: routes, and the one place where errors become problem+json."""

from collections.abc import Iterable, Mapping
from importlib import import_module

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from functions.api.parameters import given_once, no_parameters
from functions.api.problems import challenge, problem
from functions.api.refusals import note_refusal
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.log import log

CODES = {400: "BAD_REQUEST", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "PAYLOAD_TOO_LARGE"}
CONTRACT = "compare the request with openapi/stoa.json"
# what to do about it, and the input at fault, where the framework refuses
HINTS = {
    400: "send a JSON object in UTF-8 as the body",
    404: "openapi/stoa.json lists the paths",
    405: "use a method that Allow names",
    413: "send less",
}
FIELDS = {400: "body", 413: "body"}


# The modules of routes/, and how the paths that each answers begin, in the order in which they are asked: /search
# before /{trace_id}. Making all routes takes a third of a cold start, and a container is asked for a few of them.
ROUTES: Mapping[str, str | tuple[str, ...]] = {
    "audit": "/v1/audit",
    "deployments": "/v1/deployments",
    "apis": "/v1/apis",
    "versions": "/v1/apis/",
    "api_changes": "/v1/apis",
    "catalog": "/v1/status",
    "pushes": "/v1/pushes",
    "changes": "/v1/changes",
    "trace_lists": "/v1/traces",
    "traces": "/v1/traces/",
    "gateway": "/v1/gateway/",
    "tenants": "/v1/tenants",
    "health": "/health/",
    "webhooks": "/webhooks/",
    "artefacts": "/artefacts/",
    "channels": "/v1/tenants/",
    "sessions": "/v1/sessions/",
    "user_sessions": ("/v1/tenants/", "/v1/users/"),
}
WITHOUT_PARAMETERS = frozenset({"health", "webhooks", "artefacts", "channels", "sessions", "user_sessions"})


def build() -> FastAPI:
    """The application with all of its routes, made to the end: FastAPI leaves half of it to the first request."""
    app = bare()
    _include(app, ROUTES)
    for route in app.routes:
        route.matches({"type": "http", "method": "GET", "path": "/"})
    return app


def bare() -> FastAPI:
    """Without routes, and without interactive pages: the contract is openapi/stoa.json, made at build time."""
    app = FastAPI(
        title="STOA Platform",
        version="2.0.0",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(given_once)],
        redirect_slashes=False,  # a redirect would repeat the caller's Host header
        telemetry={"tracing": False, "metrics": False, "logs": False},  # or each request asks for them
    )
    app.state.included = set()
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(Transient, _transient)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _bug)
    return app


def include(app: FastAPI, path: str) -> None:
    """Adds the routes that may answer this path, unless they are there."""
    _include(app, [name for name, beginnings in ROUTES.items() if path.startswith(beginnings)])


def _include(app: FastAPI, names: Iterable[str]) -> None:
    for name in names:
        if name not in app.state.included:
            router = import_module(f"functions.api.routes.{name}").router
            app.include_router(router, dependencies=[Depends(no_parameters)] if name in WITHOUT_PARAMETERS else None)
            app.state.included.add(name)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101  registered for it
    note_refusal(request, error)
    headers = challenge(error.code) if error.status == 401 else None
    return problem(request, error.status, error.code, error.detail, field=error.field, hint=error.hint, headers=headers)


def _transient(request: Request, error: Exception) -> Response:
    assert isinstance(error, Transient)  # noqa: S101  registered for it
    log.error("request.unavailable", system=error.system, detail=error.detail)
    detail, hint = f"{error.system} does not answer", "try again in a few seconds"
    return problem(request, 503, "UNAVAILABLE", detail, hint=hint, headers={"Retry-After": "5"})


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for it
    # a name that we do not know says more than the one that is missing for it
    first = min(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"])
    return problem(request, 422, "INVALID_REQUEST", f"{where}: {first['msg']}", field=where, hint=CONTRACT)


def _http(request: Request, error: Exception) -> Response:
    """What the framework itself refuses; the header Allow of a 405 is kept."""
    assert isinstance(error, HTTPException)  # noqa: S101  registered for it
    status = error.status_code
    code, field, hint = CODES.get(status, "HTTP_ERROR"), FIELDS.get(status), HINTS.get(status)
    return problem(request, status, code, str(error.detail), field=field, hint=hint, headers=error.headers)


def _bug(request: Request, error: Exception) -> Response:
    log.error("request.failed", exc_info=error)
    return problem(request, 500, "INTERNAL", "something is broken on our side; it has been logged")
