"""Commits made by the API: several files in one step, through one `git fast-import`."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from local.emulators.gitlab.answers import Json, bad_request, refuse
from local.emulators.gitlab.instance import Project
from local.emulators.gitlab.repository import HEADS
from local.emulators.gitlab.settings import USER_MAIL, USER_NAME

MODES = {False: "100644", True: "100755"}
ACTIONS = ("create", "update", "move", "delete", "chmod")
NEEDED = {"update": "content", "move": "previous_path", "chmod": "execute_filemode"}
EXISTS, MISSING = "A file with this name already exists", "A file with this name doesn't exist"
IS_FOLDER = "A directory with this name already exists"

# mode and content of a file, or the id of the blob that has it already
File = tuple[str, bytes | str]


@dataclass(frozen=True)
class Author:
    name: str = USER_NAME
    email: str = USER_MAIL


def check_action(action: object, where: str) -> Json:
    """The parameters of one action, before anything is looked up. Raises Refusal in the words of the parser."""
    if not isinstance(action, dict):
        raise bad_request(f"{where} is invalid")
    for name in ("action", "file_path"):
        if action.get(name) in (None, ""):
            raise bad_request(f"{where}[{name}] is {'empty' if action.get(name) == '' else 'missing'}")
    if action["action"] not in ACTIONS:
        raise bad_request(f"{where}[action] does not have a valid value")
    needed = NEEDED.get(action["action"])
    if needed is not None and action.get(needed) is None:
        raise bad_request(f"{where}[{needed}] is missing")
    for name in ("file_path", "previous_path"):
        path = str(action.get(name) or "a")
        if "\0" in path or set(path.split("/")) & {"", ".", "..", ".git"}:
            raise bad_request(f"{where}[{name}] should be a valid file path")
    return {**action, "content": _content(action, where)}


def _content(action: Json, where: str) -> bytes | None:
    given = action.get("content")
    if given is None:
        return None
    if action.get("encoding", "text") == "text":
        return str(given).encode()
    if action["encoding"] != "base64":
        raise bad_request(f"{where}[encoding] does not have a valid value")
    try:
        return base64.b64decode(str(given), validate=True)
    except binascii.Error as error:
        raise bad_request(f"{where}[content] is not valid base64") from error


class Tree:
    """The files of a commit by path, and what actions make of them."""

    def __init__(self, files: Mapping[str, File]) -> None:
        self.files: dict[str, File] = dict(files)

    def apply(self, action: Json) -> None:
        """Raises Refusal; what was applied before is then forgotten with this object."""
        path, name = str(action["file_path"]), action["action"]
        if name in ("create", "move"):
            self._must_be_free(path)
        before = self.files.get(path)
        if name == "create":
            self.files[path] = (MODES[bool(action.get("execute_filemode"))], action["content"] or b"")
        elif name == "move":
            mode, content = self._taken(str(action["previous_path"]))
            self.files[path] = (mode, content if action["content"] is None else action["content"])
        elif before is None:
            raise refuse(400, MISSING)
        elif name == "delete":
            del self.files[path]
        elif name == "update":
            self.files[path] = (before[0], action["content"])
        else:
            self.files[path] = (MODES[bool(action["execute_filemode"])], before[1])

    def _taken(self, path: str) -> File:
        found = self.files.pop(path, None)
        if found is None:
            raise refuse(400, MISSING)
        return found

    def _must_be_free(self, path: str) -> None:
        parts = path.split("/")
        if any("/".join(parts[:depth]) in self.files for depth in range(1, len(parts) + 1)):
            raise refuse(400, EXISTS)
        if any(other.startswith(f"{path}/") for other in self.files):
            raise refuse(400, IS_FOLDER)


def commit_files(
    project: Project,
    branch: str,
    parent: str | None,
    message: str,
    author: Author,
    before: Mapping[str, File],
    after: Mapping[str, File],
) -> str:
    """Moves `branch` to a new commit on `parent`; gives its id. The caller holds the repository's lock."""
    now = f"{int(datetime.now(UTC).timestamp())} +0000"
    lines = [
        b"feature done\n",
        f"commit {HEADS}{branch}\nmark :1\n".encode(),
        f"author {_clean(author.name)} <{_clean(author.email)}> {now}\n".encode(),
        f"committer {USER_NAME} <{USER_MAIL}> {now}\n".encode(),
        _data(message.encode()),
    ]
    if parent is not None:
        lines.append(f"from {parent}\n".encode())
    lines += [b"D " + _quoted(path) + b"\n" for path in before if path not in after]
    for path, file in after.items():
        if file != before.get(path):
            lines.append(_change(path, *file))
    stream = b"".join([*lines, b"get-mark :1\ndone\n"])
    return project.repository.git("fast-import", "--quiet", "--force", stdin=stream).decode().strip()


def _change(path: str, mode: str, content: bytes | str) -> bytes:
    if isinstance(content, str):
        return f"M {mode} {content} ".encode() + _quoted(path) + b"\n"
    return f"M {mode} inline ".encode() + _quoted(path) + b"\n" + _data(content)


def _data(content: bytes) -> bytes:
    return f"data {len(content)}\n".encode() + content + b"\n"


def _quoted(path: str) -> bytes:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return b'"' + escaped.encode() + b'"'


def _clean(text: str) -> str:
    return "".join(c for c in text if c not in "<>\n\0").strip()
