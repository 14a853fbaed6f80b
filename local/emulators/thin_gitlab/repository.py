import os
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

NONE = "0" * 40
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
ZERO_MODE = "000000"
FORMAT = "%H%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"
ENVIRONMENT = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


class GitError(Exception):
    pass


@dataclass(frozen=True)
class Commit:
    id: str
    parents: tuple
    author: tuple
    committer: tuple
    message: str

    @property
    def title(self):
        return self.message.split("\n", 1)[0]


@dataclass(frozen=True)
class Entry:
    mode: str
    type: str
    id: str
    path: str


@dataclass(frozen=True)
class Changed:
    status: str
    old_path: str
    new_path: str
    old_mode: str
    new_mode: str


class Repository:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.RLock()

    def create(self) -> None:
        subprocess.run(["git", "init", "--bare", "--quiet", str(self.folder)], check=True, env=ENVIRONMENT)
        self.git("config", "http.receivepack", "true")

    def git(self, *arguments, data=None, environment=None):
        done = subprocess.run(["git", *arguments], cwd=self.folder, input=data, capture_output=True, env={**ENVIRONMENT, **(environment or {})})
        if done.returncode != 0:
            raise GitError(done.stderr.decode(errors="replace").strip())
        return done.stdout

    def branches(self):
        said = self.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags").decode()
        return dict(line.split(" ", 1) for line in said.splitlines())

    def resolve(self, ref):
        if ref.startswith("-") or ".." in ref:
            return None
        for name in (f"refs/heads/{ref}", f"refs/tags/{ref}", ref):
            try:
                return self.git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip()
            except GitError:
                continue
        return None

    def commits(self, *arguments):
        said = self.git("log", "-z", f"--format={FORMAT}%x01", *arguments).decode(errors="replace")
        return [_commit(text.lstrip("\0")) for text in said.split("\x01") if text.strip("\0\n")]

    def commit(self, ref):
        return self.commits("-1", ref, "--")[0]

    def tree(self, commit, path, *, recursive):
        flags = ["-r", "-t"] if recursive else []
        where = [f"{path.rstrip('/')}/"] if path else []
        said = self.git("ls-tree", "-z", "--full-tree", *flags, commit, "--", *where).decode(errors="replace")
        found = []
        for line in said.split("\0"):
            if line:
                meta, name = line.split("\t", 1)
                mode, kind, number = meta.split(" ")
                found.append(Entry(mode, kind, number, name))
        return [entry for entry in found if entry.path != path.rstrip("/")]

    def blob(self, commit, path):
        said = self.git("ls-tree", "-z", "--full-tree", commit, "--", path).decode(errors="replace").split("\0")
        for line in said:
            meta, _, name = line.partition("\t")
            if name == path and " blob " in meta:
                mode, kind, number = meta.split(" ")
                return Entry(mode, kind, number, name), self.git("cat-file", "blob", number)
        return None

    def changes(self, old, new):
        said = self.git("diff-tree", "-r", "-z", "-M", "--raw", "--no-commit-id", old, new).decode(errors="replace")
        return _changes(said.split("\0"))

    def merge_base(self, one, other):
        try:
            return self.git("merge-base", one, other).decode().strip()
        except GitError:
            return None

    def move(self, branch, new, old):
        self.git("update-ref", f"refs/heads/{branch}", new, old)


def _commit(text):
    number, parents, an, ae, at, cn, ce, ct, body = text.split("\0", 8)
    return Commit(number, tuple(parents.split()), (an, ae, at), (cn, ce, ct), body)


def _changes(parts):
    found, at = [], 0
    while at < len(parts) and parts[at].startswith(":"):
        old_mode, new_mode, _, _, status = parts[at][1:].split(" ")
        paths = 2 if status[0] in "RC" else 1
        found.append(Changed(status[0], parts[at + 1], parts[at + paths], old_mode, new_mode))
        at += 1 + paths
    return found
