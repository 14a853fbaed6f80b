"""Commits: listed, read, and made of several files at once."""

import re
from typing import Any

from starlette.responses import Response

from local.emulators.gitlab.answers import Json, answer, bad_request, paged, refuse
from local.emulators.gitlab.call import Call
from local.emulators.gitlab.instance import Project, stamp
from local.emulators.gitlab.pushes import pushing
from local.emulators.gitlab.repository import HEADS, Commit, Repository
from local.emulators.gitlab.settings import USER_MAIL, USER_NAME
from local.emulators.gitlab.writes import Author, File, Tree, check_action, commit_files

TRAILER = re.compile(r"([A-Za-z][A-Za-z0-9-]*): (.+)")
NO_BRANCH = "You can only create or edit files when you are on a branch"
NOT_ALLOWED = "You are not allowed to push into this branch"
CHANGED = "The file has changed since you started editing it: {path}"
KEEPING = ("update", "move", "delete", "chmod")


def list_commits(call: Call) -> Response:
    """The newest first, without a total: GitLab does not count commits."""
    ref, path = call.text("ref_name") or "HEAD", call.text("path")
    limits = [f"--{name}={call.text(name)}" for name in ("since", "until") if call.text(name)]
    ids = call.repository.ids(*limits, call.commit(ref), "--", *([path] if path else []))
    page, headers = paged(ids, call.query, call.url, totals=False)
    found = call.repository.commits("--no-walk=unsorted", *page, "--") if page else []
    return answer([document(call, commit) for commit in found], headers=headers)


def read(call: Call) -> Response:
    commit = call.repository.commit(call.commit(call.args["sha"]))
    return answer(full_document(call, commit, stats=call.flag("stats", True)))


def create(call: Call) -> Response:
    call.need("branch", "commit_message", "actions")
    given = call.params["actions"]
    if not isinstance(given, list):
        raise bad_request("actions is invalid")
    actions = [check_action(action, f"actions[{number}]") for number, action in enumerate(given)]
    made = commit_actions(call, actions, CHANGED)
    return answer(full_document(call, made, stats=call.flag("stats", True)), 201)


def commit_actions(call: Call, actions: list[Json], changed: str) -> Commit:
    """All actions in one commit on a branch, which may be new. Raises Refusal; then nothing has changed."""
    if call.text("start_branch") and call.text("start_sha"):
        raise refuse(400, "You can't pass both start_branch and start_sha")
    project, branch = call.maintain(), call.text("branch")
    _may_push(call, project, branch)
    repository = project.repository
    with pushing(call.instance, project) as refs:
        parent = _start(call, repository, refs, branch)
        for action in actions:
            _still_current(call, repository, parent, action, changed)
        before: dict[str, File] = {}
        if parent is not None:
            before = {e.path: (e.mode, e.id) for e in repository.tree(parent, recursive=True) if e.type != "tree"}
        tree = Tree(before)
        for action in actions:
            tree.apply(action)
        author = Author(call.text("author_name") or USER_NAME, call.text("author_email") or USER_MAIL)
        made = commit_files(project, branch, parent, call.text("commit_message"), author, before, tree.files)
        return repository.commit(made)


def _may_push(call: Call, project: Project, branch: str) -> None:
    """Raises Refusal for a branch that is closed, or that may not be forced."""
    rule = (project.protection(branch) or {}).get("rule", "force")
    if rule == "closed" or (rule == "no-force" and call.flag("force")):
        status = call.instance.variants.protected_write_status
        raise refuse(status, f"403 Forbidden - {NOT_ALLOWED}" if status == 403 else NOT_ALLOWED)


def _start(call: Call, repository: Repository, refs: dict[str, str], branch: str) -> str | None:
    """The parent of the new commit; None in an empty repository. Raises Refusal."""
    other = call.text("start_project")
    if other and other not in (str(call.project.id), call.project.full_path):
        raise refuse(403, f"403 Forbidden - Project is not included in the fork network for {call.project.full_path}")
    branches = {ref.removeprefix(HEADS): at for ref, at in refs.items() if ref.startswith(HEADS)}
    sha = call.text("start_sha")
    if branch not in branches and not repository.is_branch_name(branch):
        raise refuse(400, "Branch name is invalid")
    start = call.text("start_branch") or ("" if sha else branch)
    if branches and not sha and start not in branches:
        raise refuse(400, NO_BRANCH)
    if start != branch and branch in branches and not call.flag("force"):
        said = f"A branch called '{branch}' already exists. Switch to that branch in order to make changes"
        raise refuse(400, said)
    if not sha:
        return branches.get(start)
    (found,) = repository.resolve(sha)
    if found is None:
        raise refuse(400, f"Cannot find start_sha '{sha}'")
    return found


def _still_current(call: Call, repository: Repository, parent: str | None, action: Json, changed: str) -> None:
    """`last_commit_id` is the last commit that touched this file. Raises Refusal when there is a later one."""
    seen = action.get("last_commit_id")
    if not seen or parent is None or action["action"] not in KEEPING:
        return
    path = str(action.get("previous_path") or action["file_path"])
    last = repository.last_commit(parent, path)
    if last is not None and last != seen:
        raise refuse(call.instance.variants.stale_write_status, changed.format(path=path))


def document(call: Call, commit: Commit) -> Json:
    author, committer = commit.author, commit.committer
    trailers = _trailers(commit.message)
    return {
        "id": commit.id,
        "short_id": commit.id[:8],
        "created_at": stamp(committer.when),
        "parent_ids": list(commit.parents),
        "title": commit.title,
        "message": commit.message,
        "author_name": author.name,
        "author_email": author.email,
        "authored_date": stamp(author.when),
        "committer_name": committer.name,
        "committer_email": committer.email,
        "committed_date": stamp(committer.when),
        "trailers": dict(trailers),
        "extended_trailers": {name: [value for other, value in trailers if other == name] for name, _ in trailers},
        "web_url": f"{call.instance.url}/{call.project.full_path}/-/commit/{commit.id}",
    }


def full_document(call: Call, commit: Commit, *, stats: bool) -> Json:
    shown: dict[str, Any] = document(call, commit)
    if stats:
        parent = commit.parents[0] if commit.parents else call.repository.empty_tree
        added, deleted = call.repository.stats(parent, commit.id)
        shown["stats"] = {"additions": added, "deletions": deleted, "total": added + deleted}
    return {**shown, "status": None, "project_id": call.project.id, "last_pipeline": None}


def _trailers(message: str) -> list[tuple[str, str]]:
    """The last paragraph, when every line of it is `Name: value`."""
    paragraphs = message.strip().split("\n\n")
    lines = [TRAILER.fullmatch(line) for line in paragraphs[-1].splitlines()] if len(paragraphs) > 1 else []
    return [(found[1], found[2]) for found in lines if found] if all(lines) else []
