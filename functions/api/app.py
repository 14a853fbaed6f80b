"""The HTTP application: routes, and the one place where errors become problem+json."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from functions.api.problems import problem
from functions.api.routes import artefacts, catalog, deployments, health, pushes, webhooks
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.log import log

TITLES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 400: "BAD_REQUEST"}


def build() -> FastAPI:
    """The application without its interactive pages: the contract is openapi/stoa.json, made at build time."""
    app = FastAPI(title="STOA Platform", version="2.0.0", openapi_url=None, docs_url=None, redoc_url=None)
    for routes in (health, webhooks, deployments, catalog, pushes, artefacts):
        app.include_router(routes.router)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(Transient, _transient)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _bug)
    return app


def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)  # noqa: S101  registered for it
    return problem(error.status, error.code, error.detail, field=error.field, hint=error.hint)


def _transient(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Transient)  # noqa: S101  registered for it
    log.error("request.unavailable", system=error.system, detail=error.detail)
    answer = problem(503, "UNAVAILABLE", f"{error.system} does not answer", hint="try again in a few seconds")
    answer.headers["Retry-After"] = "5"
    return answer


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for it
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return problem(422, "INVALID_REQUEST", f"{where}: {first['msg']}", field=where)


def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for it
    return problem(error.status_code, TITLES.get(error.status_code, "HTTP_ERROR"), str(error.detail))


def _bug(_request: Request, error: Exception) -> JSONResponse:
    log.error("request.failed", exc_info=error)
    return problem(500, "INTERNAL", "something is broken on our side; it has been logged")
