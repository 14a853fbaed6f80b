"""Commits made by the API: several files in one step, through one `git fast-import`."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from local.emulators.gitlab.instance import Project
from local.emulators.gitlab.settings import USER_MAIL, USER_NAME

MODES = {False: "100644", True: "100755"}


@dataclass
class Files:
    """What a commit does to a tree: contents by path with their mode, and paths that go."""

    written: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Author:
    name: str = USER_NAME
    email: str = USER_MAIL


def commit_files(project: Project, branch: str, parent: str | None, message: str, author: Author, files: Files) -> str:
    """Moves `branch` to a new commit on `parent`; gives its id. The caller holds the repository's lock."""
    repository = project.repository
    ref = f"refs/heads/{branch}"
    before = repository.ref(ref)
    lines = [b"feature done\n", f"commit {ref}\n".encode()]
    now = f"{int(datetime.now(UTC).timestamp())} +0000"
    lines.append(f"author {_clean(author.name)} <{_clean(author.email)}> {now}\n".encode())
    lines.append(f"committer {USER_NAME} <{USER_MAIL}> {now}\n".encode())
    lines.append(_data(message.encode()))
    if parent is not None:
        lines.append(f"from {parent}\n".encode())
    lines += [b"D " + _quoted(path) + b"\n" for path in files.removed]
    for path, (mode, content) in files.written.items():
        lines += [f"M {mode} inline ".encode() + _quoted(path) + b"\n", _data(content)]
    lines.append(b"done\n")
    force = ["--force"] if before is not None and before != parent else []
    repository.git("fast-import", "--quiet", *force, stdin=b"".join(lines))
    made = repository.ref(ref)
    if made is None or made == before:
        raise RuntimeError(f"{ref} did not move")
    return made


def first_commit(project: Project, path: str, content: bytes, message: str) -> str:
    """The commit that an empty project begins with."""
    with project.repository.lock:
        files = Files({path: (MODES[False], content)})
        return commit_files(project, project.default_branch, None, message, Author(), files)


def _data(content: bytes) -> bytes:
    return f"data {len(content)}\n".encode() + content + b"\n"


def _quoted(path: str) -> bytes:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return b'"' + escaped.encode() + b'"'


def _clean(text: str) -> str:
    return "".join(c for c in text if c not in "<>\n\0").strip()
