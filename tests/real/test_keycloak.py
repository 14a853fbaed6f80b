"""A real Keycloak takes our realm file, and does what its emulator does: the same tests, and what only it can show."""

import json

import pytest

from local import identity
from local.parts.keycloak import Keycloak
from tests.emulators.keycloak import test_kc_client, test_kc_login, test_kc_sessions
from tests.emulators.keycloak.kit import Browser, Issuer, Json, said

client = test_kc_client.client  # the fixture
pytestmark = [pytest.mark.real, pytest.mark.minutes, pytest.mark.timeout(400)]
SHARED = {
    name: test
    for module in (test_kc_client, test_kc_login, test_kc_sessions)
    for name, test in vars(module).items()
    if name.startswith("test_")
}
globals().update(SHARED)
BUILT_IN = {
    "acr", "address", "basic", "email", "microprofile-jwt", "offline_access", "organization", "phone", "profile",
    "role_list", "roles", "saml_organization", "service_account", "web-origins", "AuthnContextClassRef",
}  # fmt: skip


@pytest.fixture(scope="module")
def realm(issuer: Issuer, server: Keycloak) -> Json:
    """The realm as Keycloak exports it, without its users."""
    form = {"grant_type": "password", "client_id": "admin-cli", "username": "root", "password": server.admin_password}
    token = issuer.http.post(f"{server.url}/realms/master/protocol/openid-connect/token", data=form).json()
    url = f"{server.url}/admin/realms/stoa/partial-export?exportClients=true&exportGroupsAndRoles=true"
    exported: Json = issuer.http.post(url, headers={"authorization": f"Bearer {token['access_token']}"}).json()
    return exported


def test_it_keeps_what_the_realm_file_says(realm: Json) -> None:
    file = json.loads(identity.REALM.read_text())
    plain = {name: value for name, value in file.items() if isinstance(value, bool | int | str)}
    assert {name: realm.get(name) for name in plain} == plain
    assert set(file["defaultDefaultClientScopes"]) == set(realm["defaultDefaultClientScopes"])
    clients = {client["clientId"]: client for client in realm["clients"]}
    for wanted in file["clients"]:
        found = clients[wanted["clientId"]]
        assert (
            set(wanted["defaultClientScopes"]) == set(found["defaultClientScopes"])
            if "defaultClientScopes" in wanted
            else True
        )
        assert not found["directAccessGrantsEnabled"]


def test_no_client_scope_is_lost_and_no_placeholder_is_left(realm: Json) -> None:
    assert {scope["name"] for scope in realm["clientScopes"]} >= BUILT_IN
    assert "${STOA_" not in json.dumps(realm)
    assert "_CLIENT_SECRET}" not in json.dumps(realm)
    (corporate,) = realm["identityProviders"]
    assert (corporate["providerId"], corporate["enabled"]) == ("saml", False)


def test_nobody_moves_himself_to_another_tenant_nor_changes_his_address(issuer: Issuer) -> None:
    user = issuer.new_user()
    browser = Browser(issuer)
    page = f"{issuer.url}/account/"
    code = said(browser.fill(browser.ask(client_id="account-console", redirect_uri=page), user["username"]))["code"]
    tokens = browser.redeem(code, client_id="account-console", redirect_uri=page).json()
    headers = {"authorization": f"Bearer {tokens['access_token']}", "accept": "application/json"}
    own = {name: user[name] for name in ("username", "email", "firstName", "lastName", "attributes")}
    assert issuer.http.post(page, headers=headers, json={**own, "firstName": "Newer"}).status_code == 204
    for changed in ({"attributes": {"tenant": ["tenant-other"]}}, {"email": "else@stoa.example"}):
        refused = issuer.http.post(page, headers=headers, json={**own, **changed})
        assert (refused.status_code, refused.json()["errorMessage"]) == (400, "error-user-attribute-read-only")
    kept = issuer.user(user["username"])
    assert (kept["attributes"], kept["email"], kept["firstName"]) == (own["attributes"], own["email"], "Newer")


def test_nobody_registers_a_client(issuer: Issuer) -> None:
    for path, body in (
        ("openid-connect", {"redirect_uris": ["http://evil.example/"]}),
        ("default", {"clientId": "evil"}),
    ):
        refused = issuer.http.post(f"{issuer.url}/clients-registrations/{path}", json=body)
        assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")


def test_no_token_outlives_its_session_offline(issuer: Issuer) -> None:
    answer = said(Browser(issuer).ask(scope="openid offline_access"))
    assert answer["error"] == "invalid_scope"
