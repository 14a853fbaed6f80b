"""Branches and merge requests."""

from starlette.responses import JSONResponse, Response

from local.emulators.thin_gitlab.answers import Call, Json, message, not_found, paged
from local.emulators.thin_gitlab.commits import commit_document
from local.emulators.thin_gitlab.gitlab import GitLab, moment
from local.emulators.thin_gitlab.repository import NONE, GitError, Repository
from local.emulators.thin_gitlab.settings import USER

HEADS = "refs/heads/"


def listed(gitlab: GitLab, call: Call) -> Response:
    project = gitlab.project(call)
    names = [ref.removeprefix(HEADS) for ref in gitlab.repository(project).branches() if ref.startswith(HEADS)]
    return paged(call, [_document(gitlab, project, n) for n in names if call.query.get("search", "") in n])


def read(gitlab: GitLab, call: Call) -> Response:
    return JSONResponse(_document(gitlab, gitlab.project(call), call.path["branch"]))


def create(gitlab: GitLab, call: Call) -> Response:
    given = {**call.query, **call.body}
    branch, ref = Call(call.path, call.query, given).need("branch", "ref")
    project = gitlab.project(call)
    repository = gitlab.repository(project)
    if f"{HEADS}{branch}" in repository.branches():
        raise message(400, "Branch already exists")
    at = repository.resolve(str(ref))
    if at is None:
        raise message(400, f"Invalid reference name: {ref}")
    with gitlab.pushing(project):
        repository.move(str(branch), at, NONE)
    return JSONResponse(_document(gitlab, project, str(branch)), 201)


def delete(gitlab: GitLab, call: Call) -> Response:
    project, branch = gitlab.project(call), call.path["branch"]
    _document(gitlab, project, branch)
    if branch == project["default_branch"]:
        raise message(403, "403 Forbidden")
    with gitlab.pushing(project) as repository:
        repository.git("update-ref", "-d", HEADS + branch)
    return Response(status_code=204)


def open_request(gitlab: GitLab, call: Call) -> Response:
    source, target, title = call.need("source_branch", "target_branch", "title")
    project = gitlab.project(call)
    if source == target:
        raise message(409, ["You can't use same project/branch for source and target"])
    for branch in (source, target):
        if f"{HEADS}{branch}" not in gitlab.repository(project).branches():
            raise message(400, [f'Branch "{branch}" does not exist'])
    others = gitlab.store.all("merge_request", project["id"])
    for other in others:
        if (other["state"], other["source_branch"], other["target_branch"]) == ("opened", source, target):
            raise message(409, [f"Another open merge request already exists for this source branch: !{other['iid']}"])
    made = gitlab.store.add(
        "merge_request",
        project["id"],
        {
            "iid": len(others) + 1,
            "project_id": project["id"],
            "title": title,
            "description": str(call.body.get("description") or ""),
            "source_branch": source,
            "target_branch": target,
            "state": "opened",
            "author": USER,
            "created_at": moment(),
            "merge_commit_sha": None,
        },
    )
    return JSONResponse(_request_document(gitlab, project, made), 201)


def requests_listed(gitlab: GitLab, call: Call) -> Response:
    project, state = gitlab.project(call), call.query.get("state", "all")
    found = [m for m in reversed(gitlab.store.all("merge_request", project["id"])) if state in ("all", m["state"])]
    return paged(call, [_request_document(gitlab, project, m) for m in found])


def request_read(gitlab: GitLab, call: Call) -> Response:
    project = gitlab.project(call)
    return JSONResponse(_request_document(gitlab, project, _request(gitlab, project, call)))


def merge(gitlab: GitLab, call: Call) -> Response:
    """405 when it cannot be merged, 409 when `sha` is not the head any more."""
    project = gitlab.project(call)
    found = _request(gitlab, project, call)
    if found["state"] != "opened":
        raise message(405, "405 Method Not Allowed")
    with gitlab.pushing(project) as repository:
        source, target = (repository.resolve(HEADS + found[side]) for side in ("source_branch", "target_branch"))
        if source is None or target is None:
            raise message(405, "405 Method Not Allowed")
        if call.body.get("sha") not in (None, source):
            raise message(409, "SHA does not match HEAD of source branch: " + source)
        made = _merged(repository, source, target, str(found["source_branch"]), str(found["target_branch"]))
        repository.move(found["target_branch"], made, target)
        if call.body.get("should_remove_source_branch"):
            repository.git("update-ref", "-d", HEADS + found["source_branch"])
    found |= {"state": "merged", "merge_commit_sha": made, "sha": source, "merged_at": moment()}
    return JSONResponse(_request_document(gitlab, project, gitlab.store.put("merge_request", found)))


def _merged(repository: Repository, source: str, target: str, source_name: str, target_name: str) -> str:
    try:
        tree = repository.git("merge-tree", "--write-tree", target, source).decode().split("\n", 1)[0]
    except GitError as conflict:
        raise message(422, "Branch cannot be merged") from conflict
    said = f"Merge branch '{source_name}' into '{target_name}'\n"
    name, email = str(USER["name"]), "root@example.com"
    who = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in
           (("NAME", name), ("EMAIL", email))}  # fmt: skip
    made = repository.git("commit-tree", tree, "-p", target, "-p", source, data=said.encode(), environment=who)
    return made.decode().strip()


def _document(gitlab: GitLab, project: Json, branch: str) -> Json:
    repository = gitlab.repository(project)
    at = repository.branches().get(HEADS + branch)
    if at is None:
        raise not_found("Branch")
    default = branch == project["default_branch"]
    return {
        "name": branch,
        "commit": commit_document(gitlab, project, repository.commit(at)),
        "merged": False,
        "protected": default,
        "developers_can_push": False,
        "developers_can_merge": False,
        "can_push": True,
        "default": default,
        "web_url": f"{gitlab.config.url}/{project['path_with_namespace']}/-/tree/{branch}",
    }


def _request(gitlab: GitLab, project: Json, call: Call) -> Json:
    for found in gitlab.store.all("merge_request", project["id"]):
        if str(found["iid"]) == call.path["iid"]:
            return found
    raise not_found("Merge Request")


def _request_document(gitlab: GitLab, project: Json, found: Json) -> Json:
    repository = gitlab.repository(project)
    head = repository.resolve(HEADS + found["source_branch"]) or found.get("sha")
    status = "not_open" if found["state"] != "opened" else "mergeable" if head else "broken_status"
    web = f"{gitlab.config.url}/{project['path_with_namespace']}/-/merge_requests/{found['iid']}"
    return {**found, "sha": head, "detailed_merge_status": status, "web_url": web}
