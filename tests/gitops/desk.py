"""GitOps over a real database and the GitLab emulator, of which a test decides what is delivered when."""

import os
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import requests

from local.parts.ports import free_port
from local.parts.process import Child
from local.stack import wait_until_it_answers
from stoa.adapters.gitlab import GitLab
from stoa.authoring.flows import Authoring
from stoa.deployments.events import Cause, Wanted
from stoa.gitops import store
from stoa.gitops.flows import GitOps
from stoa.gitops.flows_by_hand import ByHand
from stoa.gitops.model import gateway_document
from stoa.kernel.clock import iso, now
from stoa.kernel.database import Connection, Database
from stoa.kernel.envelope import Message, Position
from stoa.kernel.settings import Secret

REF, ZEROS = "refs/heads/main", "0" * 40
TOKEN = "glpat-desk"
ORDERS: Wanted = {"tenant": "tenant-a", "api": "orders", "environment": "dev", "action": "deploy"}


class Server:
    """A GitLab emulator, and the product's client of it."""

    def __init__(self, folder: Path) -> None:
        self.state, port = folder / "gitlab", free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "local.emulators.gitlab", "--port", str(port), "--state", str(self.state)]
        self._child = Child("gitlab", command, {**os.environ, "GITLAB_TOKEN": TOKEN}, folder / "gitlab.log")
        self._child.start()
        wait_until_it_answers(self.url, self._child)
        self.client = GitLab(self.url, Secret(TOKEN))

    def ask(self, method: str, path: str, **body: str) -> Any:
        headers = {"PRIVATE-TOKEN": TOKEN}
        answer = requests.request(method, f"{self.url}/api/v4{path}", json=body or None, headers=headers, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def fault(self, **settings: object) -> None:
        requests.put(f"{self.url}/_emulator/faults", json=settings, timeout=5).raise_for_status()

    def stop(self) -> None:
        self._child.stop()


class History:
    """A project of the GitLab emulator, written to beside it with git: no hook fires, a test delivers itself. Every
    commit has the API orders."""

    def __init__(self, server: Server) -> None:
        self._server = server
        made = server.ask("POST", "/projects", name=uuid.uuid4().hex, default_branch="main")
        self.project = int(made["id"])
        self._folder = server.state / "repositories" / f"{self.project}.git"
        self._tree = self._made_tree()

    @property
    def default(self) -> str:
        return str(self._server.ask("GET", f"/projects/{self.project}")["default_branch"])

    @property
    def at(self) -> str | None:
        """Where the default branch is."""
        found = self._git("for-each-ref", "--format=%(objectname)", self.ref)
        return found or None

    @at.setter
    def at(self, commit: str) -> None:
        self._git("update-ref", self.ref, commit)

    @property
    def ref(self) -> str:
        return f"refs/heads/{self.default}"

    def switch(self, name: str) -> None:
        """Makes another branch the default one; a new one begins where the default branch is."""
        if not self._git("for-each-ref", f"refs/heads/{name}"):
            self._git("update-ref", f"refs/heads/{name}", self.at or self.commit(None))
        self._server.ask("PUT", f"/projects/{self.project}", default_branch=name)

    def commit(self, parent: str | None) -> str:
        return self._git("commit-tree", self._tree, "-m", uuid.uuid4().hex, *(["-p", parent] if parent else []))

    def line(self, commit: str | None) -> list[str]:
        return self._git("rev-list", commit).split() if commit else []

    def _made_tree(self) -> str:
        blob = self._git("hash-object", "-w", "--stdin")
        tree = self._git("mktree", stdin=f"100644 blob {blob}\tdev.yaml\n")
        tree = self._git("mktree", stdin=f"100644 blob {blob}\tapi.yaml\n040000 tree {tree}\tenvironments\n")
        for name in ("orders", "apis", "tenant-a", "tenants"):
            tree = self._git("mktree", stdin=f"040000 tree {tree}\t{name}\n")
        return tree

    def _git(self, *arguments: str, stdin: str = "") -> str:
        who = ("-c", "user.name=Dev", "-c", "user.email=dev@example.com")
        command = ["git", "-C", str(self._folder), *who, *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True).stdout.strip()


class Desk:
    """GitOps with a project; `asked` are the commits for which something was asked, in order."""

    def __init__(self, database: Database, server: Server) -> None:
        self.database, self.history = database, History(server)
        self.project = self.history.project
        self.asked: list[str] = []
        self.wanted: list[Wanted] = []
        self.standing: list[tuple[str, str, str]] = []
        self.authoring = Authoring(
            database, lambda _keys: None, lambda push: self.gitops.accept_push(push), gateway_document,
            lambda: server.client,
        )  # fmt: skip
        self.by_hand = ByHand(database, lambda _keys: None, self.request)
        self.gitops = GitOps(
            database=database,
            publish=lambda _keys: None,
            request=self.request,
            standing=lambda _project: self.standing,
            gitlab=lambda: server.client,
            vault=lambda: pytest.fail("no secret is read"),
            members=self.members,
            authored=self.authoring.authored,
            settle=self.authoring.settle,
        )
        with database.transaction() as connection:
            connection.execute("DELETE FROM project_tenants")  # of the desks before
        self.register(self.project)

    def register(self, project: int, tenant: str = "tenant-a") -> None:
        with self.database.transaction() as connection:
            connection.execute("INSERT INTO project_tenants (project_id, tenant) VALUES (%s, %s)", (project, tenant))

    def request(self, _connection: Connection, cause: Cause, wanted: Sequence[Wanted]) -> Any:
        self.asked += [cause["commit"]] if wanted else []
        self.wanted += wanted
        return tuple(uuid.uuid4().hex for _ in wanted), ()

    def members(self, *_asked: Any) -> list[dict[str, Any]]:
        return []

    def deliver(self, before: str, after: str, ref: str = REF) -> None:
        """Its webhook arrives."""
        self.gitops.accept_push({
            "trace_id": uuid.uuid4().hex, "push_id": uuid.uuid4().hex, "project_id": self.project, "ref": ref,
            "before": before, "after": after, "pusher": "gitlab:1", "received_at": iso(now()),
        })  # fmt: skip

    def work(self) -> None:
        """Plans what was accepted, in its order."""
        with self.database.transaction() as connection:
            rows = connection.execute(
                "SELECT id FROM pushes WHERE project_id = %s AND state = 'accepted' ORDER BY received_at",
                (self.project,),
            ).fetchall()
        for row in rows:
            self.gitops.plan_push(message(row["id"]))

    @property
    def head(self) -> str | None:
        with self.database.transaction() as connection:
            found = store.head(connection, self.project)
        return found.sha if found else None


def message(push_id: str) -> Message:
    return Message(
        position=Position("git-pushes", 0, 0), key="", id=uuid.uuid4().hex, type="stoa.git.push-accepted", subject="",
        tenant="_platform", actor="gitlab:1", trace_id="", generation=0, data={"push_id": push_id},
    )  # fmt: skip
