"""The GitLab instance: its projects with their repositories, its variants, and the courier of its webhooks."""

import shutil
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.emulators.gitlab.courier import Courier
from local.emulators.gitlab.repository import Repository
from local.emulators.gitlab.settings import USERNAME, Config, Variants
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


def stamp(moment: datetime | None = None) -> str:
    """A date as the API writes it: milliseconds and the offset."""
    return (moment or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Instance:
    def __init__(self, config: Config) -> None:
        self.config = config
        self.url = config.url.rstrip("/")
        self.variants = Variants()
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

    def _folder(self, project_id: int) -> Any:
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
            document = {"id": number, **body}
            self.store.put("project", 0, document)
            self._paths[path] = number
        self.protect(Project(document, repository))
        return Project(document, repository)

    def save(self, project: Project, changes: Json) -> Project:
        document = {**project.body, **changes}
        with self._lock:
            self.store.put("project", 0, document)
        return Project(document, project.repository)

    def delete(self, project: Project) -> None:
        with self._lock:
            self._paths.pop(project.full_path.lower(), None)
            self.store.drop("project", project.id)
            for kind in ("hook", "merge_request"):
                self.store.drop_all(kind, project.id)
            self._repositories.pop(project.id, None)
        project.repository.objects.close()
        shutil.rmtree(project.repository.folder, ignore_errors=True)

    def protect(self, project: Project) -> None:
        """Writes the rules of protected branches where the repository's own hook reads them."""
        project.repository.protect({rule["name"]: rule["rule"] for rule in project.body["protected"]})

    def namespaces(self) -> list[Json]:
        """The user's own, and the groups."""
        own = {"id": 1, "name": "Administrator", "path": USERNAME, "kind": "user", "full_path": USERNAME}
        return [own, *({"kind": "group", "full_path": group["path"], **group} for group in self.store.all("group"))]

    def close(self) -> None:
        self.courier.close()
        for repository in self._repositories.values():
            repository.objects.close()
        self.store.close()
