"""The ApplicationSet: makes the applications that it is told, or that it finds in Git, and prunes its others."""

import re
import subprocess
from pathlib import Path

from local.emulators.argocd.answers import Json
from local.emulators.argocd.controller import Controller
from local.emulators.argocd.documents import KIND, new

DESIRED = "desired"
EVERY_S = 0.5  # Argo CD itself looks every three minutes, or when a webhook tells it
API_FOLDER = re.compile(r"tenants/([^/]+)/apis/([^/]+)\Z")


class Generator:
    """`repositories` is a folder of bare repositories, each read at its default branch."""

    def __init__(self, controller: Controller, repositories: Path | None) -> None:
        self._controller = controller
        self._store = controller.store
        self._repositories = repositories
        self._folders: dict[Path, tuple[str, list[str]]] = {}
        self._read_at = 0.0
        self._open = True

    def set_desired(self, applications: dict[str, Json]) -> None:
        self._store.put(DESIRED, DESIRED, applications)
        self._open = True

    def generate(self, now: float) -> None:
        """Nothing to do, unless something changed, or one is still on its way out."""
        with self._store.lock:
            if self._repositories is not None and now - self._read_at >= EVERY_S:
                self._read_at = now
                self.set_desired(self._found(self._repositories))
            if self._open:
                self._open = self._generate(self._store.get(DESIRED, DESIRED) or {}, now)

    def _generate(self, wanted: dict[str, Json], now: float) -> bool:
        """Whether an application is being deleted: under its name a new one can be made only then."""
        for app in self._store.all(KIND):
            if app["name"] in wanted:
                self._follow(app, wanted[app["name"]])
            elif app["generated"] and app["deleting"] is None:
                app["deleting"] = now
                self._controller.due(app, now + self._controller.timing.prune_s, "prune")
        for name in wanted:
            if self._controller.look(name, now) is None:
                self._store.put(KIND, name, new(name, wanted[name], now, generated=True))
        return any(app["deleting"] is not None for app in self._store.all(KIND))

    def _follow(self, app: Json, template: Json) -> None:
        """A template that changed is written to the application; its next comparison sees a new head."""
        if template != app["template"]:
            self._store.put(KIND, app["name"], {**app, **template, "template": template})

    def _found(self, repositories: Path) -> dict[str, Json]:
        """`{tenant}-{api}` for each folder tenants/*/apis/* of the repositories; of two the first counts."""
        made: dict[str, Json] = {}
        for repository in sorted(repositories.glob("*.git")):
            head = head_of(repository)
            for match in filter(None, map(API_FOLDER.match, self._folders_of(repository, head))):
                made.setdefault(f"{match[1]}-{match[2]}", {"project": match[1], "head": head})
        return made

    def _folders_of(self, repository: Path, head: str) -> list[str]:
        """Those of its head; git is asked once for each head."""
        known = self._folders.get(repository)
        if known is None or known[0] != head:
            command = ["git", "-C", str(repository), "ls-tree", "-r", "-d", "--name-only", "-z", head]
            # without a head, or in a repository that went meanwhile, there is none
            listed = subprocess.run(command, capture_output=True, text=True).stdout if head else ""
            known = self._folders[repository] = head, listed.split("\0")
        return known[1]


def head_of(repository: Path) -> str:
    """The newest commit of a bare repository's default branch, empty without one. Read from its files: asked of git,
    a hundred repositories cost two hundred processes. Source: gitrepository-layout(5)."""
    try:
        branch = (repository / "HEAD").read_text().removeprefix("ref:").strip()
        loose = repository / branch
        if loose.is_file():
            return loose.read_text().strip()
        packed = (repository / "packed-refs").read_text().splitlines()
    except FileNotFoundError:
        return ""
    return next((line.split()[0] for line in packed if line.endswith(f" {branch}")), "")
