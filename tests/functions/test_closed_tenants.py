"""A tenant is closed when it has nothing any more: for ever, for all of its people at once, and what it did stays."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import psycopg
import pytest
import requests

from stoa.adapters.keycloak import Keycloak
from stoa.kernel.database import Database
from stoa.kernel.settings import Secret
from stoa.members.flows import Members
from stoa.tenancy.flows import deny_user
from tests.emulators.keycloak.kit import NUMBERS, PASSWORD, refusal
from tests.functions.test_tenants import SECRET, Desk, desk

__all__ = ["desk"]
ANY = {"If-Match": "*"}
# more than a file may remove at once
MANY = 12
IN_THE_WAY = {
    "API: 1 (orders)": "INSERT INTO apis (tenant, api, generation, created_generation, project_id, commit_sha,"
    " environments, created_at, created_by, updated_at, updated_by)"
    " VALUES (%(t)s, 'orders', 1, 1, 1, 'c', '{dev}', now(), 'p', now(), 'p')",
    "change under way: 1 (chg-1)": "INSERT INTO api_changes (id, tenant, api, action, state, project_id,"
    " base_generation, wanted, requested_by, trace_id, requested_at)"
    " VALUES ('chg-1', %(t)s, 'orders', 'create', 'committed', 1, 0, '{}', 'p', 'trc-1', now())",
    "deployment under way: 1 (dep-1)": "INSERT INTO deployments (id, tenant, api, environment, action, generation,"
    " state, project_id, commit_sha, trigger, requested_by, trace_id, requested_at)"
    " VALUES ('dep-1', %(t)s, 'orders', 'dev', 'undeploy', 1, 'running', 1, 'c', 'gitlab-push', 'p', 'trc-1', now())",
    "served API: 1 (orders in dev)": "INSERT INTO api_status (tenant, api, environment, generation, deployment_id,"
    " status, serving_deployment_id, updated_at) VALUES (%(t)s, 'orders', 'dev', 1, 'dep-0', 'failed', 'dep-0', now())",
}
names = count(1)


@pytest.fixture
def tenant(desk: Desk) -> str:
    name = f"tenant-closing-{next(names)}"
    made = ask(desk, "POST", "/v1/tenants", {"tenant": name, "display_name": "Closing", "project_id": 7})
    assert made.status_code == 201
    return name


@pytest.fixture
def tick(desk: Desk) -> Iterator[Callable[[], int]]:
    """One of the function's."""
    database = Database(Secret(desk.api.database_url), "stoa_worker")
    client = Keycloak(desk.issuer.url, Secret(SECRET))
    yield Members(database, lambda _keys: None, lambda: client, deny_user).sync
    database.close()


def ask(desk: Desk, method: str, path: str, body: Any = None, **headers: str) -> Any:
    sent = {"Authorization": f"Bearer {desk.tokens['ada']}", **headers}
    return desk.api.session.request(method, desk.api.url + path, json=body, headers=sent, timeout=30)


def person(desk: Desk, tenant: str, *roles: str) -> str:
    """The name of somebody who may sign in."""
    name = f"person{next(NUMBERS)}"
    body = {"username": name, "email": f"{name}@stoa.example", "enabled": True, "emailVerified": True,
            "attributes": {"tenant": [tenant]},
            "credentials": [{"type": "password", "value": PASSWORD, "temporary": False}]}  # fmt: skip
    user_id = desk.issuer.admin("POST", "/users", json=body).headers["location"].rpartition("/")[2]
    path = f"/users/{user_id}/role-mappings/realm"
    known = {one["name"]: one for one in desk.issuer.admin("GET", f"{path}/available").json()}
    assert desk.issuer.admin("POST", path, json=[known[role] for role in roles]).status_code == 204
    return name


def standing(desk: Desk, name: str) -> tuple[list[str], set[str]]:
    """Tenants and roles of ours, as Keycloak has them."""
    user = desk.issuer.user(name)
    held = desk.issuer.admin("GET", f"/users/{user['id']}/role-mappings/realm").json()
    ours = {one["name"] for one in held} & {"tenant-admin", "devops", "viewer", "consumer", "cpi-admin"}
    return user.get("attributes", {}).get("tenant", []), ours


@pytest.mark.parametrize("said", IN_THE_WAY)
def test_while_it_has_something_it_stays_and_what_that_is_is_said(desk: Desk, tenant: str, said: str) -> None:
    desk.api.rows(IN_THE_WAY[said].replace("dep-1", f"dep-{tenant}").replace("chg-1", f"chg-{tenant}") % {
        "t": f"'{tenant}'"})  # fmt: skip
    answer = ask(desk, "DELETE", f"/v1/tenants/{tenant}", **ANY)
    assert (answer.status_code, answer.json()["code"]) == (409, "TENANT_NOT_EMPTY")
    assert said in answer.json()["detail"].replace(f"-{tenant})", "-1)")
    there = ask(desk, "GET", f"/v1/tenants/{tenant}").json()
    assert (there["project_ids"], there["closed_at"], there["generation"]) == ([7], None, 1)


def test_its_closing_waits_for_who_is_about_to_write_something_of_it(desk: Desk, tenant: str) -> None:
    with psycopg.connect(desk.api.database_url) as other, ThreadPoolExecutor(1) as pool:
        other.execute("SET ROLE stoa_worker")
        other.execute("SELECT set_config('app.tenant', %s, true)", (tenant,))
        other.execute("SELECT project_id FROM project_tenants WHERE tenant = %s FOR SHARE", (tenant,))
        closing = pool.submit(ask, desk, "DELETE", f"/v1/tenants/{tenant}", **ANY)
        with pytest.raises(TimeoutError):
            closing.result(0.5)
        other.execute(IN_THE_WAY["API: 1 (orders)"], {"t": tenant})
        other.commit()
        assert closing.result().json()["code"] == "TENANT_NOT_EMPTY"


def test_only_who_has_seen_its_present_state_closes_or_replaces_it(desk: Desk, tenant: str) -> None:
    path, named = f"/v1/tenants/{tenant}", {"display_name": "Named", "project_id": 7}
    blind = ask(desk, "DELETE", path)
    assert (blind.status_code, blind.json()["code"]) == (428, "PRECONDITION_REQUIRED")
    seen = ask(desk, "GET", path).headers["ETag"]
    assert ask(desk, "PUT", path, named, **{"If-Match": seen}).status_code == 200
    for late in (ask(desk, "DELETE", path, **{"If-Match": seen}), ask(desk, "PUT", path, named, **{"If-Match": seen})):
        assert (late.status_code, late.json()["code"]) == (412, "PRECONDITION_FAILED")
    now = ask(desk, "GET", path).headers["ETag"]
    assert ask(desk, "DELETE", path, **{"If-Match": now}).status_code == 202


def test_all_of_its_people_are_out_and_nobody_else(desk: Desk, tenant: str, tick: Callable[[], int]) -> None:
    boss, buyer = person(desk, tenant, "tenant-admin"), person(desk, tenant, "consumer")
    many = [person(desk, tenant, "viewer") for _ in range(MANY)]
    root = person(desk, tenant, "cpi-admin", "devops")
    before, of_root = desk.login(boss), desk.login(root)["access_token"]
    assert desk.ask("GET", f"/v1/tenants/{tenant}", before["access_token"]).status_code == 200
    closed = ask(desk, "DELETE", f"/v1/tenants/{tenant}", **ANY)
    assert (closed.status_code, closed.json()["project_ids"], closed.json()["generation"]) == (202, [], 2)
    for token in (before["access_token"], desk.login(boss)["access_token"], desk.login(buyer)["access_token"]):
        refused = desk.ask("GET", "/v1/apis", token)
        assert (refused.status_code, refused.json()["code"]) == (401, "SESSION_ENDED")
    assert desk.ask("GET", "/v1/apis", of_root).status_code == 200
    members = f"/v1/tenants/{tenant}/members"
    assert ask(desk, "GET", members).json()["state"] == "pending"
    assert tick() == MANY + 3
    assert [standing(desk, name) for name in (boss, *many)] == [([], set())] * (MANY + 1)
    assert standing(desk, buyer) == ([], {"consumer"}), "which no tenant gives"
    assert standing(desk, root) == ([tenant], {"cpi-admin"})
    assert refusal(desk.issuer.refresh(before))[2] == "Session not active"
    said = ask(desk, "GET", members).json()
    assert (said["state"], said["source_commit"], said["items"]) == ("synced", None, [])
    taken = [one for one in desk.audits("MEMBER_CHANGED") if one["tenant"] == tenant]
    ada = desk.issuer.user("ada")["id"]
    assert {(one["actor"], one["git_commit"], *one["after"]["roles"]) for one in taken} == {(ada, None)}
    assert len(taken) == MANY + 2


def test_who_dies_while_people_are_signed_out_leaves_nobody_in(
    desk: Desk, tenant: str, tick: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    boss = person(desk, tenant, "tenant-admin")
    session = desk.login(boss)
    ask(desk, "DELETE", f"/v1/tenants/{tenant}", **ANY)
    with monkeypatch.context() as killed:
        killed.setattr(Keycloak, "end_session", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            tick()
    desk.api.rows("UPDATE member_syncs SET leased_until = NULL, due_at = now() WHERE tenant = %s", tenant)
    tick()
    assert standing(desk, boss) == ([], set())
    assert refusal(desk.issuer.refresh(session))[2] == "Session not active"


def test_once_more_changes_nothing_and_its_name_is_never_given_again(desk: Desk, tenant: str) -> None:
    path = f"/v1/tenants/{tenant}"
    first = ask(desk, "DELETE", path, **ANY)
    again = ask(desk, "DELETE", path, **{"If-Match": '"1"'})
    assert (again.status_code, again.json()) == (202, first.json())
    for answer in (
        ask(desk, "POST", "/v1/tenants", {"tenant": tenant, "display_name": "New", "project_id": 8}),
        ask(desk, "PUT", path, {"display_name": "New", "project_id": 8}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "TENANT_CLOSED")
    assert ask(desk, "GET", path).json() == first.json()
    assert tenant not in {one["tenant"] for one in ask(desk, "GET", "/v1/tenants?limit=200").json()["items"]}
    (said,) = [one for one in desk.audits("TENANT_CLOSED") if one["tenant"] == tenant]
    assert (said["actor"], said["ip"]) == (desk.issuer.user("ada")["id"], "127.0.0.1")
    assert (said["before"]["project_ids"], said["after"]) == (
        [7], {"display_name": "Closing", "project_ids": [], "generation": 2, "closed": True})  # fmt: skip
    assert ask(desk, "DELETE", "/v1/tenants/tenant-none", **ANY).status_code == 404


def test_of_many_who_saw_the_same_state_one_changes_a_tenant(desk: Desk, tenant: str) -> None:
    def change(number: int) -> int:
        body = {"display_name": f"Number {number}", "project_id": 7}
        method, sent = ("PUT", body) if number % 2 else ("DELETE", None)
        headers = {"Authorization": f"Bearer {desk.tokens['ada']}", "If-Match": '"1"'}
        url = f"{desk.api.url}/v1/tenants/{tenant}"
        return requests.request(method, url, json=sent, headers=headers, timeout=30).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(change, range(6)))
    there = ask(desk, "GET", f"/v1/tenants/{tenant}").json()
    assert there["generation"] == 2
    if there["closed_at"]:
        assert [statuses[n] for n in (0, 2, 4)] == [202] * 3
        assert {statuses[n] for n in (1, 3, 5)} == {409}
    else:
        assert sorted(statuses) == [200, *[412] * 5]
