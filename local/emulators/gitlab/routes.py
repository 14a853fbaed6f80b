"""Every API resource on one page: method, path below /api/v4, handler."""

import re

from local.emulators.gitlab import hooks, projects
from local.emulators.gitlab.call import Handler

PROJECT = "/projects/{id}"
REPOSITORY = f"{PROJECT}/repository"
HOOK = f"{PROJECT}/hooks/{{hook_id}}"
ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/version", projects.version),
    ("GET", "/metadata", projects.version),
    ("GET", "/user", projects.user),
    ("GET", "/namespaces", projects.list_namespaces),
    ("GET", "/groups", projects.list_groups),
    ("POST", "/groups", projects.create_group),
    ("GET", "/groups/{id}", projects.read_group),
    ("GET", "/projects", projects.list_projects),
    ("POST", "/projects", projects.create),
    ("GET", PROJECT, projects.read),
    ("PUT", PROJECT, projects.update),
    ("DELETE", PROJECT, projects.delete),
    ("GET", f"{PROJECT}/hooks", hooks.list_hooks),
    ("POST", f"{PROJECT}/hooks", hooks.create),
    ("GET", HOOK, hooks.read),
    ("PUT", HOOK, hooks.update),
    ("DELETE", HOOK, hooks.delete),
    ("POST", f"{HOOK}/test/{{trigger}}", hooks.test),
    ("GET", f"{HOOK}/events", hooks.events),
    ("POST", f"{HOOK}/events/{{event_id}}/resend", hooks.resend),
]
# one part of the path, still encoded: a slash inside it is %2F
COMPILED = [
    (method, re.compile("^/api/v4" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + "/?$"), handler)
    for method, path, handler in ROUTES
]
