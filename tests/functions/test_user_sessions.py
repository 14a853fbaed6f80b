"""A session that somebody ends is over at once, whatever Keycloak does meanwhile; nobody sees another tenant's."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from stoa.adapters.keycloak import Keycloak
from stoa.kernel.database import Database
from stoa.kernel.settings import Secret
from stoa.members.flows_by_hand import Sessions
from stoa.tenancy.flows import deny_session
from tests.emulators.keycloak.kit import refusal
from tests.functions.test_tenants import SECRET, Desk, desk

__all__ = ["desk"]
OWN = "/v1/users/me/sessions"
SOMEBODYS = "/v1/tenants/tenant-demo/members/somebody/sessions"


def of_member(desk: Desk, name: str, tenant: str = "tenant-demo") -> str:
    return f"/v1/tenants/{tenant}/members/{desk.issuer.user(name)['id']}/sessions"


@pytest.fixture
def tick(desk: Desk) -> Iterator[Callable[[], int]]:
    """One of the function's, a minute later."""
    database = Database(Secret(desk.api.database_url), "stoa_worker")
    client = Keycloak(desk.issuer.url, Secret(SECRET))
    yield Sessions(database, lambda _keys: None, lambda: client, deny_session, time_scale=1e9).finish
    database.close()


def fault(desk: Desk, **settings: object) -> None:
    requests.put(f"{desk.issuer.server}/_emulator/faults", json=settings, timeout=5).raise_for_status()


def test_somebody_sees_their_sessions_and_ends_one(desk: Desk) -> None:
    one, two = desk.login("dan"), desk.login("dan")
    found = {item["id"]: item for item in desk.ask("GET", OWN, one["access_token"]).json()["items"]}
    assert found.keys() >= {one["session_state"], two["session_state"]}
    mine, other = found[one["session_state"]], found[two["session_state"]]
    assert (mine["current"], other["current"], other["ip"], other["clients"]) == (
        True, False, "127.0.0.1", ["control-plane-ui"])  # fmt: skip
    started = datetime.fromisoformat(other["started_at"])
    assert datetime.now(UTC) - timedelta(minutes=5) < started <= datetime.fromisoformat(other["last_access_at"])
    assert desk.ask("DELETE", f"{OWN}/{other['id']}", one["access_token"]).status_code == 204
    refused = desk.ask("GET", OWN, two["access_token"])
    assert (refused.status_code, refused.json()["code"]) == (401, "SESSION_ENDED")
    assert refusal(desk.issuer.refresh(two))[2] == "Session not active"
    assert desk.ask("GET", OWN, one["access_token"]).status_code == 200
    assert desk.ask("DELETE", f"{OWN}/{other['id']}", one["access_token"]).status_code == 404
    (said,) = [one for one in desk.audits("SESSION_ENDED") if one["resource"].endswith(other["id"])]
    dan = desk.issuer.user("dan")["id"]
    assert (said["actor"], said["tenant"], said["resource"]) == (
        dan, "tenant-demo", f"users/{dan}/sessions/{other['id']}")  # fmt: skip


def test_an_administrator_ends_those_of_members_and_of_nobody_else(desk: Desk) -> None:
    cleo, gus = desk.login("cleo"), desk.login("gus")
    path = of_member(desk, "cleo")
    assert cleo["session_state"] in {item["id"] for item in desk.ask("GET", path, "bob").json()["items"]}
    assert desk.ask("GET", path, "cleo").status_code == 403, "of one's own tenant alone is not enough"
    theirs = f"/{gus['session_state']}"
    for wrong in (
        of_member(desk, "gus"), of_member(desk, "gus", "tenant-other"), of_member(desk, "ada"), path,
        "/v1/tenants/tenant-demo/members/nobody/sessions",
    ):  # fmt: skip
        assert desk.ask("DELETE", wrong + theirs, "bob").status_code == 404, wrong
    assert desk.ask("GET", of_member(desk, "gus"), "bob").status_code == 404
    assert desk.ask("DELETE", f"{OWN}/{gus['session_state']}", "bob").status_code == 404
    assert desk.ask("GET", "/v1/tenants", gus["access_token"]).status_code == 200
    assert desk.ask("DELETE", f"{path}/{cleo['session_state']}", "bob").status_code == 204
    assert desk.ask("GET", OWN, cleo["access_token"]).status_code == 401
    assert desk.ask("DELETE", of_member(desk, "gus", "tenant-other") + theirs, "ada").status_code == 204
    said = desk.audits("SESSION_ENDED")[-1]
    assert (said["actor"], said["tenant"]) == (desk.issuer.user("ada")["id"], "tenant-other")


@pytest.mark.parametrize("mode", ["fail", "drop"])
def test_what_keycloak_did_not_answer_is_refused_at_once_and_ended_later(
    desk: Desk, tick: Callable[[], int], mode: str
) -> None:
    mine, gone = desk.login("dan"), desk.login("dan")
    fault(desk, mode=mode, status=503, path="DELETE .*/sessions/", count=1)
    assert desk.ask("DELETE", f"{OWN}/{gone['session_state']}", mine["access_token"]).status_code == 202
    assert desk.ask("GET", OWN, gone["access_token"]).status_code == 401
    if mode == "fail":
        newer = desk.issuer.refresh(gone).json()
        assert desk.ask("GET", OWN, newer["access_token"]).status_code == 401, "nor is a token that was made since"
    before = len(desk.audits("SESSION_ENDED"))
    assert [tick(), tick()] == [1, 0]
    assert desk.issuer.refresh(gone).status_code == 400
    assert len(desk.audits("SESSION_ENDED")) == before + 1


def test_without_keycloak_nothing_is_shown_and_nothing_begun(desk: Desk) -> None:
    tokens = desk.login("dan")
    fault(desk, mode="down", path="/admin/")
    for method, path in (("GET", OWN), ("DELETE", f"{OWN}/{tokens['session_state']}"), ("GET", SOMEBODYS)):
        answer = desk.ask(method, path, "bob" if "members" in path else tokens["access_token"])
        assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
    fault(desk, mode="ok")
    assert desk.ask("GET", OWN, tokens["access_token"]).status_code == 200


def test_a_machine_has_no_sessions(desk: Desk) -> None:
    machine: Any = desk.issuer.machine("awx-automation").json()["access_token"]
    assert desk.ask("GET", OWN, machine).status_code == 403
