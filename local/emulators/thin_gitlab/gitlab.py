"""What every part of the emulator shares: projects, their repositories, and who hears of a push."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from local.emulators.thin_gitlab.answers import Call, Json, not_found
from local.emulators.thin_gitlab.deliveries import Deliveries
from local.emulators.thin_gitlab.push_events import events
from local.emulators.thin_gitlab.repository import Repository
from local.emulators.thin_gitlab.settings import NAMESPACE, USER, Config
from local.emulators.thin_gitlab.store import Store


def moment() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class GitLab:
    """The state of one server."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.store = Store(config.state)
        self.deliveries = Deliveries(self.store, config.url)
        self._repositories: dict[int, Repository] = {}
        self._lock = threading.Lock()
        self._limited, self._retry_after_s = 0, 1

    def limit(self, requests: int, retry_after_s: int) -> None:
        """The next so many API requests are refused."""
        self._limited, self._retry_after_s = requests, retry_after_s

    def spend(self) -> int | None:
        """Seconds to wait when the request is one too many."""
        with self._lock:
            if self._limited <= 0:
                return None
            self._limited -= 1
            return self._retry_after_s

    def project(self, call: Call) -> Json:
        """The project that the path names by number or by its full path. Raises Refusal."""
        found = self.find_project(call.path["project"])
        if found is None:
            raise not_found("Project")
        return found

    def find_project(self, name: str) -> Json | None:
        if name.isascii() and name.isdigit():
            return self.store.get("project", int(name))
        return next((p for p in self.store.all("project") if p["path_with_namespace"] == name), None)

    def create_project(self, name: str, path: str, default_branch: str, description: str) -> Json:
        full = f"{NAMESPACE['path']}/{path}"
        web = f"{self.config.url}/{full}"
        made = self.store.add(
            "project",
            0,
            {
                "name": name,
                "path": path,
                "name_with_namespace": f"{NAMESPACE['name']} / {name}",
                "path_with_namespace": full,
                "description": description,
                "default_branch": default_branch,
                "visibility": "private",
                "namespace": NAMESPACE,
                "web_url": web,
                "http_url_to_repo": f"{web}.git",
                "ssh_url_to_repo": f"git@127.0.0.1:{full}.git",
                "created_at": moment(),
                "archived": False,
                "empty_repo": True,
                "creator_id": USER["id"],
            },
        )
        self.repository(made).create()
        self.repository(made).git("symbolic-ref", "HEAD", f"refs/heads/{default_branch}")
        return made

    def shown(self, project: Json) -> Json:
        """The project as the API shows it, at the address that this server has now."""
        branches = self.repository(project).branches()
        default = project["default_branch"] if any(r.startswith("refs/heads/") for r in branches) else None
        web = f"{self.config.url}/{project['path_with_namespace']}"
        fresh = {"web_url": web, "http_url_to_repo": f"{web}.git"}
        return {**project, **fresh, "default_branch": default, "empty_repo": default is None}

    def repository(self, project: Json) -> Repository:
        with self._lock:
            number = project["id"]
            if number not in self._repositories:
                self._repositories[number] = Repository(self.config.state / "repositories" / f"{number}.git")
            return self._repositories[number]

    @contextmanager
    def pushing(self, project: Json, options: Json | None = None) -> Iterator[Repository]:
        """Whatever moves branches inside this block is told to the hooks when it ends."""
        repository = self.repository(project)
        with repository.lock:
            before = repository.branches()
            yield repository
            after = repository.branches()
        made = events(self.shown(project), repository, before, after, options or {})
        self.deliveries.announce(project["id"], made)

    def commit_id(self, project: Json, ref: str) -> str:
        found = self.repository(project).resolve(ref) if ref else None
        if found is None:
            raise not_found("Commit")
        return found


def person(author: Any) -> Json:
    name, email, at = author
    return {"name": name, "email": email, "date": at}
