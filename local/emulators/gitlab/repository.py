"""One bare repository on disk, read and changed by the git program."""

import os
import shutil
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path

SETTINGS = {
    "gc.auto": "0",
    "receive.autogc": "false",
    "receive.advertisePushOptions": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    "uploadpack.allowFilter": "true",
    "core.fsync": "none",  # a killed process loses nothing, and a push is faster
}
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
ENVIRONMENT = {
    **CLEAN,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_LITERAL_PATHSPECS": "1",
}
# GitLab's own words; git shows them as "remote: ..." and "pre-receive hook declined"
PRE_RECEIVE = """\
#!/bin/sh
refuse() { echo "GitLab: $1" >&2; exit 1; }
while read -r old new ref; do
  while read -r rule pattern; do
    case "$ref" in refs/heads/$pattern) ;; *) continue ;; esac
    case "$new" in *[!0]*) ;; *) refuse "You can only delete protected branches using the web interface." ;; esac
    [ "$rule" = closed ] && refuse "You are not allowed to push code to protected branches on this project."
    case "$old" in *[!0]*) ;; *) continue ;; esac
    [ "$rule" = force ] || git merge-base --is-ancestor "$old" "$new" ||
      refuse "You are not allowed to force push code to a protected branch on this project."
  done < protected
done
"""
EMPTY_TREES = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
FORMAT = "%H%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"
FIELDS = 9
TREES = 4  # of one repository, kept in memory
NO_CHARACTER = "\ufffd"  # what stands for bytes of a name that are none
HEADS, TAGS = "refs/heads/", "refs/tags/"


class GitFailed(Exception):
    """git ended with an error; the text is what it said."""


@dataclass(frozen=True)
class Signature:
    name: str
    email: str
    when: datetime


@dataclass(frozen=True)
class Commit:
    id: str
    parents: tuple[str, ...]
    author: Signature
    committer: Signature
    message: str

    @property
    def title(self) -> str:
        return self.message.lstrip("\n").partition("\n")[0]


@dataclass(frozen=True)
class Entry:
    """A line of a tree; `type` is blob, tree or commit (a submodule)."""

    mode: str
    type: str
    id: str
    path: str


@dataclass(frozen=True)
class Delta:
    """One changed file; `status` is git's letter, `diff` the hunks when they were asked for."""

    status: str
    old_path: str
    new_path: str
    old_mode: str
    new_mode: str
    diff: str = ""


class Repository:
    """`lock` serializes everything that moves a ref."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        sha256 = "objectformat = sha256" in (folder / "config").read_text().lower()
        #: the id that stands for nothing: 40 zeros, 64 in a SHA-256 repository
        self.zeros = "0" * (64 if sha256 else 40)
        self.empty_tree = EMPTY_TREES[len(self.zeros)]
        # what one commit holds never changes, and a project is read again and again at the same one
        self._known: set[str] = set()
        self._whole_tree = lru_cache(TREES)(self._read_tree)

    @classmethod
    def create(cls, folder: Path, branch: str, object_format: str) -> "Repository":
        """Built beside its place and renamed, so that a kill leaves no half of one."""
        building = folder.with_suffix(".building")
        shutil.rmtree(building, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        options = [f"--initial-branch={branch}", f"--object-format={object_format}", "--template="]
        run(["git", "init", "--quiet", "--bare", *options, str(building)])
        lines = [f"[{key.partition('.')[0]}]\n\t{key.partition('.')[2]} = {value}\n" for key, value in SETTINGS.items()]
        with (building / "config").open("a") as config:
            config.write("".join(lines))
        hook = building / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(PRE_RECEIVE)
        hook.chmod(0o755)
        building.rename(folder)
        return cls(folder)

    def git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """What git prints. Raises GitFailed."""
        return run(["git", "-C", str(self.folder), *arguments], stdin)

    def _text(self, *arguments: str, stdin: bytes = b"") -> str:
        return self.git(*arguments, stdin=stdin).decode(errors="replace")

    def refs(self) -> dict[str, str]:
        """Full name to id of every branch and tag; an annotated tag is the id of its object."""
        said = self._text("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags")
        pairs = [line.split(" ", 1) for line in said.splitlines()]
        return {name: number for number, name in pairs}

    def branches(self) -> dict[str, str]:
        return {ref.removeprefix(HEADS): number for ref, number in self.refs().items() if ref.startswith(HEADS)}

    def branch(self, name: str) -> str | None:
        return self.branches().get(name)

    def head(self) -> str:
        """The name of the default branch, whether it exists yet or not."""
        return (self.folder / "HEAD").read_text().strip().removeprefix(f"ref: {HEADS}")

    def is_branch_name(self, name: str) -> bool:
        try:
            self.git("check-ref-format", HEADS + name)
        except GitFailed:
            return False
        return not name.startswith("-")

    def set_head(self, branch: str) -> None:
        self.git("symbolic-ref", "HEAD", HEADS + branch)

    def resolve(self, *refs: str) -> list[str | None]:
        """For each the commit that a branch, a tag or an id names; a branch is found before a tag of its name."""
        if len(refs) == 1 and refs[0] in self._known:
            return list(refs)
        found = self._resolve(refs)
        # GitLab takes no branch or tag that looks like an id, and no commit goes away here
        self._known.update(ref for ref, commit in zip(refs, found, strict=True) if ref == commit)
        return found

    def _resolve(self, refs: Sequence[str]) -> list[str | None]:
        names = [f"{kind}{ref}^{{commit}}" for ref in refs for kind in (HEADS, TAGS, "")]
        asked = [" " if "\n" in name else name for name in names]
        said = self._text("cat-file", "--batch-check", stdin="".join(f"{name}\n" for name in asked).encode())
        found = [line.split(" ")[0] if " commit " in line else None for line in said.splitlines()]
        return [next(filter(None, found[at : at + 3]), None) for at in range(0, len(found), 3)]

    def commits(self, *arguments: str) -> list[Commit]:
        """What `git log` lists, the newest first."""
        said = self._text("log", "-z", f"--format={FORMAT}", *arguments).split("\0")
        return [_commit(said[at : at + FIELDS]) for at in range(0, len(said) - 1, FIELDS)]

    def commit(self, commit_id: str) -> Commit:
        return self.commits("-1", commit_id, "--")[0]

    def ids(self, *arguments: str) -> list[str]:
        """What `git rev-list` lists, the newest first."""
        return self._text("rev-list", *arguments).split()

    def last_commit(self, commit_id: str, path: str) -> str | None:
        """The last one, at or before `commit_id`, that touched a path."""
        return next(iter(self.ids("-1", commit_id, "--", path)), None)

    def tree(self, commit_id: str, folder: str = "", *, recursive: bool = False) -> list[Entry]:
        """What is in a folder, by default in the topmost one."""
        start = f"{folder}/" if folder else ""
        found = [entry for entry in self._whole_tree(commit_id) if entry.path.startswith(start)]
        return found if recursive else [entry for entry in found if "/" not in entry.path[len(start) :]]

    def _read_tree(self, commit_id: str) -> list[Entry]:
        lines = self._text("ls-tree", "-z", "--full-tree", "-r", "-t", commit_id).split("\0")[:-1]
        return [_entry(line) for line in lines]

    def file(self, commit_id: str, path: str) -> Entry | None:
        """None also for a name that is listed and is no text: git would not find it under what stands for it."""
        if NO_CHARACTER in path:
            return None
        found = (entry for entry in self._whole_tree(commit_id) if entry.path == path)
        return next((entry for entry in found if entry.type == "blob"), None)

    def blob(self, blob_id: str) -> bytes:
        return self.git("cat-file", "blob", blob_id)

    def merge_base(self, one: str, other: str) -> str | None:
        try:
            return self._text("merge-base", one, other).strip()
        except GitFailed:
            return None

    def deltas(self, old: str, new: str, *, patch: bool = False) -> list[Delta]:
        """Changed files between two commits or trees, renames found."""
        flags = ["--raw", "--patch"] if patch else ["--raw"]
        said = self._text("diff-tree", "-r", "-z", "-M", *flags, old, new)
        raw, _, patches = said.partition("\0\0")
        found = list(_deltas(raw.rstrip("\0").split("\0"))) if raw else []
        return _with_hunks(found, patches) if patch else found

    def stats(self, old: str, new: str) -> tuple[int, int]:
        """Added and deleted lines; binary files count for nothing."""
        lines = [line.split("\t") for line in self._text("diff-tree", "-r", "-M", "--numstat", old, new).splitlines()]
        numbers = [(added, deleted) for added, deleted, _ in lines if added != "-"]
        return sum(int(added) for added, _ in numbers), sum(int(deleted) for _, deleted in numbers)

    def protect(self, rules: dict[str, str]) -> None:
        """Branch or pattern to `no-force`, `force` or `closed`, for the hook that git runs before it takes a push."""
        written = self.folder / "protected.new"
        written.write_text("".join(f"{rule} {pattern}\n" for pattern, rule in rules.items()))
        written.replace(self.folder / "protected")


def run(command: Sequence[str], stdin: bytes = b"") -> bytes:
    done = subprocess.run(command, input=stdin, capture_output=True, env=ENVIRONMENT)
    if done.returncode != 0:
        raise GitFailed(done.stderr.decode(errors="replace").strip() or f"git ended with {done.returncode}")
    return done.stdout


def _entry(line: str) -> Entry:
    meta, _, path = line.partition("\t")
    mode, kind, number = meta.split(" ")
    return Entry(mode, kind, number, path)


def _commit(fields: list[str]) -> Commit:
    number, parents, name, email, authored, by, by_email, committed, message = fields
    author = Signature(name, email, datetime.fromisoformat(authored))
    committer = Signature(by, by_email, datetime.fromisoformat(committed))
    return Commit(number, tuple(parents.split()), author, committer, message)


def _deltas(parts: list[str]) -> list[Delta]:
    """From `:old-mode new-mode old-id new-id status`, path, and for a rename its new path."""
    found: list[Delta] = []
    rest = iter(parts)
    for head in rest:
        old_mode, new_mode, _, _, status = head[1:].split(" ")
        old_path = next(rest)
        new_path = next(rest) if status[0] in "RC" else old_path
        found.append(Delta(status[0], old_path, new_path, old_mode, new_mode))
    return found


def _with_hunks(deltas: list[Delta], patches: str) -> list[Delta]:
    """Patches come in the order of the raw lines; a changed type is two of them."""
    # no line of a hunk begins with "diff"
    texts = iter(f"\n{patches}".split("\ndiff --git ")[1:])
    return [
        replace(delta, diff="".join(_hunks(next(texts)) for _ in range(2 if delta.status == "T" else 1)))
        for delta in deltas
    ]


def _hunks(patch: str) -> str:
    """A patch without git's head: GitLab shows hunks, or one line for a binary file."""
    lines = f"{patch}\n".splitlines(keepends=True) if not patch.endswith("\n") else patch.splitlines(keepends=True)
    starts = (at for at, line in enumerate(lines) if line.startswith(("@@ ", "Binary files ")))
    return "".join(lines[next(starts, len(lines)) :])
