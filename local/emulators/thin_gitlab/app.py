"""The routes, and what happens around each of them: authentication, rate limit, errors."""

import hmac
from collections.abc import Awaitable, Callable
from functools import partial

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from local.emulators.faults import Faults
from local.emulators.thin_gitlab import branches, commits, controls, files, git_http, hooks, projects
from local.emulators.thin_gitlab.answers import Call, Refusal, fields, refusal
from local.emulators.thin_gitlab.gitlab import GitLab
from local.emulators.thin_gitlab.paths import EncodedPaths, decoded
from local.emulators.thin_gitlab.settings import Config

Endpoint = Callable[[GitLab, Call], Response]
API = "/api/v4"
PROJECT = f"{API}/projects/{{project}}"
REPOSITORY = f"{PROJECT}/repository"

ROUTES: list[tuple[str, str, Endpoint]] = [
    ("GET", f"{API}/version", projects.version),
    ("GET", f"{API}/user", projects.user),
    ("GET", f"{API}/projects", projects.listed),
    ("POST", f"{API}/projects", projects.create),
    ("GET", PROJECT, projects.read),
    ("GET", f"{REPOSITORY}/tree", files.tree),
    ("GET", f"{REPOSITORY}/compare", files.compare),
    ("GET", f"{REPOSITORY}/files/{{file}}/raw", files.raw),
    ("HEAD", f"{REPOSITORY}/files/{{file}}", files.head),
    ("GET", f"{REPOSITORY}/files/{{file}}", files.read),
    ("POST", f"{REPOSITORY}/files/{{file}}", partial(files.write, action="create")),
    ("PUT", f"{REPOSITORY}/files/{{file}}", partial(files.write, action="update")),
    ("DELETE", f"{REPOSITORY}/files/{{file}}", partial(files.write, action="delete")),
    ("GET", f"{REPOSITORY}/commits", commits.listed),
    ("POST", f"{REPOSITORY}/commits", commits.create),
    ("GET", f"{REPOSITORY}/commits/{{sha}}", commits.read),
    ("GET", f"{REPOSITORY}/branches", branches.listed),
    ("POST", f"{REPOSITORY}/branches", branches.create),
    ("GET", f"{REPOSITORY}/branches/{{branch}}", branches.read),
    ("DELETE", f"{REPOSITORY}/branches/{{branch}}", branches.delete),
    ("GET", f"{PROJECT}/merge_requests", branches.requests_listed),
    ("POST", f"{PROJECT}/merge_requests", branches.open_request),
    ("GET", f"{PROJECT}/merge_requests/{{iid}}", branches.request_read),
    ("PUT", f"{PROJECT}/merge_requests/{{iid}}/merge", branches.merge),
    ("GET", f"{PROJECT}/hooks", hooks.listed),
    ("POST", f"{PROJECT}/hooks", hooks.create),
    ("GET", f"{PROJECT}/hooks/{{hook}}", hooks.read),
    ("PUT", f"{PROJECT}/hooks/{{hook}}", hooks.update),
    ("DELETE", f"{PROJECT}/hooks/{{hook}}", hooks.delete),
    ("POST", f"{PROJECT}/hooks/{{hook}}/test/{{trigger}}", hooks.test),
    ("GET", f"{PROJECT}/hooks/{{hook}}/events", hooks.events),
    ("POST", f"{PROJECT}/hooks/{{hook}}/events/{{event}}/resend", hooks.resend),
]
CONTROLS: list[tuple[str, str, Endpoint]] = [
    ("PUT", "/_emulator/deliveries", controls.change_deliveries),
    ("GET", "/_emulator/deliveries", controls.deliveries),
    ("POST", "/_emulator/deliveries/release", controls.release),
    ("PUT", "/_emulator/rate_limit", controls.rate_limit),
]


def create_app(config: Config) -> ASGIApp:
    gitlab = GitLab(config)
    routes = [Route(path, _endpoint(gitlab, call, guarded=True), methods=[m]) for m, path, call in ROUTES]
    routes += [Route(path, _endpoint(gitlab, call, guarded=False), methods=[m]) for m, path, call in CONTROLS]
    services = ("info/refs", *git_http.SERVICES)
    for service in services:
        path = "/{path:path}.git/" + service
        routes.append(Route(path, _git(gitlab, service), methods=["GET", "POST"]))
    app = Starlette(routes=routes, exception_handlers={404: _missing, 405: _wrong_method})
    return Faults(EncodedPaths(app), refusal)


def _git(gitlab: GitLab, service: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        request.path_params["service"] = service
        return await git_http.serve(gitlab, request)

    return endpoint


def _endpoint(gitlab: GitLab, handle: Endpoint, *, guarded: bool) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        raw = await request.body()
        try:
            if guarded:
                _authenticate(gitlab, request)
                if (wait := gitlab.spend()) is not None:
                    return PlainTextResponse("Retry later\n", 429, {"Retry-After": str(wait)})
            body = fields(raw, request.headers.get("content-type", ""))
            url = str(request.url.replace(query=""))
            path = {name: decoded(part) for name, part in request.path_params.items()}
            call = Call(path, dict(request.query_params), body, url)
            return await run_in_threadpool(handle, gitlab, call)
        except Refusal as refused:
            return JSONResponse(refused.body, refused.status)

    return endpoint


def _authenticate(gitlab: GitLab, request: Request) -> None:
    """PRIVATE-TOKEN or a bearer token."""
    given = request.headers.get("private-token") or request.headers.get("authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), gitlab.config.token.encode()):
        raise Refusal(401, {"message": "401 Unauthorized"})


async def _missing(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "404 Not Found"}, 404)


async def _wrong_method(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "405 Not Allowed"}, 405)
