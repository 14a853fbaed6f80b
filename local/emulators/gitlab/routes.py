"""Every API resource on one page: method, path below /api/v4, handler."""

import re

from local.emulators.gitlab import branches, commits, comparisons, controls, files, hooks, projects
from local.emulators.gitlab.call import Handler

PROJECT = "/projects/{id}"
REPOSITORY = f"{PROJECT}/repository"
FILE = f"{REPOSITORY}/files/{{path}}"
BRANCH = f"{REPOSITORY}/branches/{{branch}}"
RULE = f"{PROJECT}/protected_branches/{{branch}}"
HOOK = f"{PROJECT}/hooks/{{hook_id}}"
ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/version", projects.version),
    ("GET", "/metadata", projects.version),
    ("GET", "/user", projects.user),
    ("GET", "/projects", projects.list_projects),
    ("POST", "/projects", projects.create),
    ("GET", PROJECT, projects.read),
    ("PUT", PROJECT, projects.update),
    ("DELETE", PROJECT, projects.delete),
    ("GET", f"{REPOSITORY}/tree", files.tree),
    ("GET", f"{REPOSITORY}/compare", comparisons.compare),
    ("GET", f"{FILE}/raw", files.raw),
    ("HEAD", f"{FILE}/raw", files.raw),
    ("GET", FILE, files.read),
    ("HEAD", FILE, files.head),
    ("POST", FILE, files.create),
    ("PUT", FILE, files.update),
    ("DELETE", FILE, files.delete),
    ("GET", f"{REPOSITORY}/commits", commits.list_commits),
    ("POST", f"{REPOSITORY}/commits", commits.create),
    ("GET", f"{REPOSITORY}/commits/{{sha}}", commits.read),
    ("GET", f"{REPOSITORY}/branches", branches.list_branches),
    ("POST", f"{REPOSITORY}/branches", branches.create),
    ("GET", BRANCH, branches.read),
    ("DELETE", BRANCH, branches.delete),
    ("GET", f"{PROJECT}/protected_branches", branches.list_rules),
    ("POST", f"{PROJECT}/protected_branches", branches.protect),
    ("GET", RULE, branches.read_rule),
    ("DELETE", RULE, branches.unprotect),
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
CONTROLS: dict[tuple[str, str], Handler] = {
    ("GET", "/_emulator/deliveries"): controls.deliveries,
    ("PUT", "/_emulator/deliveries"): controls.set_mode,
    ("POST", "/_emulator/deliveries/release"): controls.release,
    ("GET", "/_emulator/variants"): controls.variants,
    ("PUT", "/_emulator/variants"): controls.variants,
    ("GET", "/_emulator/rate_limit"): controls.rate_limit,
    ("PUT", "/_emulator/rate_limit"): controls.rate_limit,
}
