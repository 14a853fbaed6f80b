"""Trees and files of a repository: read at a commit, written one at a time."""

import base64
import hashlib
import string
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from local.emulators.gitlab.answers import Json, answer, not_found, nothing
from local.emulators.gitlab.call import Call
from local.emulators.gitlab.commits import commit_actions
from local.emulators.gitlab.repository import Entry
from local.emulators.gitlab.writes import check_action

CHANGED = "You are attempting to update a file that has changed since you started editing it."
GONE = "You are attempting to delete a file that has been previously updated."
# what stands in a header as it is; the rest, and the percent sign itself, is percent-encoded
PLAIN = string.punctuation.replace("%", "")


def tree(call: Call) -> Response:
    """Folders first, then files, then submodules, also in the recursive list."""
    ref, path = call.text("ref") or "HEAD", call.text("path").strip("/")
    commit = call.commit(ref, "Tree")
    found = call.repository.tree(commit, path, recursive=call.flag("recursive"))
    if path and not found:
        raise not_found("invalid revision or path")
    ordered = sorted(found, key=lambda entry: ("tree", "blob", "commit").index(entry.type))
    return call.listed(ordered, shown=_line, key=lambda entry: base64.b64encode(entry.path.encode()).decode())


def _line(entry: Entry) -> Json:
    name = entry.path.rpartition("/")[2]
    return {"id": entry.id, "name": name, "type": entry.type, "path": entry.path, "mode": entry.mode}


def read(call: Call) -> Response:
    call.need("ref")
    meta, content = _file(call)
    return answer({**meta, "content": base64.b64encode(content).decode()}, headers=_headers(meta))


def head(call: Call) -> Response:
    call.need("ref")
    meta, _ = _file(call)
    return Response(b"", headers=_headers(meta))


def raw(call: Call) -> Response:
    """The bytes, at the default branch unless told otherwise."""
    meta, content = _file(call)
    return Response(content, media_type="text/plain", headers=_headers(meta))


def _headers(meta: Json) -> dict[str, str]:
    """`X-Gitlab-Last-Commit-Id` and so on."""
    texts = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in meta.items()}
    return {f"X-Gitlab-{name.replace('_', '-').title()}": _header(text) for name, text in texts.items()}


def _header(text: str) -> str:
    """A path may hold what a header may not, and a blank at its begin or end would cut the connection."""
    return quote(text, safe=PLAIN)


def _file(call: Call) -> tuple[Json, bytes]:
    ref, path = call.text("ref") or "HEAD", call.args["path"]
    commit = call.commit(ref)
    entry = call.repository.file(commit, path)
    if entry is None:
        raise not_found("File")
    content = call.repository.blob(entry.id)
    call.instance.rate_limit.take_large(len(content))
    meta = {
        "file_name": path.rpartition("/")[2],
        "file_path": path,
        "size": len(content),
        "encoding": "base64",
        "content_sha256": hashlib.sha256(content).hexdigest(),
        "ref": ref,
        "blob_id": entry.id,
        "commit_id": commit,
        "last_commit_id": call.repository.last_commit(commit, path),
        "execute_filemode": entry.mode == "100755",
    }
    return meta, content


def create(call: Call) -> Response:
    return _write(call, "create", CHANGED, 201)


def update(call: Call) -> Response:
    return _write(call, "update", CHANGED, 200)


def delete(call: Call) -> Response:
    _commit(call, "delete", GONE)
    return nothing()


def _write(call: Call, action: str, changed: str, status: int) -> Response:
    call.need("branch", "commit_message")
    if call.params.get("content") is None:
        call.need("content")
    _commit(call, action, changed)
    return answer({"file_path": call.args["path"], "branch": call.text("branch")}, status)


def _commit(call: Call, name: str, changed: str) -> None:
    """One file, one commit."""
    call.need("branch", "commit_message")
    given = ("content", "encoding", "last_commit_id")
    action: dict[str, Any] = {key: call.params[key] for key in given if call.params.get(key) is not None}
    actions = [{**action, "action": name, "file_path": call.args["path"]}]
    if "execute_filemode" in call.params and name != "delete":
        mode = call.flag("execute_filemode")
        actions.append({"action": "chmod", "file_path": call.args["path"], "execute_filemode": mode})
    commit_actions(call, [check_action(one, "file") for one in actions], changed)
