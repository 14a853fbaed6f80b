"""Projects, groups, the user and the version."""

import re

from starlette.responses import Response

from local.emulators.gitlab.answers import Json, answer, bad_request, refuse
from local.emulators.gitlab.call import Call
from local.emulators.gitlab.instance import Instance, Project, stamp
from local.emulators.gitlab.settings import REVISION, USER_ID, USER_MAIL, USER_NAME, USERNAME, VERSION
from local.emulators.gitlab.writes import MODES, Author, commit_files

PATH = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
BRANCH = "main"
VISIBILITIES = ("private", "internal", "public")
TAKEN = ["has already been taken"]
BAD_PATH = "can contain only letters, digits, '_', '-' and '.'. Cannot start with '-', end in '.git' or end in '.atom'"
TEXTS = ("name", "description")
NAMESPACE = {"id": 1, "name": USER_NAME, "path": USERNAME, "kind": "user", "full_path": USERNAME}


def shown(instance: Instance, project: Project) -> Json:
    web = f"{instance.url}/{project.full_path}"
    host = instance.url.partition("://")[2].partition(":")[0]
    body = project.body
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
        "namespace": NAMESPACE,
        "empty_repo": not project.repository.refs(),
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
    branch = call.text("default_branch") or BRANCH
    object_format = call.choice("repository_object_format", ("sha1", "sha256"))
    body: Json = {
        "name": name,
        "path": path,
        "namespace": NAMESPACE["full_path"],
        "namespace_name": NAMESPACE["name"],
        "description": call.params.get("description"),
        "visibility": call.choice("visibility", VISIBILITIES),
        "created_at": stamp(),
        "object_format": object_format,
        "protected": [{"id": 1, "name": branch, "rule": "no-force"}],
    }
    project = call.instance.create(body, branch, object_format)
    if project is None:
        raise refuse(400, {"project_namespace.name": TAKEN, "name": TAKEN, "path": TAKEN})
    if call.flag("initialize_with_readme"):
        with project.repository.lock:
            files = {"README.md": (MODES[False], f"# {name}\n".encode())}
            commit_files(project, branch, None, "Initial commit", Author(), {}, files)
    return answer(shown(call.instance, project), 201)


def read(call: Call) -> Response:
    return answer(shown(call.instance, call.project))


def list_projects(call: Call) -> Response:
    """The newest first, as GitLab sorts; `search` looks into name and path."""
    search = call.text("search").lower()
    names = ("name", "path")
    seen = [project for project in call.instance.projects() if call.sees(project)]
    found = [project for project in seen if any(search in project.body[name].lower() for name in names)]
    ascending = call.choice("sort", ("desc", "asc")) == "asc"
    return call.listed(
        found if ascending else found[::-1],
        shown=lambda project: shown(call.instance, project),
        key=lambda project: str(project.id),
    )


def update(call: Call) -> Response:
    project = call.maintain()
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
    call.instance.delete(call.maintain())
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
