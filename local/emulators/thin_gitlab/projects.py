"""Projects, the version and the user: what a client asks first."""

import re

from starlette.responses import JSONResponse, Response

from local.emulators.thin_gitlab.answers import Call, message, paged
from local.emulators.thin_gitlab.gitlab import GitLab
from local.emulators.thin_gitlab.settings import USER, VERSION

PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")


def version(_gitlab: GitLab, _call: Call) -> Response:
    return JSONResponse({"version": VERSION, "revision": "emulator", "enterprise": False})


def user(_gitlab: GitLab, _call: Call) -> Response:
    return JSONResponse({**USER, "is_admin": True})


def create(gitlab: GitLab, call: Call) -> Response:
    name = call.body.get("name") or call.body.get("path")
    if not name:
        call.need("name")
    path = str(call.body.get("path") or str(name).lower().replace(" ", "-"))
    if not PATH.match(path):
        raise message(400, {"path": ["can contain only letters, digits, '_', '-' and '.'."]})
    if gitlab.find_project(f"root/{path}"):
        raise message(400, {"path": ["has already been taken"], "name": ["has already been taken"]})
    branch = str(call.body.get("default_branch") or "main")
    made = gitlab.create_project(str(name), path, branch, str(call.body.get("description") or ""))
    return JSONResponse(gitlab.shown(made), 201)


def listed(gitlab: GitLab, call: Call) -> Response:
    wanted = call.query.get("search", "")
    found = [gitlab.shown(p) for p in reversed(gitlab.store.all("project")) if wanted in p["path_with_namespace"]]
    return paged(call, found)


def read(gitlab: GitLab, call: Call) -> Response:
    return JSONResponse(gitlab.shown(gitlab.project(call)))
