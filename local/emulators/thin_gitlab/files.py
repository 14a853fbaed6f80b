"""Trees, files and comparisons: reading a repository at a commit."""

import base64
import hashlib
from typing import Any

from starlette.responses import JSONResponse, Response

from local.emulators.thin_gitlab.answers import Call, Json, message, not_found, paged
from local.emulators.thin_gitlab.commits import actions_commit, commit_document
from local.emulators.thin_gitlab.gitlab import GitLab
from local.emulators.thin_gitlab.repository import ZERO_MODE, Changed, Entry, Repository


def tree(gitlab: GitLab, call: Call) -> Response:
    project = gitlab.project(call)
    repository = gitlab.repository(project)
    ref, path = call.query.get("ref") or project["default_branch"], call.query.get("path", "")
    commit = repository.resolve(ref)
    if commit is None:
        raise not_found("Tree")
    entries = repository.tree(commit, path, recursive=call.truth("recursive"))
    if path and not entries:
        raise not_found("invalid revision or path")
    shown = [
        {"id": e.id, "name": e.path.rsplit("/", 1)[-1], "type": e.type, "path": e.path, "mode": e.mode} for e in entries
    ]
    return paged(call, shown)


def read(gitlab: GitLab, call: Call) -> Response:
    repository, commit, entry, data = _file(gitlab, call)
    body = {**_meta(repository, commit, entry, data), "encoding": "base64", "content": base64.b64encode(data).decode()}
    return JSONResponse({**body, "ref": call.query["ref"]})


def head(gitlab: GitLab, call: Call) -> Response:
    """The metadata as headers: X-Gitlab-File-Path, X-Gitlab-Last-Commit-Id and so on."""
    repository, commit, entry, data = _file(gitlab, call)
    meta = {**_meta(repository, commit, entry, data), "encoding": "base64", "ref": call.query["ref"]}
    headers = {f"X-Gitlab-{name.replace('_', '-').title()}": str(value) for name, value in meta.items()}
    return Response(b"", headers=headers)


def raw(gitlab: GitLab, call: Call) -> Response:
    repository, commit, entry, data = _file(gitlab, call)
    headers = {"X-Gitlab-Blob-Id": entry.id, "X-Gitlab-Commit-Id": commit, "X-Gitlab-File-Path": entry.path}
    return Response(data, media_type="text/plain", headers=headers)


def write(gitlab: GitLab, call: Call, action: str) -> Response:
    """One file, one commit: POST creates, PUT updates, DELETE deletes."""
    project = gitlab.project(call)
    branch, said = call.need("branch", "commit_message")
    change: dict[str, Any] = {**call.body, "action": action, "file_path": call.path["file"]}
    if action != "delete":
        call.need("content")
    actions_commit(gitlab, project, {**call.body, "branch": branch, "commit_message": said, "actions": [change]})
    if action == "delete":
        return Response(status_code=204)
    status = 201 if action == "create" else 200
    return JSONResponse({"file_path": call.path["file"], "branch": branch}, status)


def compare(gitlab: GitLab, call: Call) -> Response:
    """`straight=false` compares `to` with the merge base, as a merge request does."""
    project = gitlab.project(call)
    repository = gitlab.repository(project)
    old, new = (_ref(repository, call.text(name)) for name in ("from", "to"))
    base = old if call.truth("straight") else repository.merge_base(old, new)
    if base is None:
        raise message(400, "Source and target have no merge base")
    commits = repository.commits("--reverse", f"{old}..{new}", "--") if old != new else []
    return JSONResponse(
        {
            "commit": commit_document(gitlab, project, commits[-1]) if commits else None,
            "commits": [commit_document(gitlab, project, commit) for commit in commits],
            "diffs": [diff_document(change) for change in repository.changes(base, new)],
            "compare_timeout": False,
            "compare_same_ref": old == new,
            "web_url": f"{gitlab.shown(project)['web_url']}/-/compare/{old}...{new}",
        }
    )


def diff_document(change: Changed) -> Json:
    return {
        "old_path": change.old_path,
        "new_path": change.new_path,
        "a_mode": change.old_mode if change.old_mode != ZERO_MODE else "0",
        "b_mode": change.new_mode if change.new_mode != ZERO_MODE else "0",
        "new_file": change.status == "A",
        "renamed_file": change.status == "R",
        "deleted_file": change.status == "D",
        "diff": "",
    }


def _ref(repository: Repository, ref: str) -> str:
    found = repository.resolve(ref)
    if found is None:
        raise not_found("Ref")
    return found


def _file(gitlab: GitLab, call: Call) -> tuple[Repository, str, Entry, bytes]:
    project = gitlab.project(call)
    repository = gitlab.repository(project)
    commit = gitlab.commit_id(project, call.text("ref"))
    found = repository.blob(commit, call.path["file"])
    if found is None:
        raise not_found("File")
    return repository, commit, *found


def _meta(repository: Repository, commit: str, entry: Entry, data: bytes) -> Json:
    return {
        "file_name": entry.path.rsplit("/", 1)[-1],
        "file_path": entry.path,
        "size": len(data),
        "content_sha256": hashlib.sha256(data).hexdigest(),
        "blob_id": entry.id,
        "commit_id": commit,
        "last_commit_id": repository.commits("-1", commit, "--", entry.path)[0].id,
        "execute_filemode": entry.mode == "100755",
    }
