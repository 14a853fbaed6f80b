"""The roots of the API, and the resources that describe AWX itself."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from local.emulators.awx.answers import answer
from local.emulators.awx.awx import Awx
from local.emulators.awx.documents import document, url_of
from local.emulators.awx.fields import KINDS
from local.emulators.awx.moments import now
from local.emulators.awx.notify import Notifier
from local.emulators.awx.settings import NODE, VERSION

V2 = "/api/v2/"
RESOURCES = {
    "ping": "ping/",
    "config": "config/",
    "me": "me/",
    "inventory": "inventory/",
    **{table: f"{table}/" for table in KINDS if table not in ("inventories", "job_events")},
}


async def api(awx: Awx, request: Request) -> Response:
    return answer(
        {
            "description": "AWX REST API",
            "current_version": V2,
            "available_versions": {"v2": V2},
            "oauth2": "/api/o/",
            "custom_logo": "",
            "custom_login_info": "",
            "login_redirect_override": "",
        }
    )


async def v2(awx: Awx, request: Request) -> Response:
    return answer({name: V2 + path for name, path in RESOURCES.items()})


async def ping(awx: Awx, request: Request) -> Response:
    uuid = awx.store.setting("install_uuid")
    instance = {"node": NODE, "node_type": "hybrid", "uuid": uuid, "heartbeat": now(), "version": VERSION}
    group = {"name": "default", "capacity": awx.config.slots, "instances": [NODE]}
    return answer(
        {
            "ha": False,
            "version": VERSION,
            "active_node": NODE,
            "install_uuid": uuid,
            "instances": [{**instance, "capacity": awx.config.slots}],
            "instance_groups": [group],
        }
    )


async def config(awx: Awx, request: Request) -> Response:
    return answer(
        {
            "time_zone": "UTC",
            "license_info": {"license_type": "open", "valid_key": True},
            "version": VERSION,
            "eula": "",
            "analytics_status": "off",
            "become_methods": [],
            "project_base_dir": str(awx.config.playbooks),
            "project_local_paths": [],
            "custom_virtualenvs": [],
        }
    )


async def me(awx: Awx, request: Request) -> Response:
    """A list page with the one user."""
    user = document(awx, "users", awx.object("users", 1))
    return answer({"count": 1, "next": None, "previous": None, "results": [user]})


async def migrations(awx: Awx, request: Request) -> Response:
    return HTMLResponse("<html><body><h1>AWX is currently upgrading.</h1></body></html>")


async def send_test(awx: Awx, request: Request) -> Response:
    """The test button of a notification template."""
    template = awx.object("notification_templates", request.path_params["id"])
    url = f"{awx.config.url}{url_of('notification_templates', template['id'])}"
    notifier = Notifier(awx)
    await notifier.send(template, {"body": f"Test Notification {template['id']} {url}"})
    await notifier.close()
    return answer({"notification": template["id"]}, 202)
