"""The GitLab instance: its projects with their repositories, its variants, and the courier of its webhooks."""

import fnmatch
import shutil
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from local.emulators.gitlab.courier import Courier
from local.emulators.gitlab.limits import RateLimit
from local.emulators.gitlab.repository import Repository
from local.emulators.gitlab.settings import Config, Variants
from local.emulators.gitlab.store import Json, Store


@dataclass(frozen=True)
class Project:
    """`body` is what is stored; `repository` is shared by everyone who has this project."""

    body: Json
    repository: Repository

    @property
    def id(self) -> int:
        return int(self.body["id"])

    @property
    def full_path(self) -> str:
        return f"{self.body['namespace']}/{self.body['path']}"

    @property
    def default_branch(self) -> str:
        return self.repository.head()

    @property
    def private(self) -> bool:
        return bool(self.body["visibility"] == "private")

    def protection(self, branch: str) -> Json | None:
        """The rule of protected branches that covers one; its name may be a pattern."""
        rules: list[Json] = self.body["protected"]
        return next((rule for rule in rules if fnmatch.fnmatchcase(branch, rule["name"])), None)


def stamp(moment: datetime | None = None) -> str:
    """A date as the API writes it: milliseconds and the offset."""
    return (moment or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Instance:
    def __init__(self, config: Config) -> None:
        self.config = config
        self.url = config.url.rstrip("/")
        self.variants = Variants()
        self.rate_limit = RateLimit()
        self.store = Store(config.state)
        self.courier = Courier(self.store, self.variants, self.url)
        self._repositories: dict[int, Repository] = {}
        self._paths: dict[str, int] = {}
        self._lock = threading.RLock()
        for body in self.store.all("project"):
            self._paths[f"{body['namespace']}/{body['path']}".lower()] = body["id"]

    def projects(self) -> list[Project]:
        return [self._project(body) for body in self.store.all("project")]

    def project(self, name: str) -> Project | None:
        """By number or by full path, in any case of letters."""
        number = int(name) if name.isascii() and name.isdigit() else self._paths.get(name.lower())
        body = self.store.get("project", number) if number is not None else None
        return self._project(body) if body else None

    def _project(self, body: Json) -> Project:
        with self._lock:
            repository = self._repositories.get(body["id"])
            if repository is None:
                repository = Repository(self._folder(body["id"]))
                self._repositories[body["id"]] = repository
        return Project(body, repository)

    def _folder(self, project_id: int) -> Path:
        return self.config.state / "repositories" / f"{project_id}.git"

    def create(self, body: Json, branch: str, object_format: str) -> Project | None:
        """None when the path is taken. The repository is there before the project is."""
        path = f"{body['namespace']}/{body['path']}".lower()
        with self._lock:
            if path in self._paths:
                return None
            number = self.store.number("project")
            self._folder(number).parent.mkdir(exist_ok=True)
            repository = Repository.create(self._folder(number), branch, object_format)
            self._repositories[number] = repository
            project = Project({"id": number, **body}, repository)
            self.save(project, {})
            self._paths[path] = number
        return project

    def save(self, project: Project, changes: Json) -> Project:
        """Also writes the rules of protected branches where the repository's own hook reads them."""
        changed = Project({**project.body, **changes}, project.repository)
        with self._lock:
            changed.repository.protect({rule["name"]: rule["rule"] for rule in changed.body["protected"]})
            self.store.put("project", 0, changed.body)
        return changed

    def delete(self, project: Project) -> None:
        with self._lock:
            self._paths.pop(project.full_path.lower(), None)
            self.store.drop("project", project.id)
            self.store.drop_all("hook", project.id)
            self._repositories.pop(project.id, None)
        shutil.rmtree(project.repository.folder, ignore_errors=True)

    def close(self) -> None:
        self.courier.close()
        self.store.close()
