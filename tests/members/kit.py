"""Members over a real database and the Keycloak emulator, of which a test decides what is answered."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import requests

from stoa.adapters.keycloak import Keycloak
from stoa.kernel.database import Connection, Database
from stoa.kernel.settings import Secret
from stoa.members.flows import Members
from stoa.repository import iam
from stoa.repository.iam import IamPush
from stoa.tenancy.flows import deny_user
from tests.emulators.keycloak.kit import PASSWORD, Issuer

HEAD = "apiVersion: stoa.cab-i.com/v1\nkind: TenantRegistry\n"
FILE = "iam/tenants.yaml"


def registry(tenants: Mapping[str, Mapping[str, Sequence[str]]]) -> bytes:
    """A file: of each tenant its lists, of names whose address is of stoa.example."""
    entries = [
        {"id": tenant, "members": {k: [{"email": f"{e}@stoa.example"} for e in v] for k, v in lists.items()}}
        for tenant, lists in tenants.items()
    ]
    return (HEAD + "tenants: " + json.dumps(entries) + "\n").encode()


class Desk:
    """Two tenants of one project, number 1; `tick` is one of the function's, five minutes after the last."""

    def __init__(self, database: Database, issuer: Issuer, tenants: Sequence[str]) -> None:
        self.database, self.issuer, self.tenants = database, issuer, tenants
        self.client = Keycloak(issuer.url, Secret(issuer.secret("stoa-identity")), timeout_s=5)
        self.members = Members(database, lambda _keys: None, lambda: self.client, deny_user)
        with database.transaction() as connection:
            for tenant in tenants:
                connection.execute("INSERT INTO project_tenants (project_id, tenant) VALUES (1, %s)", (tenant,))

    def person(self, name: str, role: str | None = None, tenant: str | None = None, **changed: Any) -> str:
        """The id of somebody who may sign in."""
        body = {"username": name, "email": f"{name}@stoa.example", "enabled": True, "emailVerified": True,
                "attributes": {"tenant": [tenant]} if tenant else {},
                "credentials": [{"type": "password", "value": PASSWORD, "temporary": False}], **changed}  # fmt: skip
        made = self.issuer.admin("POST", "/users", json=body)
        assert made.status_code == 201, made.text
        user_id = str(made.headers["location"].rpartition("/")[2])
        if role is not None:
            self.client.give(user_id, {role})
        return user_id

    def push(
        self, files: bytes | Mapping[str, bytes], *, people: frozenset[str] | None = frozenset(), project: int = 1,
        commit: str = "c" * 40,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """What was not taken."""
        given = {FILE: files} if isinstance(files, bytes) else files
        tenants = frozenset(self.tenants)
        found = iam.rosters(given.__getitem__, given, tenants)
        with self.database.transaction() as connection:
            push = IamPush(project, commit, "gitlab:7", f"trc-{1:032}", people)
            return self.members.ask(connection, found, tenants, push)

    @property
    def a(self) -> str:
        return self.tenants[0]

    @property
    def b(self) -> str:
        return self.tenants[1]

    def file(
        self, *, a: Mapping[str, Sequence[str]] | None = None, b: Mapping[str, Sequence[str]] | None = None
    ) -> bytes:
        """What the file says of both: people by their names."""
        wanted = {self.a: a, self.b: b}
        return registry({tenant: lists for tenant, lists in wanted.items() if lists is not None})

    def tick(self) -> int:
        self.due()
        return self.members.sync()

    def due(self) -> None:
        """Leases of processes that died have run out as well."""
        self.rows("UPDATE member_syncs SET due_at = now() - interval '1 s', leased_until = NULL"
                  " WHERE due_at <> 'infinity'")  # fmt: skip

    def standing(self, user_id: str) -> tuple[str | None, set[str]]:
        """Tenant and roles of ours, as Keycloak has them."""
        ours = {"tenant-admin", "devops", "viewer", "consumer", "cpi-admin", "security"}
        return self.client.user(user_id).tenant, set(self.client.roles_of(user_id)) & ours

    def state(self, tenant: str) -> tuple[str, str | None, str | None]:
        """Of the sync; the codes of its error and of the refusal of a newer file."""
        (row,) = self.rows("SELECT state, error->>'code' AS e, refusal->>'code' AS r FROM member_syncs"
                           " WHERE tenant = %s", tenant)  # fmt: skip
        return row["state"], row["e"], row["r"]

    def verdicts(self, tenant: str) -> dict[str, tuple[str, str | None]]:
        rows = self.rows("SELECT email, state, reason FROM tenant_members WHERE tenant = %s", tenant, tenant=tenant)
        return {row["email"].partition("@")[0]: (row["state"], row["reason"]) for row in rows}

    def audits(self) -> list[tuple[str, str, list[str], list[str]]]:
        """Actor, resource, before and after of each, the oldest first."""
        rows = self.rows("SELECT convert_from(value, 'UTF8')::jsonb AS said FROM outbox WHERE topic = 'audit-log'"
                         " ORDER BY seq")  # fmt: skip
        said = [row["said"] for row in rows]
        return [(s["actor"], s["resource"], s["before"]["roles"], s["after"]["roles"]) for s in said]

    def denied(self) -> set[str]:
        return {row["subject"] for row in self.rows("SELECT subject FROM ended_sessions")}

    def fault(self, **settings: object) -> None:
        requests.put(f"{self.issuer.server}/_emulator/faults", json=settings, timeout=5).raise_for_status()

    def rows(self, statement: str, *values: object, tenant: str | None = None) -> list[dict[str, Any]]:
        with self.database.transaction(tenant) as connection:
            return self._rows(connection, statement, values)

    @staticmethod
    def _rows(connection: Connection, statement: Any, values: tuple[object, ...]) -> list[dict[str, Any]]:
        found = connection.execute(statement, values)
        return found.fetchall() if found.description else []
