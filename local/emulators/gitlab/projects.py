"""Projects, groups, the user and the version."""

import re
from typing import Any

from starlette.responses import Response

from local.emulators.gitlab.answers import Json, answer, bad_request, not_found, refuse
from local.emulators.gitlab.call import Call
from local.emulators.gitlab.instance import Instance, Project, stamp
from local.emulators.gitlab.settings import REVISION, USER_ID, USER_MAIL, USER_NAME, USERNAME, VERSION
from local.emulators.gitlab.writes import first_commit

PATH = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
BRANCH = "main"
VISIBILITIES = ("private", "internal", "public")
TAKEN = ["has already been taken"]
BAD_PATH = "can contain only letters, digits, '_', '-' and '.'. Cannot start with '-', end in '.git' or end in '.atom'"
TEXTS = ("name", "description")


def shown(instance: Instance, project: Project) -> Json:
    web = f"{instance.url}/{project.full_path}"
    host = instance.url.partition("://")[2].partition(":")[0]
    body, empty = project.body, not project.repository.refs()
    owner = next((n for n in instance.namespaces() if n["full_path"] == body["namespace"]), None)
    return {
        "id": project.id,
        "description": body["description"],
        "name": body["name"],
        "name_with_namespace": f"{body['namespace_name']} / {body['name']}",
        "path": body["path"],
        "path_with_namespace": project.full_path,
        "created_at": body["created_at"],
        "default_branch": project.default_branch,
        "tag_list": [],
        "topics": [],
        "ssh_url_to_repo": f"git@{host}:{project.full_path}.git",
        "http_url_to_repo": f"{web}.git",
        "web_url": web,
        "readme_url": None,
        "forks_count": 0,
        "avatar_url": None,
        "star_count": 0,
        "last_activity_at": body["created_at"],
        "visibility": body["visibility"],
        "namespace": owner,
        "empty_repo": empty,
        "archived": False,
        "merge_method": "merge",
        "repository_object_format": body["object_format"],
    }


def create(call: Call) -> Response:
    if not call.text("name") and not call.text("path"):
        raise bad_request("name, path are missing, at least one parameter must be provided")
    name = call.text("name") or call.text("path")
    path = call.text("path") or re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-").lower()
    if not PATH.match(path) or path.endswith((".git", ".atom", ".")):
        raise refuse(400, {"path": [BAD_PATH]})
    namespace = _namespace(call)
    body = {
        "name": name,
        "path": path,
        "namespace": namespace["full_path"],
        "namespace_name": namespace["name"],
        "description": call.params.get("description"),
        "visibility": call.choice("visibility", VISIBILITIES),
        "created_at": stamp(),
        "object_format": call.choice("repository_object_format", ("sha1", "sha256")),
        "protected": [],
    }
    branch = call.text("default_branch") or BRANCH
    body["protected"] = [protection(1, branch)]
    project = call.instance.create(body, branch, body["object_format"])
    if project is None:
        raise refuse(400, {"project_namespace.name": TAKEN, "name": TAKEN, "path": TAKEN})
    if call.flag("initialize_with_readme"):
        first_commit(project, "README.md", f"# {name}\n".encode(), "Initial commit")
    return answer(shown(call.instance, project), 201)


def protection(number: int, branch: str, rule: str = "no-force") -> Json:
    """`rule` is `no-force`, `force` or `closed` (nobody may push)."""
    return {"id": number, "name": branch, "rule": rule}


def _namespace(call: Call) -> Json:
    wanted = call.params.get("namespace_id")
    known = call.instance.namespaces()
    if wanted is None:
        return known[0]
    found = next((n for n in known if str(wanted) in (str(n["id"]), n["full_path"])), None)
    if found is None:
        raise refuse(400, {"namespace": ["is not valid"]})
    return found


def read(call: Call) -> Response:
    return answer(shown(call.instance, call.project))


def list_projects(call: Call) -> Response:
    """The newest first, as GitLab sorts; `search` looks into name and path."""
    search = call.text("search").lower()
    found = [
        p for p in call.instance.projects() if search in p.body["name"].lower() or search in p.body["path"].lower()
    ]
    ascending = call.choice("sort", ("desc", "asc")) == "asc"
    return call.listed(found if ascending else found[::-1], shown=lambda project: shown(call.instance, project))


def update(call: Call) -> Response:
    project = call.project
    changes: Json = {name: call.params[name] for name in TEXTS if name in call.params}
    if "visibility" in call.params:
        changes["visibility"] = call.choice("visibility", VISIBILITIES)
    branch = call.text("default_branch")
    if branch and project.repository.branch(branch) is None:
        raise refuse(400, {"base": [f"Could not change HEAD: branch '{branch}' does not exist"]})
    if branch:
        project.repository.set_head(branch)
    return answer(shown(call.instance, call.instance.save(project, changes)))


def delete(call: Call) -> Response:
    call.instance.delete(call.project)
    return answer({"message": "202 Accepted"}, 202)


def version(_: Call) -> Response:
    return answer({"version": VERSION, "revision": REVISION, "kas": {"enabled": False}, "enterprise": False})


def user(call: Call) -> Response:
    return answer(
        {
            "id": USER_ID,
            "username": USERNAME,
            "name": USER_NAME,
            "state": "active",
            "locked": False,
            "avatar_url": None,
            "web_url": f"{call.instance.url}/{USERNAME}",
            "public_email": None,
            "email": USER_MAIL,
            "is_admin": True,
            "bot": False,
        }
    )


def create_group(call: Call) -> Response:
    call.need("name", "path")
    if not PATH.match(call.text("path")):
        raise refuse(400, {"path": [BAD_PATH]})
    if any(n["full_path"].lower() == call.text("path").lower() for n in call.instance.namespaces()):
        raise refuse(400, f'Failed to save group {{:path=>["{TAKEN[0]}"]}}')
    body = {"name": call.text("name"), "path": call.text("path"), "created_at": stamp()}
    # 1 is the user's own namespace
    number = call.instance.store.number("group") + 1
    group = {"id": number, **body}
    call.instance.store.put("group", 0, group)
    return answer(_group(call.instance, group), 201)


def _group(instance: Instance, group: Json) -> Json:
    more: dict[str, Any] = {"full_path": group["path"], "full_name": group["name"], "visibility": "private"}
    return {**group, **more, "web_url": f"{instance.url}/groups/{group['path']}", "parent_id": None}


def read_group(call: Call) -> Response:
    wanted = call.args["id"]
    found = next((g for g in call.instance.store.all("group") if wanted in (str(g["id"]), g["path"])), None)
    if found is None:
        raise not_found("Group")
    return answer(_group(call.instance, found))


def list_groups(call: Call) -> Response:
    return call.listed(call.instance.store.all("group"), shown=lambda group: _group(call.instance, group))


def list_namespaces(call: Call) -> Response:
    return call.listed(call.instance.namespaces())
