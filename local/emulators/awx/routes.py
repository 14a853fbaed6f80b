"""Every resource on one page: methods, path below /api/v2, handler."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from local.emulators.awx import controls, jobs, launch, login, receivers, roots, templates
from local.emulators.awx.answers import answer
from local.emulators.awx.awx import Awx
from local.emulators.awx.documents import document
from local.emulators.awx.fields import KINDS
from local.emulators.awx.lists import launch_options, options, page

Handler = Callable[[Awx, Request], Awaitable[Response]]
Route = tuple[str, str, Handler]
WRITABLE = ("job_templates", "labels", "notification_templates")
OPEN: list[Route] = [
    ("GET", "/api/", roots.api),
    ("GET", "/api/v2/", roots.v2),
    ("GET", "/api/v2/ping/", roots.ping),
    ("GET", "/api/login/", login.login_page),
    ("POST", "/api/login/", login.login),
    ("POST", "/api/v2/job_templates/{id:int}/github/", receivers.github),
    ("POST", "/api/v2/job_templates/{id:int}/gitlab/", receivers.gitlab),
    ("GET", "/migrations_notran/", roots.migrations),
    ("GET", "/_emulator/timing", controls.timing),
    ("PUT", "/_emulator/timing", controls.timing),
    ("GET", "/_emulator/variants", controls.variants),
    ("PUT", "/_emulator/variants", controls.variants),
    ("GET", "/_emulator/notifications", controls.notifications),
    ("PUT", "/_emulator/notifications", controls.notifications),
    ("GET", "/_emulator/launches", controls.launches),
]
TEMPLATE = "/api/v2/job_templates/{id:int}"
JOB = "/api/v2/jobs/{id:int}"
GUARDED: list[Route] = [
    ("GET", "/api/v2/config/", roots.config),
    ("GET", "/api/v2/me/", roots.me),
    ("POST", "/api/v2/tokens/", login.create_token),
    ("GET", f"{TEMPLATE}/launch/", launch.form),
    ("POST", f"{TEMPLATE}/launch/", launch.launch),
    ("GET", f"{TEMPLATE}/jobs/", templates.jobs),
    *[(method, f"{TEMPLATE}/survey_spec/", templates.survey) for method in ("GET", "POST", "DELETE")],
    *[(method, f"{TEMPLATE}/webhook_key/", templates.webhook_key) for method in ("GET", "POST")],
    ("DELETE", f"{JOB}/", jobs.delete),
    ("GET", f"{JOB}/cancel/", jobs.can_cancel),
    ("POST", f"{JOB}/cancel/", jobs.cancel),
    ("GET", f"{JOB}/relaunch/", launch.relaunch_form),
    ("POST", f"{JOB}/relaunch/", launch.relaunch),
    ("GET", f"{JOB}/stdout/", jobs.stdout),
    ("GET", f"{JOB}/job_events/", jobs.events),
    ("GET", f"{JOB}/job_host_summaries/", jobs.host_summaries),
    ("GET", f"{JOB}/notifications/", jobs.notifications),
    ("GET", f"{JOB}/labels/", jobs.labels),
    ("POST", "/api/v2/notification_templates/{id:int}/test/", roots.send_test),
]


def _with(handler: Handler, **parameters: str) -> Handler:
    """The handler with further path parameters, so that it knows which of its resources is meant."""

    async def named(awx: Awx, request: Request) -> Response:
        request.path_params.update(parameters)
        return await handler(awx, request)

    return named


async def _list(awx: Awx, request: Request) -> Response:
    return page(awx, request, request.path_params["table"])


async def _one(awx: Awx, request: Request) -> Response:
    table = request.path_params["table"]
    return answer(document(awx, table, awx.object(table, request.path_params["id"])))


async def _launch_options(awx: Awx, request: Request) -> Response:
    return launch_options()


def _options(table: str, methods: list[str]) -> Handler:
    async def handler(awx: Awx, request: Request) -> Response:
        return options(table, methods)

    return handler


def _resources() -> list[Route]:
    routes: list[Route] = []
    for table in KINDS:
        path = f"/api/v2/{'inventory' if table == 'inventories' else table}/"
        one = f"{path}{{id:int}}/"
        routes += [("GET", path, _with(_list, table=table)), ("GET", one, _with(_one, table=table))]
        above, single = ["GET"], ["GET"]
        if table in WRITABLE:
            above, single = ["GET", "POST"], ["GET", "PUT", "PATCH", "DELETE"]
            routes.append(("POST", path, _with(templates.create, table=table)))
            routes += [(method, one, _with(templates.change, table=table)) for method in ("PUT", "PATCH")]
            routes.append(("DELETE", one, _with(templates.delete, table=table)))
        routes += [("OPTIONS", path, _options(table, above)), ("OPTIONS", one, _options(table, single))]
    return routes


def _attachments() -> list[Route]:
    names = ["labels", *(f"notification_templates_{when}" for when in ("started", "success", "error"))]
    return [
        (method, f"{TEMPLATE}/{name}/", _with(templates.attached, name=name))
        for name in names
        for method in ("GET", "POST")
    ]


ALL = [*GUARDED, *_attachments(), *_resources(), ("OPTIONS", f"{TEMPLATE}/launch/", _launch_options)]
