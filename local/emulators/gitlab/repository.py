"""One bare repository on disk: its refs, its objects, and git itself for everything else."""

import os
import shutil
import subprocess
import threading
from pathlib import Path

from local.emulators.gitlab.objects import Objects

SETTINGS = {
    "gc.auto": "0",  # refs stay loose files, which is how they are read here
    "receive.autogc": "false",
    "receive.advertisePushOptions": "true",
    "receive.shallowUpdate": "false",
    "uploadpack.allowAnySHA1InWant": "true",
    "uploadpack.allowFilter": "true",
    "core.fsync": "none",  # a killed process loses nothing, and a push is twice as fast
}
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
ENVIRONMENT = {**CLEAN, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
# GitLab's own words; git shows them as "remote: ..." and "pre-receive hook declined"
PRE_RECEIVE = """\
#!/bin/sh
refuse() { echo "GitLab: $1" >&2; exit 1; }
while read -r old new ref; do
  [ -f "stoa/protected/$ref" ] || continue
  case "$old" in *[!0]*) existed=yes ;; *) existed= ;; esac
  case "$new" in *[!0]*) ;; *) refuse "You can only delete protected branches using the web interface." ;; esac
  read -r rule < "stoa/protected/$ref"
  [ "$rule" = closed ] && refuse "You are not allowed to push code to protected branches on this project."
  if [ -n "$existed" ] && [ "$rule" = no-force ]; then
    git merge-base --is-ancestor "$old" "$new" ||
      refuse "You are not allowed to force push code to a protected branch on this project."
  fi
done
"""


class GitFailed(Exception):
    """git ended with an error; the text is what it said, `output` what it printed before."""

    def __init__(self, message: str, output: bytes = b"") -> None:
        super().__init__(message)
        self.output = output


class Repository:
    """`lock` serializes everything that moves a ref."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects = Objects(folder)
        self.lock = threading.RLock()
        sha256 = "objectformat = sha256" in (folder / "config").read_text().lower()
        #: the id that stands for nothing: 40 zeros, 64 in a SHA-256 repository
        self.zeros = "0" * (64 if sha256 else 40)

    @classmethod
    def create(cls, folder: Path, branch: str, object_format: str) -> "Repository":
        """Built beside its place and renamed, so that a kill leaves no half of one."""
        building = folder.with_suffix(".building")
        shutil.rmtree(building, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        options = [f"--initial-branch={branch}", f"--object-format={object_format}", "--template="]
        run(["git", "init", "--quiet", "--bare", *options, str(building)])
        lines = [
            f"[{key.rpartition('.')[0]}]\n\t{key.rpartition('.')[2]} = {value}\n" for key, value in SETTINGS.items()
        ]
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

    def refs(self, kind: str = "heads") -> dict[str, str]:
        """Short name to id, sorted by name; `kind` is heads or tags."""
        base = self.folder / "refs" / kind
        found: dict[str, str] = {}
        for parent, _, names in os.walk(base):
            for name in names:
                path = Path(parent) / name
                if not name.endswith(".lock") and (value := self._ref_file(path)):
                    found[str(path.relative_to(base))] = value
        return dict(sorted(found.items()))

    def ref(self, full_name: str) -> str | None:
        """The id that `refs/heads/main` or the like is at."""
        return self._ref_file(self.folder / full_name) if ".." not in full_name.split("/") else None

    def branch(self, name: str) -> str | None:
        return self.ref(f"refs/heads/{name}")

    def _ref_file(self, path: Path) -> str | None:
        try:
            return path.read_text().strip() or None
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError, ValueError):
            return None

    def head(self) -> str:
        """The name of the default branch, whether it exists yet or not."""
        return (self.folder / "HEAD").read_text().strip().removeprefix("ref: refs/heads/")

    def set_head(self, branch: str) -> None:
        self.git("symbolic-ref", "HEAD", f"refs/heads/{branch}")

    def move(self, ref: str, new: str, old: str) -> None:
        """Sets a ref that is at `old`; all zeros for none. Raises GitFailed when it is elsewhere."""
        self.git("update-ref", ref, new, old)

    def protect(self, rules: dict[str, str]) -> None:
        """Branch name to `no-force`, `force` or `closed`, for the hook that git runs before it takes a push."""
        base = self.folder / "stoa" / "protected"
        shutil.rmtree(base, ignore_errors=True)
        for name, rule in rules.items():
            file = base / "refs" / "heads" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{rule}\n")


def run(command: list[str], stdin: bytes = b"") -> bytes:
    done = subprocess.run(command, input=stdin, capture_output=True, env=ENVIRONMENT)
    if done.returncode != 0:
        raise GitFailed(
            done.stderr.decode(errors="replace").strip() or f"git ended with {done.returncode}", done.stdout
        )
    return done.stdout
