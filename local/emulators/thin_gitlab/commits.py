"""Commits: listed, read, and made from several files at once."""

import base64
import binascii
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse, Response

from local.emulators.thin_gitlab.answers import Call, Json, error, message, not_found, paged
from local.emulators.thin_gitlab.gitlab import GitLab, person
from local.emulators.thin_gitlab.repository import NONE, Commit, Repository
from local.emulators.thin_gitlab.settings import USER

ACTIONS = ("create", "update", "delete", "move", "chmod")
TRAILER = re.compile(r"^([A-Za-z][A-Za-z0-9-]*): (.+)$", re.MULTILINE)
EXISTS, MISSING = "A file with this name already exists", "A file with this name doesn't exist"
NO_BRANCH = "You can only create or edit files when you are on a branch"


def listed(gitlab: GitLab, call: Call) -> Response:
    project = gitlab.project(call)
    ref = call.query.get("ref_name") or project["default_branch"]
    repository = gitlab.repository(project)
    if repository.resolve(ref) is None:
        raise not_found("Commit")
    where = [call.query["path"]] if call.query.get("path") else []
    return paged(call, [commit_document(gitlab, project, c) for c in repository.commits(ref, "--", *where)])


def read(gitlab: GitLab, call: Call) -> Response:
    project = gitlab.project(call)
    commit = gitlab.repository(project).commit(gitlab.commit_id(project, call.path["sha"]))
    return JSONResponse({**commit_document(gitlab, project, commit), "status": None, "last_pipeline": None})


def create(gitlab: GitLab, call: Call) -> Response:
    call.need("branch", "commit_message", "actions")
    if call.body.get("start_branch") and call.body.get("start_sha"):
        raise message(400, "You can't pass both start_branch and start_sha")
    project = gitlab.project(call)
    made = actions_commit(gitlab, project, call.body)
    return JSONResponse({**commit_document(gitlab, project, made), "status": None, "project_id": project["id"]}, 201)


def actions_commit(gitlab: GitLab, project: Json, body: Json) -> Commit:
    """All actions in one commit on a branch, which may be new. Raises Refusal."""
    branch = str(body["branch"])
    with gitlab.pushing(project) as repository:
        parent, old = _start(repository, branch, body)
        with tempfile.TemporaryDirectory() as folder:
            index = _Index(repository, parent, Path(folder) / "index")
            for action in body["actions"]:
                index.apply(action)
            made = index.commit(str(body["commit_message"]), body)
        repository.move(branch, made, old)
        return repository.commit(made)


def _start(repository: Repository, branch: str, body: Json) -> tuple[str | None, str]:
    """The parent of the new commit, and what the branch must be at for it to move."""
    at = repository.resolve(f"refs/heads/{branch}")
    start = body.get("start_branch") or body.get("start_sha")
    if start and at and not body.get("force"):
        raise message(400, f"A branch called '{branch}' already exists. Switch to that branch in order to make changes")
    if start:
        parent = repository.resolve(str(start))
        if parent is None:
            raise message(400, "Cannot find start_branch or start_sha")
        return parent, at or NONE
    if at is None and repository.branches():
        raise message(400, NO_BRANCH)
    return at, at or NONE


@dataclass
class _Index:
    """An index of its own for one commit."""

    repository: Repository
    parent: str | None
    file: Path
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.environment = {"GIT_INDEX_FILE": str(self.file)}
        if self.parent:
            self.repository.git("read-tree", self.parent, environment=self.environment)

    def apply(self, action: Any) -> None:
        if not isinstance(action, dict) or action.get("action") not in ACTIONS:
            raise error(400, "actions[action] does not have a valid value")
        path = str(action.get("file_path") or "")
        if not path or path.startswith("/") or ".." in path.split("/"):
            raise error(400, "actions[file_path] is invalid")
        getattr(self, f"_{action['action']}")(path, action)

    def _create(self, path: str, action: Json) -> None:
        if self._held(path):
            raise message(400, EXISTS)
        self._put(path, self._content(action), "100755" if action.get("execute_filemode") else "100644")

    def _update(self, path: str, action: Json) -> None:
        mode = self._needed(path, action)
        self._put(path, self._content(action), mode)

    def _delete(self, path: str, action: Json) -> None:
        self._needed(path, action)
        self._remove(path)

    def _move(self, path: str, action: Json) -> None:
        previous = str(action.get("previous_path") or "")
        mode = self._needed(previous, action)
        if self._held(path):
            raise message(400, EXISTS)
        blob = self._content(action) if "content" in action else self._held(previous)[1]
        self._remove(previous)
        self._put(path, blob, mode)

    def _chmod(self, path: str, action: Json) -> None:
        self._needed(path, action)
        self._put(path, self._held(path)[1], "100755" if action.get("execute_filemode") else "100644")

    def _needed(self, path: str, action: Json) -> str:
        """The file's mode, if it is there and is what the caller last saw."""
        held = self._held(path)
        if not held:
            raise message(400, MISSING)
        seen = action.get("last_commit_id")
        if seen and self.parent and self.repository.commits("-1", self.parent, "--", path)[0].id != seen:
            raise message(400, f"The file has changed since you started editing it: {path}")
        return held[0]

    def _held(self, path: str) -> tuple[str, ...]:
        """(mode, blob) of a path in the index, or nothing."""
        said = self.repository.git("ls-files", "-s", "-z", "--", path, environment=self.environment).decode()
        for line in said.split("\0"):
            meta, _, name = line.partition("\t")
            if name == path:
                return tuple(meta.split(" ")[:2])
        return ()

    def _content(self, action: Json) -> str:
        """The id of a stored blob."""
        if "content" not in action:
            raise error(400, "actions[content] is missing")
        data = str(action["content"]).encode()
        if action.get("encoding") == "base64":
            try:
                data = base64.b64decode(data, validate=True)
            except binascii.Error as bad:
                raise error(400, "actions[content] is not base64") from bad
        return self.repository.git("hash-object", "-w", "--stdin", data=data).decode().strip()

    def _put(self, path: str, blob: str, mode: str) -> None:
        entry = f"{mode},{blob},{path}"
        self.repository.git("update-index", "--add", "--cacheinfo", entry, environment=self.environment)

    def _remove(self, path: str) -> None:
        self.repository.git("update-index", "--force-remove", "--", path, environment=self.environment)

    def commit(self, said: str, body: Json) -> str:
        written = self.repository.git("write-tree", environment=self.environment).decode().strip()
        who = {
            "GIT_AUTHOR_NAME": str(body.get("author_name") or USER["name"]),
            "GIT_AUTHOR_EMAIL": str(body.get("author_email") or "root@example.com"),
            "GIT_COMMITTER_NAME": str(USER["name"]),
            "GIT_COMMITTER_EMAIL": "root@example.com",
        }
        parents = ["-p", self.parent] if self.parent else []
        made = self.repository.git("commit-tree", written, *parents, data=said.encode(), environment=who)
        return made.decode().strip()


def commit_document(gitlab: GitLab, project: Json, commit: Commit) -> Json:
    author, committer = person(commit.author), person(commit.committer)
    return {
        "id": commit.id,
        "short_id": commit.id[:8],
        "created_at": committer["date"],
        "parent_ids": list(commit.parents),
        "title": commit.title,
        "message": commit.message,
        "author_name": author["name"],
        "author_email": author["email"],
        "authored_date": author["date"],
        "committer_name": committer["name"],
        "committer_email": committer["email"],
        "committed_date": committer["date"],
        "trailers": dict(TRAILER.findall(commit.message.partition("\n\n")[2])),
        "web_url": f"{gitlab.config.url}/{project['path_with_namespace']}/-/commit/{commit.id}",
    }
