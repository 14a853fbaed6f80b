"""GitOps over a real database, with a history in memory in place of GitLab: what reaches it in which order is ours."""

import itertools
import uuid
from collections.abc import Sequence
from typing import Any

import pytest

from stoa.adapters.gitlab import Comparison
from stoa.deployments.events import Cause, Wanted
from stoa.gitops import store
from stoa.gitops.flows import GitOps
from stoa.kernel.clock import iso, now
from stoa.kernel.database import Connection, Database
from stoa.kernel.envelope import Message, Position
from stoa.kernel.errors import NotFound

REF, ZEROS = "refs/heads/main", "0" * 40
DEV_FILES = ("api.yaml", "environments/dev.yaml")
PROJECTS = itertools.count(1)
ORDERS: Wanted = {"tenant": "tenant-a", "api": "orders", "environment": "dev", "action": "deploy"}


class History:
    """Commits by parent and some branches, in the words of the GitLab client. Every commit has the API orders."""

    def __init__(self) -> None:
        self.parents: dict[str, str | None] = {}
        self.branches: dict[str, str] = {}
        self.default = "main"
        self.broken: dict[int, Exception] = {}

    @property
    def at(self) -> str | None:
        """Where the default branch is."""
        return self.branches.get(self.default)

    @at.setter
    def at(self, commit: str) -> None:
        self.branches[self.default] = commit

    @property
    def ref(self) -> str:
        return f"refs/heads/{self.default}"

    def commit(self, parent: str | None) -> str:
        made = uuid.uuid4().hex + "0" * 8
        self.parents[made] = parent
        return made

    def line(self, commit: str | None) -> list[str]:
        found = []
        while commit:
            if commit not in self.parents:
                raise NotFound("no such commit")
            found.append(commit)
            commit = self.parents[commit]
        return found

    def is_ancestor(self, _project: int, old: str, new: str) -> bool:
        return old in self.parents and new in self.parents and old in self.line(new)

    def compare(self, _project: int, old: str, new: str, *, straight: bool) -> Comparison:
        assert straight
        return Comparison(tuple(c for c in self.line(new) if c not in self.line(old)), (), False)

    def default_branch(self, project: int) -> tuple[str, str] | None:
        if project in self.broken:
            raise self.broken[project]
        return (self.default, self.at) if self.at else None

    def tree(self, _project: int, commit: str) -> tuple[str, ...]:
        self.line(commit)
        return tuple(f"tenants/tenant-a/apis/orders/{name}" for name in DEV_FILES)


class Desk:
    """GitOps with a history; `asked` are the commits for which something was asked, in order."""

    def __init__(self, database: Database) -> None:
        self.database, self.history, self.project = database, History(), next(PROJECTS)
        self.asked: list[str] = []
        self.wanted: list[Wanted] = []
        self.standing: list[tuple[str, str, str]] = []
        self.gitops = GitOps(
            database=database,
            publish=lambda _keys: None,
            request=self.request,
            standing=lambda _project: self.standing,
            gitlab=lambda: self.history,  # type: ignore[arg-type, return-value]
            vault=lambda: pytest.fail("no secret is read"),
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
