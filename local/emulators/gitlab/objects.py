"""Commits, trees and blobs of one repository, read through a `git cat-file --batch` that stays open.

What an id names never changes, so parsed commits and trees are kept.
"""

import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import IO

KEPT = 50_000
TREE_MODE = "040000"


@dataclass(frozen=True)
class Signature:
    name: str
    email: str
    when: datetime


@dataclass(frozen=True)
class Commit:
    id: str
    tree: str
    parents: tuple[str, ...]
    author: Signature
    committer: Signature
    message: str

    @property
    def title(self) -> str:
        return self.message.lstrip("\n").partition("\n")[0]


@dataclass(frozen=True)
class Entry:
    """One line of a tree; `path` is relative to the tree that was asked for."""

    mode: str
    path: str
    id: str

    @property
    def kind(self) -> str:
        return {TREE_MODE: "tree", "160000": "commit"}.get(self.mode, "blob")


class Objects:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._commits: dict[str, Commit] = {}
        self._trees: dict[str, tuple[Entry, ...]] = {}
        self._last_changes: dict[tuple[str, str], str] = {}

    def read(self, name: str) -> tuple[str, str, bytes] | None:
        """Id, type and content of what git calls `name`; None for what it does not know."""
        if not name or "\n" in name or "\0" in name:
            return None
        with self._lock:
            answers, questions = self._pipes()
            questions.write(name.encode() + b"\n")
            questions.flush()
            header = answers.readline().decode(errors="replace").rstrip("\n")
            if header.endswith((" missing", " ambiguous")):
                return None
            object_id, kind, size = header.split(" ")
            content = answers.read(int(size))
            answers.read(1)
        return object_id, kind, content

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._process is None or self._process.poll() is not None:
            command = ["git", "-C", str(self._folder), "cat-file", "--batch"]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        answers, questions = self._process.stdout, self._process.stdin
        if answers is None or questions is None:
            raise RuntimeError("both were asked for as pipes")
        return answers, questions

    def close(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.communicate()
                self._process = None

    def resolve(self, ref: str) -> Commit | None:
        """The commit that a branch, a tag or an id names; a branch is found before a tag of the same name."""
        known = self._commits.get(ref)
        if known is not None:
            return known
        found = self.read(f"refs/heads/{ref}^{{commit}}") or self.read(f"{ref}^{{commit}}")
        return self._parsed(found[0], found[2]) if found else None

    def commit(self, commit_id: str) -> Commit:
        """Raises KeyError for an id that is no commit."""
        known = self._commits.get(commit_id)
        if known is not None:
            return known
        found = self.read(f"{commit_id}^{{commit}}")
        if found is None:
            raise KeyError(commit_id)
        return self._parsed(found[0], found[2])

    def _parsed(self, commit_id: str, content: bytes) -> Commit:
        if len(self._commits) > KEPT:
            self._commits.clear()
        commit = parse_commit(commit_id, content)
        self._commits[commit_id] = commit
        return commit

    def tree(self, tree_id: str) -> tuple[Entry, ...]:
        known = self._trees.get(tree_id)
        if known is not None:
            return known
        found = self.read(f"{tree_id}^{{tree}}")
        entries = tuple(parse_tree(found[2], len(found[0]) // 2)) if found else ()
        if len(self._trees) > KEPT:
            self._trees.clear()
        self._trees[tree_id] = entries
        return entries

    def entry(self, tree_id: str, path: str) -> Entry | None:
        """What a path names below a tree."""
        found: Entry | None = None
        for name in path.split("/"):
            if found is not None and found.kind != "tree":
                return None
            below = self.tree(found.id if found else tree_id)
            found = next((entry for entry in below if entry.path == name), None)
            if found is None:
                return None
        return Entry(found.mode, path, found.id) if found else None

    def walk(self, tree_id: str, prefix: str = "") -> Iterator[Entry]:
        """All entries below a tree, folders before what is in them."""
        for entry in self.tree(tree_id):
            path = prefix + entry.path
            yield Entry(entry.mode, path, entry.id)
            if entry.kind == "tree":
                yield from self.walk(entry.id, f"{path}/")

    def last_change(self, commit_id: str, path: str) -> str:
        """The commit that touched a path last, at or before `commit_id`; follows merges as `git log -1 -- path`."""
        walked: list[str] = []
        current, last = commit_id, ""
        while not last:
            last = self._last_changes.get((current, path), "")
            walked.append(current)
            commit = self.commit(current)
            here = self.entry(commit.tree, path)
            same = next((p for p in commit.parents if self.entry(self.commit(p).tree, path) == here), None)
            if same is None:
                last = last or current
            else:
                current = same
        if len(self._last_changes) > KEPT:
            self._last_changes.clear()
        self._last_changes.update({(one, path): last for one in walked})
        return last

    def changes(self, old: str | None, new: str | None, prefix: str = "") -> Iterator[tuple[str, str]]:
        """Differences of two trees as (`added`, `modified` or `removed`, path); without renames."""
        before = {entry.path: entry for entry in self.tree(old)} if old else {}
        after = {entry.path: entry for entry in self.tree(new)} if new else {}
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                yield from self._change(before.get(name), after.get(name), prefix + name)

    def _change(self, before: Entry | None, after: Entry | None, path: str) -> Iterator[tuple[str, str]]:
        old_tree = before.id if before and before.kind == "tree" else None
        new_tree = after.id if after and after.kind == "tree" else None
        old_file, new_file = before is not None and not old_tree, after is not None and not new_tree
        if old_file or new_file:
            yield "modified" if old_file and new_file else "added" if new_file else "removed", path
        if old_tree or new_tree:
            yield from self.changes(old_tree, new_tree, f"{path}/")


def parse_tree(content: bytes, id_bytes: int) -> Iterator[Entry]:
    """Entries of a tree object: `<mode> <name>\\0<binary id>`, again and again."""
    position = 0
    while position < len(content):
        blank = content.index(b" ", position)
        end = content.index(b"\0", blank)
        mode = content[position:blank].decode().zfill(6)
        name = content[blank + 1 : end].decode(errors="replace")
        position = end + 1 + id_bytes
        yield Entry(mode, name, content[end + 1 : position].hex())


def parse_commit(commit_id: str, content: bytes) -> Commit:
    head, _, message = content.decode(errors="replace").partition("\n\n")
    lines = [line.partition(" ") for line in head.split("\n") if not line.startswith(" ")]
    fields = {key: value for key, _, value in lines}
    parents = tuple(value for key, _, value in lines if key == "parent")
    author, committer = parse_signature(fields["author"]), parse_signature(fields["committer"])
    return Commit(commit_id, fields["tree"], parents, author, committer, message)


def parse_signature(text: str) -> Signature:
    """`Name <mail> 1700000000 +0200`."""
    name, _, rest = text.partition(" <") if " <" in text else ("", "", text.removeprefix("<"))
    email, _, when = rest.rpartition("> ")
    seconds, _, zone = when.partition(" ")
    minutes = int(zone[-4:-2] or 0) * 60 + int(zone[-2:] or 0) if zone else 0
    offset = timedelta(minutes=-minutes if zone.startswith("-") else minutes)
    moment = datetime.fromtimestamp(int(seconds), UTC).astimezone(timezone(offset))
    return Signature(name, email, moment)
