"""What our own client of the admin API does. tests/real asks a real Keycloak the same."""

import secrets

import pytest

from stoa.adapters import keycloak
from stoa.adapters.keycloak import Keycloak
from stoa.kernel.errors import NotFound, Refused, Transient
from stoa.kernel.settings import Secret
from tests.emulators.keycloak.kit import NUMBERS, Browser, Issuer, refusal


@pytest.fixture
def client(issuer: Issuer) -> Keycloak:
    return Keycloak(issuer.url, Secret(issuer.secret("stoa-identity")), timeout_s=60)


def test_users_of_a_tenant_come_in_pages_with_all_that_counts(
    client: Keycloak, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = client.users_of("tenant-other")
    monkeypatch.setattr(keycloak, "PAGE", 1)
    assert sorted(client.users_of("tenant-other"), key=str) == sorted(whole, key=str)
    found = {one.username: one for one in whole}
    assert found.keys() >= {"gus", "hana"}
    gus = found["gus"]
    assert (gus.email, gus.verified, gus.enabled, gus.tenant) == ("gus@stoa.example", True, True, "tenant-other")
    assert "bob" not in found
    assert not [one for one in client.users_of("tenant-demo") if one.username.startswith("service-account-")]
    assert client.users_of("tenant-oth") == []
    assert client.roles_of(gus.id) >= {"tenant-admin"}


def test_a_person_is_found_by_the_whole_address_only(client: Keycloak, issuer: Issuer) -> None:
    user = issuer.new_user()
    found = client.user_with(user["email"])
    assert found is not None
    assert (found.id, found.verified) == (user["id"], False)
    assert client.user_with(user["email"][1:]) is None
    assert client.user(user["id"]) == found


def test_somebody_joins_leaves_and_keeps_the_rest(client: Keycloak, issuer: Issuer) -> None:
    user = issuer.new_user("viewer")
    own = client.user(user["id"])
    client.move(own, "tenant-other")
    moved = client.user(user["id"])
    assert (moved.tenant, moved.names, moved.email, moved.enabled) == ("tenant-other", own.names, own.email, True)
    client.move(moved, None)
    assert client.user(user["id"]).tenant is None
    assert "viewer" in client.roles_of(user["id"])
    Browser(issuer).login(user["username"])


def test_roles_are_given_and_taken_twice_as_well_as_once(client: Keycloak, issuer: Issuer) -> None:
    user = issuer.new_user("viewer")
    ours = frozenset({"viewer", "devops", "tenant-admin"})
    for _ in range(2):
        client.give(user["id"], {"devops", "tenant-admin"})
    assert client.roles_of(user["id"]) & ours == ours
    for _ in range(2):
        client.take(user["id"], {"viewer", "devops"})
    assert client.roles_of(user["id"]) & ours == {"tenant-admin"}
    with pytest.raises(Refused, match="UNKNOWN_ROLE"):
        client.give(user["id"], {"nonsense"})


def test_sessions_are_seen_and_end_with_all_their_tokens(client: Keycloak, issuer: Issuer) -> None:
    user = issuer.new_user("viewer")
    one, two = (Browser(issuer).login(user["username"]) for _ in range(2))
    found = {session.id: session for session in client.sessions(user["id"])}
    assert found.keys() == {one["session_state"], two["session_state"]}
    assert one["session_state"] == issuer.claims(one["access_token"])["sid"]
    shown = found[one["session_state"]]
    assert (shown.ip, shown.clients, shown.started_at <= shown.last_access_at) == (
        "127.0.0.1", ("control-plane-ui",), True)  # fmt: skip
    for _ in range(2):
        client.end_session(shown.id)
    assert refusal(issuer.refresh(one))[2] == "Session not active"
    assert issuer.refresh(two).status_code == 200
    assert [session.id for session in client.sessions(user["id"])] == [two["session_state"]]


def test_who_is_not_there_is_told_from_what_is_down(client: Keycloak, issuer: Issuer) -> None:
    nobody = f"{next(NUMBERS)}{secrets.token_hex(4)}"
    for ask in (client.user, client.roles_of, client.sessions):
        for name in (nobody, "", "..", "../users", f"{nobody}/x"):
            with pytest.raises(NotFound):
                ask(name)
    wrong = Keycloak(issuer.url, Secret("wrong"))
    with pytest.raises(Transient, match="not accepted") as caught:
        wrong.users_of("tenant-demo")
    assert caught.value.alarm
    for url, secret in (("", "x"), (issuer.url, " ")):
        with pytest.raises(Transient, match="configured"):
            Keycloak(url, Secret(secret)).users_of("tenant-demo")
    elsewhere = Keycloak(f"{issuer.server}/realms/nowhere", Secret("x"))
    with pytest.raises((Transient, NotFound)):
        elsewhere.users_of("tenant-demo")
