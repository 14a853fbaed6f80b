"""Branches, and the rules that protect them."""

import re
from typing import Any

from starlette.responses import Response

from local.emulators.gitlab.answers import Json, answer, not_found, nothing, refuse
from local.emulators.gitlab.call import Call
from local.emulators.gitlab.commits import document
from local.emulators.gitlab.instance import Project
from local.emulators.gitlab.pushes import pushing
from local.emulators.gitlab.repository import HEADS

NO_ONE, MAINTAINERS = 0, 40
LEVELS = {NO_ONE: "No one", 30: "Developers + Maintainers", MAINTAINERS: "Maintainers"}
SPACE = re.compile(r"\s")


def list_branches(call: Call) -> Response:
    wanted = call.text("search")
    found = [(name, at) for name, at in call.repository.branches().items() if wanted in name]
    return call.listed(found, shown=lambda branch: _shown(call, *branch), key=lambda branch: branch[0])


def read(call: Call) -> Response:
    return answer(_shown(call, *_find(call)))


def create(call: Call) -> Response:
    call.need("branch", "ref")
    project, name = call.maintain(), call.text("branch")
    repository = project.repository
    with pushing(call.instance, project) as refs:
        (at,) = repository.resolve(call.text("ref"))
        if HEADS + name in refs:
            raise refuse(400, "Branch already exists")
        if at is None:
            raise refuse(400, f"Invalid reference name: {call.text('ref')}")
        if not repository.is_branch_name(name):
            raise refuse(400, "Branch name is invalid")
        repository.git("update-ref", HEADS + name, at, repository.zeros)
    return answer(_shown(call, name, at), 201)


def delete(call: Call) -> Response:
    project = call.maintain()
    name, at = _find(call)
    if name == project.default_branch:
        raise refuse(405, "Cannot remove HEAD branch")
    if project.protection(name):
        raise refuse(405, "Protected branch cannot be deleted")
    with pushing(call.instance, project):
        project.repository.git("update-ref", "-d", HEADS + name, at)
    return nothing()


def _find(call: Call) -> tuple[str, str]:
    name = call.args["branch"]
    at = call.repository.branch(name)
    if at is None:
        raise not_found("Branch")
    return name, at


def _shown(call: Call, name: str, at: str) -> Json:
    rule = call.project.protection(name)
    return {
        "name": name,
        "commit": document(call, call.repository.commit(at)),
        "merged": False,
        "protected": rule is not None,
        "developers_can_push": False,
        "developers_can_merge": False,
        "can_push": rule is None or rule["rule"] != "closed",
        "default": name == call.project.default_branch,
        "web_url": f"{call.instance.url}/{call.project.full_path}/-/tree/{name}",
    }


def list_rules(call: Call) -> Response:
    return call.listed(call.maintain().body["protected"], shown=_rule)


def read_rule(call: Call) -> Response:
    return answer(_rule(_find_rule(call.maintain(), call.args["branch"])))


def protect(call: Call) -> Response:
    """`push_access_level` 0 closes a branch; `allow_force_push` lets its history be rewritten."""
    project = call.maintain()
    if call.params.get("name") is None:
        call.need("name")
    name, level = call.text("name"), call.params.get("push_access_level", MAINTAINERS)
    rules: list[Any] = project.body["protected"]
    if not name or SPACE.search(name):
        raise refuse(422, ["Name can't be blank" if not name else "Name is invalid"])
    if str(level) not in map(str, LEVELS):
        raise refuse(422, ["Push access levels access level is not included in the list"])
    if any(rule["name"] == name for rule in rules):
        raise refuse(409, f"Protected branch '{name}' already exists")
    kind = "closed" if int(level) == NO_ONE else "force" if call.flag("allow_force_push") else "no-force"
    rule = {"id": max((r["id"] for r in rules), default=0) + 1, "name": name, "rule": kind}
    call.instance.save(project, {"protected": [*rules, rule]})
    return answer(_rule(rule), 201)


def unprotect(call: Call) -> Response:
    project = call.maintain()
    gone = _find_rule(project, call.args["branch"])
    call.instance.save(project, {"protected": [rule for rule in project.body["protected"] if rule != gone]})
    return nothing()


def _find_rule(project: Project, name: str) -> Json:
    found: Json | None = next((rule for rule in project.body["protected"] if rule["name"] == name), None)
    if found is None:
        raise refuse(404, "404 Not found")
    return found


def _rule(rule: Json) -> Json:
    push = NO_ONE if rule["rule"] == "closed" else MAINTAINERS
    level = {"id": rule["id"], "user_id": None, "group_id": None}
    return {
        "id": rule["id"],
        "name": rule["name"],
        "push_access_levels": [{**level, "access_level": push, "access_level_description": LEVELS[push]}],
        "merge_access_levels": [
            {**level, "access_level": MAINTAINERS, "access_level_description": LEVELS[MAINTAINERS]}
        ],
        "allow_force_push": rule["rule"] == "force",
    }
