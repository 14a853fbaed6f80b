"""The API's resources. Every handler takes a Call and returns what is shown."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.emulators.argocd.answers import DENIED, INVALID, NOT_FOUND, PRECONDITION, UNKNOWN, Json, Refusal
from local.emulators.argocd.controller import Controller
from local.emulators.argocd.documents import KIND, shown
from local.emulators.argocd.sessions import Sessions
from local.emulators.argocd.settings import VERSION

SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?\Z")
POLL_S = 0.01


@dataclass
class Call:
    """`query` keeps every value of a name."""

    controller: Controller
    sessions: Sessions
    name: str
    query: dict[str, list[str]]
    body: Json
    now: float

    def asked(self, name: str) -> str:
        """A parameter of the query, or of the body."""
        given = self.query.get(name, [self.body.get(name)])[0]
        return given if isinstance(given, str) else ""

    def application(self) -> Json:
        """Raises Refusal: 404 where the project was said, or 403, so that names cannot be guessed."""
        found = self.controller.look(self.name, self.now)
        project = self.asked("project")
        if found is not None and project in ("", found["project"]):
            return found
        if project:
            raise Refusal(NOT_FOUND, f'applications.argoproj.io "{self.name}" not found')
        raise Refusal(DENIED, "permission denied")


def version(_call: Call) -> Any:
    return {"Version": VERSION}


def login(call: Call) -> Any:
    return call.sessions.login(call.body)


def account_token(call: Call) -> Any:
    return call.sessions.account_token(call.name, call.body)


def list_applications(call: Call) -> Any:
    """Of `projects`, and with the labels of `selector` (equalities); no page, `items` is null for none."""
    projects, items = call.query.get("projects", []), []
    wanted = dict(part.split("=", 1) for part in call.asked("selector").split(",") if "=" in part)
    for kept in call.controller.store.all(KIND):
        app = call.controller.look(kept["name"], call.now)
        if app and (not projects or app["project"] in projects) and wanted.items() <= app["labels"].items():
            items.append(shown(app))
    return {"metadata": {"resourceVersion": "1"}, "items": items or None}


def read(call: Call) -> Any:
    """With `refresh` it answers when the controller has compared, or not at all."""
    with call.controller.store.lock:
        app = call.application()
        if not call.asked("refresh"):
            return shown(app)
        app["refresh"] = "hard" if call.asked("refresh") == "hard" else "normal"
        call.controller.due(app, call.now + call.controller.timing.refresh_s, "reconcile")
    timing = call.controller.timing
    deadline = call.now + timing.refresh_deadline_s
    while call.now < deadline:
        call.now = timing.now()
        app = call.application()
        if app["refresh"] is None:
            return shown(app)
        time.sleep(POLL_S)
    raise Refusal(UNKNOWN, "application refresh deadline exceeded")


def sync(call: Call) -> Any:
    with call.controller.store.lock:
        app = call.application()
        call.controller.check_window(app)
        if app["deleting"] is not None:
            raise Refusal(PRECONDITION, "application is deleting")
        revision = _resolved(app, call.body.get("revision"))
        call.controller.request(app, revision, call.body, call.now)
        return shown(app)


def sync_windows(call: Call) -> Any:
    """`canSync` is of syncs by hand; what is empty is left out."""
    closed = call.controller.closed(call.application()["project"])
    window = {"kind": "deny", "schedule": "* * * * *", "duration": "1h", "manualSync": False}
    return {"canSync": not closed, **({"activeWindows": [window], "assignedWindows": [window]} if closed else {})}


def terminate(call: Call) -> Any:
    with call.controller.store.lock:
        call.controller.terminate(call.application(), call.now)
    return {}


def _resolved(app: Json, revision: object) -> str:
    """Raises Refusal for what automatic sync does not allow, and for what is no revision."""
    if revision is not None and not isinstance(revision, str):
        raise Refusal(INVALID, "json: cannot unmarshal into Go struct field .revision of type string")
    target = str(app["target"])
    if app["automated"] and revision and revision != target:
        raise Refusal(PRECONDITION, f"Cannot sync to {revision}: auto-sync currently set to {target}")
    if revision and SHA.match(revision):
        return revision
    if revision in (None, "", target) and app["head"]:
        return str(app["head"])
    raise Refusal(PRECONDITION, f"Unable to resolve '{revision or target}' to a commit SHA")


Handler = Callable[[Call], Any]
