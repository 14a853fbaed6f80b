"""A push of iam files to GitLab, up to what is wanted of Keycloak; deployments of the same push go on."""

from typing import Any

import pytest

from stoa.gitops.queries import PushQueries
from stoa.kernel.database import Database
from stoa.members.flows import Members
from stoa.tenancy.flows import deny_user
from tests.gitops.desk import Server
from tests.gitops.repository import Repository

FILE = "iam/tenants.yaml"


class Project(Repository):
    """A repository whose iam files count; it has tenant-a and tenant-b."""

    def __init__(self, database: Database, server: Server) -> None:
        super().__init__(database, server)
        self.register(self.project, "tenant-b")
        self._members = Members(database, lambda _keys: None, lambda: pytest.fail("no call is made"), deny_user)

    def members(self, *asked: Any) -> list[dict[str, Any]]:
        return self._members.ask(*asked)

    def write(self, files: dict[str, str | None], *, author: str = "ann@stoa.example") -> list[dict[str, Any]]:
        """One commit, planned at once; what was left out of it."""
        actions = []
        for path, text in files.items():
            verb = "delete" if text is None else "update" if path in self._files else "create"
            actions.append({"action": verb, "file_path": path, **({} if text is None else {"content": text})})
            self._files = self._files - {path} if text is None else self._files | {path}
        where = f"/projects/{self.project}/repository/commits"
        more: Any = {"author_email": author, "author_name": "A", "actions": actions}
        self._server.ask("POST", where, branch="main", commit_message="x", **more)
        self.gitops.catch_up()
        self.work()
        (push,) = PushQueries(self.database).recent(None, None, 1)
        return [said for said in push["outcome"] if "code" in said]

    @property
    def asked_apis(self) -> list[str]:
        return [one["api"] for one in self.wanted]

    def roles(self, tenant: str) -> dict[str, str]:
        with self.database.transaction(tenant) as connection:
            rows = connection.execute("SELECT email, role FROM tenant_members").fetchall()
        return {row["email"]: row["role"] for row in rows}

    def generation(self, tenant: str) -> int:
        with self.database.transaction() as connection:
            row = connection.execute("SELECT generation FROM member_syncs WHERE tenant = %s", (tenant,)).fetchone()
        return row["generation"] if row else 0


def registry(*cpi: str, viewers: tuple[str, ...] = (), tenant: str = "tenant-a") -> str:
    lists = f"{{cpi: [{', '.join(f'{{email: {e}}}' for e in cpi)}],"
    lists += f" viewers: [{', '.join(f'{{email: {e}}}' for e in viewers)}]}}"
    return f"apiVersion: stoa.cab-i.com/v1\nkind: TenantRegistry\ntenants:\n  - {{id: {tenant}, members: {lists}}}\n"


@pytest.fixture
def project(database: Database, server: Server) -> Project:
    return Project(database, server)


def test_a_push_of_iam_files_sets_members_and_others_leave_them(project: Project) -> None:
    assert project.write({FILE: registry("ann@stoa.example", viewers=("ben@stoa.example",))}) == []
    assert project.roles("tenant-a") == {"ann@stoa.example": "tenant-admin", "ben@stoa.example": "viewer"}
    assert (project.generation("tenant-a"), project.generation("tenant-b")) == (1, 0)
    project.write({"README.md": "x"})
    assert project.generation("tenant-a") == 1
    assert project.write({FILE: registry("ann@stoa.example")}) == []
    assert (project.roles("tenant-a"), project.generation("tenant-a")) == ({"ann@stoa.example": "tenant-admin"}, 2)


def test_what_is_not_taken_is_in_the_outcome_of_the_push_and_stops_no_deployment(project: Project) -> None:
    project.write({FILE: registry("ann@stoa.example")})
    orders = {f"tenants/tenant-a/apis/orders/{name}": "x" for name in ("api.yaml", "environments/dev.yaml")}
    (told,) = project.write({FILE: registry(), **orders})
    assert (told["tenant"], told["code"], told["file"], told["line"]) == ("tenant-a", "IAM_NO_ADMIN", FILE, 4)
    assert project.asked_apis == ["orders"]
    assert project.generation("tenant-a") == 1
    (gone,) = project.write({FILE: None})
    assert (gone["code"], project.roles("tenant-a")) == ("IAM_MISSING", {"ann@stoa.example": "tenant-admin"})
    told = project.write({FILE: registry("eve@stoa.example", tenant="tenant-else")})
    assert [one["code"] for one in told] == ["TENANT_NOT_REGISTERED", "IAM_MISSING"]


def test_who_wrote_the_commit_gains_nothing_by_it_whoever_pushes_next(project: Project) -> None:
    first, more = registry("ann@stoa.example"), registry("ann@stoa.example", "eve@stoa.example")
    project.write({FILE: first})
    project.write({"README.md": "x"}, author="eve@stoa.example")
    for text, author in ((more, "Eve+git@stoa.example"), (f"{more}# seen\n", "ann@stoa.example")):
        (told,) = project.write({FILE: text}, author=author)
        assert told["code"] == "IAM_OWN_RIGHTS"
        assert "eve@stoa.example" not in project.roles("tenant-a")
    assert project.write({FILE: first}, author="eve@stoa.example") == []
    project.write({"README.md": "y"}, author="eve@stoa.example")
    assert project.write({FILE: more}, author="ann@stoa.example") == []
    assert project.roles("tenant-a")["eve@stoa.example"] == "tenant-admin"


def test_a_tenant_reads_what_was_said_of_its_own_members(project: Project) -> None:
    project.write({FILE: "kind: nothing\n"})
    for reader in ("tenant-a", "tenant-b"):
        (push,) = PushQueries(project.database).recent(reader, None, 1)
        assert {said["tenant"] for said in push["outcome"]} == {reader}
