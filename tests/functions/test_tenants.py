"""Tenants and their members over HTTP, for people who signed in at the Keycloak emulator."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.emulators.keycloak.kit import Browser, Issuer, environment

SECRET = "secret-of-stoa-identity-client-secret"
NEW = {"tenant": "tenant-new", "display_name": "Größe & Söhne", "project_id": 12}


class Desk:
    """`as_` is a person's access token by their name."""

    def __init__(self, api: Any, issuer: Issuer) -> None:
        self.api, self.issuer = api, issuer
        for project, tenant in ((1, "tenant-demo"), (2, "tenant-other"), (3, "tenant-demo")):
            api.rows("INSERT INTO project_tenants (project_id, tenant) VALUES (%s, %s)", project, tenant)
        self.tokens = {name: self.login(name)["access_token"] for name in ("ada", "bob", "cleo", "dan", "gus")}

    def login(self, name: str) -> Any:
        return Browser(self.issuer).login(name)

    def ask(self, method: str, path: str, who: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.tokens.get(who, who)}"}
        return self.api.session.request(method, self.api.url + path, json=body, headers=headers, timeout=30)

    def audits(self, action: str) -> list[dict[str, Any]]:
        rows = self.api.rows("SELECT convert_from(value, 'UTF8')::jsonb AS said FROM outbox WHERE topic = 'audit-log'"
                             " ORDER BY seq")  # fmt: skip
        return [row["said"] for row in rows if row["said"]["action"] == action]


@pytest.fixture(scope="module")
def desk(start_api: Callable[..., Any], keycloak: str) -> Desk:
    issuer = Issuer(keycloak, environment(keycloak, "http://127.0.0.1:9"))
    api = start_api(STOA_OIDC_ISSUER_URL=issuer.url, STOA_KEYCLOAK_URL=issuer.url, STOA_KEYCLOAK_CLIENT_SECRET=SECRET)
    return Desk(api, issuer)


def test_a_tenant_is_made_once_and_replaced_and_both_are_audited(desk: Desk) -> None:
    made = desk.ask("POST", "/v1/tenants", "ada", NEW)
    assert (made.status_code, made.json()["project_ids"], made.json()["generation"]) == (201, [12], 1)
    again = desk.ask("POST", "/v1/tenants", "ada", NEW)
    assert (again.status_code, again.json()["code"]) == (409, "TENANT_EXISTS")
    changed = desk.ask("PUT", "/v1/tenants/tenant-new", "ada", {"display_name": "New", "project_id": 13}).json()
    assert (changed["project_ids"], changed["generation"], changed["created_at"]) == (
        [13],
        2,
        made.json()["created_at"],
    )
    assert desk.ask("GET", "/v1/tenants/tenant-new", "ada").json() == changed
    (created,) = desk.audits("TENANT_CREATED")
    assert (created["tenant"], created["resource"], created["before"], created["ip"]) == (
        "tenant-new", "tenants/tenant-new", None, "127.0.0.1")  # fmt: skip
    (replaced,) = desk.audits("TENANT_REPLACED")
    assert (replaced["before"], replaced["after"]) == (
        {"display_name": NEW["display_name"], "project_ids": [12], "generation": 1},
        {"display_name": "New", "project_ids": [13], "generation": 2},
    )
    nowhere = desk.ask("PUT", "/v1/tenants/tenant-none", "ada", {"display_name": "N", "project_id": 1})
    assert nowhere.status_code == 404


@pytest.mark.parametrize(
    "changed",
    [
        {"tenant": "finance"}, {"tenant": "tenant-"}, {"tenant": "tenant-A"}, {"tenant": "tenant-" + "a" * 57},
        {"tenant": "tenant-a\n"}, {"display_name": " "}, {"display_name": "a\0b"}, {"display_name": "x" * 201},
        {"project_id": 0}, {"project_id": "1"}, {"project_id": 2**53}, {"project_id": True}, {"owner": "x"},
    ],
)  # fmt: skip
def test_what_is_no_tenant_is_refused(desk: Desk, changed: dict[str, Any]) -> None:
    answer = desk.ask("POST", "/v1/tenants", "ada", {**NEW, "tenant": "tenant-bad", **changed})
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_REQUEST")
    assert answer.json()["field"].endswith(next(iter(changed)))


def test_everybody_sees_their_own_tenant_and_administrators_all(desk: Desk) -> None:
    for who in ("bob", "dan"):
        (one,) = desk.ask("GET", "/v1/tenants", who).json()["items"]
        assert (one["tenant"], one["display_name"], one["project_ids"]) == ("tenant-demo", "tenant-demo", [1, 3])
        assert desk.ask("GET", "/v1/tenants/tenant-other", who).status_code == 404
    names, cursor = [], ""
    while cursor is not None:
        page = desk.ask("GET", f"/v1/tenants?limit=1{cursor and '&cursor='}{cursor}", "ada").json()
        names += [one["tenant"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert names == sorted({*names, "tenant-demo", "tenant-other"})
    assert desk.ask("GET", "/v1/tenants?cursor=AAAA", "ada").json()["code"] == "BAD_CURSOR"


def test_members_are_shown_to_who_manages_them(desk: Desk) -> None:
    path = "/v1/tenants/tenant-demo/members"
    assert desk.ask("GET", path, "bob").json() == {
        "tenant": "tenant-demo", "generation": 0, "source_commit": None, "state": "none", "error": None,
        "refused_commit": None, "refusal": None, "asked_at": None, "synced_at": None, "items": [],
    }  # fmt: skip
    desk.api.rows(
        "INSERT INTO member_syncs (tenant, project_id, generation, commit_sha, asked_by, trace_id, asked_at, state,"
        " refusal, refused_commit, due_at) VALUES ('tenant-demo', 1, 4, 'abc', 'gitlab:1', 'trc-1', now(), 'pending',"
        " '{\"code\": \"IAM_NO_ADMIN\"}', 'def', now())"
    )
    desk.api.rows("INSERT INTO tenant_members (tenant, email, role, state, reason)"
                  " VALUES ('tenant-demo', 'x@stoa.example', 'devops', 'refused', 'why')")  # fmt: skip
    said = desk.ask("GET", path, "bob").json()
    assert (said["generation"], said["source_commit"], said["state"], said["refused_commit"], said["refusal"]) == (
        4, "abc", "pending", "def", {"code": "IAM_NO_ADMIN"})  # fmt: skip
    assert said["items"] == [
        {"email": "x@stoa.example", "role": "devops", "sub": None, "state": "refused", "reason": "why"}
    ]
    assert [desk.ask("GET", path, who).status_code for who in ("ada", "cleo", "dan", "gus")] == [200, 403, 403, 404]
    assert desk.ask("GET", "/v1/tenants/tenant-none/members", "ada").status_code == 404
