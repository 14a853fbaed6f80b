"""The whole platform for one benchmark, with as many projects and APIs in them as it needs."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import requests
import yaml
from psycopg.rows import dict_row

from local.home import Home
from local.stack import Options, Stack
from local.topics import records
from local.workspace import ENVIRONMENT_YAML, api_folder, openapi_document

PATIENCE_S = 120.0
LOOK_EVERY_S = 0.25  # over thousands of deployments, each look costs PostgreSQL some ms
BRANCH = "main"
NOTHING = "0" * 40


class NotSeen(Exception):
    """A benchmark waited for something that did not happen; the text says what."""


@dataclass(frozen=True)
class Project:
    """A GitLab project that may touch one tenant, whose name it has, with these APIs in it."""

    id: int
    tenant: str
    apis: tuple[str, ...]


class Lab:
    """What a benchmark does to a running platform, and what it reads of it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.http = requests.Session()
        self.http.auth = stack.admin
        self._connections = threading.local()  # a new one for each question would weigh on what is measured
        self._gitlab = requests.Session()
        self._gitlab.headers["PRIVATE-TOKEN"] = stack.home.secret("gitlab_token")

    def project(self, tenant: str, apis: Sequence[str]) -> Project:
        """Makes it; nothing is committed yet."""
        made = self._in_gitlab("/projects", {"name": tenant, "default_branch": BRANCH})
        return Project(made["id"], tenant, tuple(apis))

    def commit(self, project: Project, apis: Sequence[str], *paths: str) -> str:
        """Writes these APIs, each with these paths in its document, as one commit; returns its id."""
        files = {name: text for api in apis for name, text in self._files(project.tenant, api, paths).items()}
        action = "update" if self._has_commits(project) else "create"
        actions = [{"action": action, "file_path": name, "content": text} for name, text in files.items()]
        body = {"branch": BRANCH, "commit_message": "Change the APIs", "actions": actions}
        return str(self._in_gitlab(f"/projects/{project.id}/repository/commits", body)["id"])

    def announce(self, project: Project, commit: str) -> None:
        """Registers the project, before which nobody looks at it, and tells of the commit as GitLab's webhook does."""
        self.stack.register(project.id, project.tenant)
        answer = requests.post(
            f"{self.stack.url('api')}/webhooks/gitlab",
            data=push_event(project.id, commit),
            headers=self.webhook_headers(),
            timeout=30,
        )
        answer.raise_for_status()

    def webhook_headers(self) -> dict[str, str]:
        return {"X-Gitlab-Token": self.stack.home.secret("webhook_secret"), "Idempotency-Key": str(uuid.uuid4())}

    def start(self, tenant: str, api: str) -> dict[str, Any]:
        """Deploys an API by hand at the newest processed commit; answers with what a page gets."""
        wanted = {"tenant": tenant, "api": api, "environment": "dev"}
        answer = self.http.post(f"{self.stack.url('api')}/v1/deployments", json=wanted, timeout=30)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def slow_runs(self, seconds: float) -> None:
        """AWX takes so long for each job before it begins to work."""
        url = f"{self.stack.url('awx')}/_emulator/timing"
        token = {"Authorization": f"Bearer {self.stack.home.secret('awx_token')}"}
        requests.put(url, json={"running_s": seconds}, headers=token, timeout=10).raise_for_status()

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        known: psycopg.Connection[dict[str, Any]] | None = self._connections.__dict__.get("one")
        if known is None:
            known = psycopg.connect(self.stack.postgres.url, autocommit=True, row_factory=dict_row)
            self._connections.one = known
        return known.execute(statement, values).fetchall()

    def count(self, statement: str, *values: object) -> int:
        return int(self.rows(f"SELECT count(*) AS n FROM {statement}", *values)[0]["n"])

    def until(self, what: str, seen: Callable[[], bool], limit_s: float = PATIENCE_S) -> None:
        """Raises NotSeen when it does not come true in time."""
        deadline = time.monotonic() + limit_s
        while not seen():
            if time.monotonic() > deadline:
                raise NotSeen(f"waited {limit_s:.0f} s for {what}; logs in {self.stack.home.logs}")
            time.sleep(LOOK_EVERY_S)

    def until_all_ended(self, commits: Mapping[str, int], limit_s: float = PATIENCE_S) -> None:
        """Until each commit has so many deployments, and all of them are final."""

        def ended() -> bool:
            of_them = "deployments WHERE commit_sha = ANY(%s)"
            done = self.count(f"{of_them} AND finished_at IS NOT NULL", list(commits))
            return done >= sum(commits.values()) and not self.count(f"{of_them} AND finished_at IS NULL", list(commits))

        self.until(f"{sum(commits.values())} deployments to end", ended, limit_s)

    def jobs(self, after: int = 0) -> list[dict[str, Any]]:
        """Every AWX job after that one, in the order of its launch."""
        found: list[dict[str, Any]] = []
        while True:
            params = {"id__gt": str(found[-1]["id"] if found else after), "order_by": "id", "page_size": "200"}
            answer = requests.get(
                f"{self.stack.url('awx')}/api/v2/jobs/",
                params={**params, "count_disabled": "1"},
                headers={"Authorization": f"Bearer {self.stack.home.secret('awx_token')}"},
                timeout=30,
            )
            answer.raise_for_status()
            more = answer.json()["results"]
            found += more
            if not more:
                return found

    def records(self, topic: str) -> list[Any]:
        return records(self.stack.kafka.bootstrap, topic)

    def _files(self, tenant: str, api: str, paths: Sequence[str]) -> dict[str, str]:
        folder = api_folder(api, tenant)
        definition = {
            "apiVersion": "stoa.cab-i.com/v1",
            "kind": "API",
            "metadata": {"name": api, "tenant": tenant},
            "spec": {
                "displayName": api,
                "version": "1.0.0",
                "backend": {"url": "${BACKEND_URL}"},
                "security": {"type": "none"},
            },
        }
        backend = self.stack.url("backend")
        environment = ENVIRONMENT_YAML.format(api=api, environment="dev", backend=backend)
        return {
            f"{folder}/api.yaml": yaml.safe_dump(definition),
            f"{folder}/openapi.json": json.dumps(openapi_document(paths=tuple(paths) or ("/orders",))),
            f"{folder}/environments/dev.yaml": environment,
        }

    def _has_commits(self, project: Project) -> bool:
        url = f"{self.stack.url('gitlab')}/api/v4/projects/{project.id}/repository/branches/{BRANCH}"
        return self._gitlab.get(url, timeout=30).ok

    def _in_gitlab(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._gitlab.post(f"{self.stack.url('gitlab')}/api/v4{path}", json=body, timeout=60)
        answer.raise_for_status()
        made: dict[str, Any] = answer.json()
        return made


def push_event(project_id: int, commit: str) -> bytes:
    """A push event as GitLab sends it, in the parts that are read."""
    event = {
        "object_kind": "push",
        "ref": f"refs/heads/{BRANCH}",
        "before": NOTHING,
        "after": commit,
        "user_id": 1,
        "project_id": project_id,
        "project": {"id": project_id, "default_branch": BRANCH},
        "commits": [],
    }
    return json.dumps(event).encode()


@contextmanager
def lab(folder: Path, options: Options) -> Iterator[Lab]:
    """The platform in a folder of its own, stopped at the end."""
    stack = Stack(Home(folder), options, lambda _what, _begun: None)
    try:
        stack.start()
        yield Lab(stack)
    finally:
        stack.stop()
