"""What becomes of tokens and sessions, and the admin API. tests/real asks a real Keycloak the same."""

import time
from typing import Any

import keycloak

from tests.emulators.keycloak.kit import PASSWORD, Browser, Issuer, Json, Receiver, form_of, payload, refusal, said

EVENT = "http://schemas.openid.net/event/backchannel-logout"


def challenge(issuer: Issuer, token: str) -> tuple[int, str]:
    answer = issuer.userinfo(token)
    return answer.status_code, answer.headers["www-authenticate"]


def test_a_refresh_token_counts_once_and_its_reuse_ends_the_family(issuer: Issuer) -> None:
    first = Browser(issuer).login("cleo")
    second = issuer.refresh(first).json()
    claims = issuer.claims(second["access_token"])
    assert (claims["aud"], claims["realm_access"], claims["tenant_id"]) == (
        "control-plane-api", {"roles": ["devops"]}, "tenant-demo")  # fmt: skip
    used_last = "Maximum allowed refresh token reuse exceeded"
    assert refusal(issuer.refresh(first)) == (400, "invalid_grant", used_last)
    assert refusal(issuer.refresh(second)) == (400, "invalid_grant", "Session doesn't have required client")
    assert challenge(issuer, second["access_token"])[0] == 401


def test_two_tabs_refresh_beside_each_other_and_end_together(issuer: Issuer) -> None:
    browser = Browser(issuer)
    one = browser.login("cleo")
    two = browser.redeem(said(browser.ask())["code"]).json()
    newer = issuer.refresh(one).json()
    assert issuer.refresh(two).status_code == 200
    time.sleep(issuer.pause_s)
    newest = issuer.refresh(newer).json()
    assert refusal(issuer.refresh(one)) == (400, "invalid_grant", "Stale token")
    assert refusal(issuer.refresh(newest))[:2] == (400, "invalid_grant")


def test_what_is_no_refresh_token_of_the_client_is_refused(issuer: Issuer) -> None:
    tokens = Browser(issuer).login("cleo")
    for given in ("x.y.z", tokens["access_token"], tokens["id_token"]):
        answer = issuer.refresh(tokens, refresh_token=given)
        assert refusal(answer) == (400, "invalid_grant", "Invalid refresh token")
    other = issuer.refresh(tokens, client="stoa-portal")
    assert refusal(other)[2] == "Invalid refresh token. Token client and authorized client don't match"


def test_a_refresh_may_ask_for_less_and_never_gets_more(issuer: Issuer) -> None:
    tokens = Browser(issuer).login("cleo", scope="openid stoa:write")
    less = issuer.refresh(tokens, scope="openid").json()
    assert "stoa:write" not in less["scope"].split()
    whole = issuer.refresh(less).json()
    assert "stoa:write" in whole["scope"].split()
    assert refusal(issuer.refresh(whole, scope="openid nope"))[:2] == (400, "invalid_scope")
    modest = Browser(issuer).login("cleo")
    assert "stoa:write" not in issuer.refresh(modest, scope="openid stoa:write").json()["scope"].split()


def test_userinfo_is_for_access_tokens_of_a_login(issuer: Issuer) -> None:
    tokens = Browser(issuer).login("bob")
    found = issuer.userinfo(tokens["access_token"]).json()
    assert found == {
        "sub": issuer.claims(tokens["access_token"])["sub"], "preferred_username": "bob", "email": "bob@stoa.example",
        "email_verified": True, "name": "Bob Owner", "given_name": "Bob", "family_name": "Owner",
        "tenant_id": "tenant-demo",
    }  # fmt: skip
    for token in ("nonsense", tokens["id_token"]):
        bearer = 'Bearer realm="stoa", error="invalid_token", error_description="Token verification failed"'
        assert challenge(issuer, token) == (401, bearer)
    machine = issuer.machine("awx-automation").json()["access_token"]
    assert challenge(issuer, machine) == (
        403, 'Bearer realm="stoa", error="insufficient_scope", error_description="Missing openid scope"')  # fmt: skip
    nothing = issuer.http.get(f"{issuer.url}/protocol/openid-connect/userinfo")
    assert (nothing.status_code, nothing.headers["www-authenticate"]) == (401, 'Bearer realm="stoa"')


def test_a_client_learns_only_about_tokens_that_were_made_for_it(issuer: Issuer) -> None:
    tokens = Browser(issuer).login("bob")
    found = issuer.introspect(tokens["access_token"])
    assert (found["active"], found["username"], found["client_id"], found["realm_access"]) == (
        True, "bob", "control-plane-ui", {"roles": ["tenant-admin"]})  # fmt: skip
    assert issuer.introspect(issuer.machine("stoa-operator").json()["access_token"])["active"] is True
    for token in (tokens["refresh_token"], tokens["id_token"], "nonsense"):
        assert issuer.introspect(token) == {"active": False}
    assert issuer.introspect(tokens["access_token"], "api-gateway") == {"active": False}
    public = issuer.post("token/introspect", token="x", client_id="control-plane-ui")
    assert refusal(public) == (403, "invalid_request", "Client not allowed.")
    wrong = issuer.post("token/introspect", token="x", client_id="control-plane-api", client_secret="x")
    assert refusal(wrong)[:2] == (401, "invalid_client")


def test_a_revoked_token_is_over_and_a_refresh_token_takes_the_session_along(issuer: Issuer) -> None:
    browser = Browser(issuer)
    tokens = browser.login("bob")
    foreign = issuer.post("revoke", client_id="stoa-portal", token=tokens["refresh_token"])
    assert refusal(foreign) == (400, "invalid_request", "Unmatching clients")
    assert issuer.post("revoke", client_id="control-plane-ui", token=tokens["access_token"]).status_code == 200
    assert challenge(issuer, tokens["access_token"])[0] == 401
    fresh = issuer.refresh(tokens).json()
    assert issuer.userinfo(fresh["access_token"]).status_code == 200
    assert issuer.post("revoke", client_id="control-plane-ui", token=fresh["refresh_token"]).status_code == 200
    assert refusal(issuer.refresh(fresh)) == (400, "invalid_grant", "Session not active")
    assert challenge(issuer, fresh["access_token"])[0] == 401
    form_of(browser.ask())


def test_a_logout_ends_the_session_for_every_client_and_tells_them(issuer: Issuer, receiver: Receiver) -> None:
    browser = Browser(issuer)
    console = browser.login("bob")
    browser.client = "stoa-portal"
    portal = browser.redeem(said(browser.ask())["code"]).json()
    back = f"{issuer.environment['STOA_CONSOLE_URL']}/"
    gone = browser.logout(id_token_hint=console["id_token"], post_logout_redirect_uri=back, state="bye")
    assert (gone.status_code, gone.headers["location"]) == (302, f"{back}?state=bye")
    for tokens, client in ((console, "control-plane-ui"), (portal, "stoa-portal")):
        assert refusal(issuer.refresh(tokens, client)) == (400, "invalid_grant", "Session not active")
        assert challenge(issuer, tokens["access_token"])[0] == 401
    form_of(browser.ask())
    told = {payload(token)["aud"]: token for token in receiver.of(console["session_state"], 2)}
    assert told.keys() == {"control-plane-ui", "stoa-portal"}
    for client, token in told.items():
        claims = issuer.claims(token)
        wanted = {"iss": issuer.url, "aud": client, "typ": "Logout", "sid": console["session_state"],
                  "sub": issuer.claims(console["access_token"])["sub"],
                  "events": {EVENT: {}, "revoke_offline_access": True}}  # fmt: skip
        assert {name: claims[name] for name in wanted} == wanted
        assert (claims["exp"] - claims["iat"], "nonce" in claims) == (120, False)
    assert browser.logout(id_token_hint=console["id_token"], post_logout_redirect_uri=back).status_code == 302


def test_a_logout_goes_nowhere_that_is_not_registered_and_asks_without_a_hint(issuer: Issuer) -> None:
    browser = Browser(issuer)
    tokens = browser.login("bob")
    back = f"{issuer.environment['STOA_CONSOLE_URL']}/"
    for parameters, text in (
        (
            {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": "http://evil.example/"},
            "Invalid redirect uri",
        ),
        ({"post_logout_redirect_uri": back}, "Missing parameters: id_token_hint"),
        ({"id_token_hint": "x", "post_logout_redirect_uri": back}, "Invalid parameter: id_token_hint"),
        ({"id_token_hint": tokens["access_token"]}, "Invalid parameter: id_token_hint"),
    ):
        answer = browser.logout(**parameters)
        assert (answer.status_code, text in answer.text) == (400, True)
    asked = browser.logout()
    assert "Do you want to log out?" in asked.text
    assert issuer.userinfo(tokens["access_token"]).status_code == 200
    code = asked.text.partition('name="session_code" value="')[2].partition('"')[0]
    done = browser.http.post(form_of(asked), data={"session_code": code, "confirmLogout": "Logout"})
    assert "You are logged out" in done.text
    assert challenge(issuer, tokens["access_token"])[0] == 401


def test_pages_of_other_origins_read_nothing(issuer: Issuer) -> None:
    tokens = Browser(issuer).login("dan")
    own, other = ({"origin": origin} for origin in (issuer.environment["STOA_CONSOLE_URL"], "http://evil.example"))
    for path in ("/protocol/openid-connect/certs", "/.well-known/openid-configuration"):
        assert (
            issuer.http.get(issuer.url + path, headers=other).headers["access-control-allow-origin"] == other["origin"]
        )
    url, bearer = (
        f"{issuer.url}/protocol/openid-connect/userinfo",
        {"authorization": f"Bearer {tokens['access_token']}"},
    )
    assert issuer.http.get(url, headers={**own, **bearer}).headers["access-control-allow-origin"] == own["origin"]
    refused = issuer.http.get(url, headers={**other, **bearer})
    assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (403, False)
    form = {"grant_type": "refresh_token", "client_id": "control-plane-ui", "refresh_token": tokens["refresh_token"]}
    url = f"{issuer.url}/protocol/openid-connect/token"
    assert issuer.http.post(url, data=form, headers=other).status_code == 403
    answer = issuer.http.post(url, data=form, headers=own)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, own["origin"])


def test_an_administrator_sees_and_ends_sessions(issuer: Issuer, receiver: Receiver) -> None:
    user = issuer.new_user("viewer")
    tokens = Browser(issuer).login(user["username"])
    found = issuer.admin("GET", f"/users/{user['id']}/sessions").json()
    assert [(one["id"], one["username"], one["userId"], list(one["clients"].values())) for one in found] == [
        (tokens["session_state"], user["username"], user["id"], ["control-plane-ui"])
    ]
    path = f"/sessions/{tokens['session_state']}"
    assert issuer.admin("DELETE", path).status_code == 204
    assert refusal(issuer.refresh(tokens))[2] == "Session not active"
    assert len(receiver.of(tokens["session_state"], 1)) == 1
    assert issuer.admin("DELETE", path).status_code == 404
    tokens = Browser(issuer).login(user["username"])
    assert issuer.admin("POST", f"/users/{user['id']}/logout").status_code == 204
    assert refusal(issuer.refresh(tokens))[2] == "Session not active"
    assert issuer.admin("GET", f"/users/{user['id']}/sessions").json() == []


def test_only_the_account_for_it_administers_users(issuer: Issuer) -> None:
    bob = issuer.user("bob")["id"]
    calls: list[tuple[str, str, Any]] = [
        ("GET", "/users", None), ("POST", "/users", {}), ("GET", f"/users/{bob}/sessions", None),
        ("DELETE", "/sessions/x", None), ("POST", f"/users/{bob}/role-mappings/realm", []),
    ]  # fmt: skip
    for method, path, body in calls:
        for client in ("stoa-operator", "awx-automation"):
            refused = issuer.admin(method, path, client, json=body)
            assert (refused.status_code, refused.json()) == (403, {"error": "HTTP 403 Forbidden"})
        nobody = issuer.http.request(method, f"{issuer.server}/admin/realms/stoa{path}")
        assert (nobody.status_code, nobody.json()) == (401, {"error": "HTTP 401 Unauthorized"})


def test_a_user_that_cannot_be_is_refused_and_what_is_not_declared_is_dropped(issuer: Issuer) -> None:
    user = issuer.new_user()

    def answer(**changed: object) -> tuple[int, Json]:
        body = {**{name: value for name, value in user.items() if name != "id"}, **changed}
        made = issuer.admin("POST", "/users", json=body)
        return made.status_code, made.json() if made.content else {}

    fresh = {"username": f"{user['username']}x", "email": f"x{user['email']}"}
    assert answer() == (409, {"errorMessage": "User exists with same email"})
    assert answer(email=fresh["email"])[0] == 409
    assert answer(**fresh, attributes={"tenant": ["No Tenant!"]})[1]["field"] == "tenant"
    assert answer(**fresh, credentials=[{"type": "password", "value": "short"}])[1]["error"] == (
        "invalidPasswordMinLengthMessage")  # fmt: skip
    assert answer(**fresh, nonsense=1)[0] == 400
    assert answer(**fresh, attributes={"tenant": ["tenant-demo"], "colour": ["red"]})[0] == 201
    assert issuer.user(fresh["username"])["attributes"] == {"tenant": ["tenant-demo"]}


def test_a_role_that_is_given_and_an_account_that_is_closed_count_at_the_next_refresh(issuer: Issuer) -> None:
    user = issuer.new_user("viewer")
    tokens = Browser(issuer).login(user["username"])
    path = f"/users/{user['id']}/role-mappings/realm"
    known = {one["name"]: one for one in issuer.admin("GET", f"{path}/available").json()}
    assert issuer.admin("POST", path, json=[{"name": "devops"}]).status_code == 404
    assert issuer.admin("POST", path, json=[known["devops"]]).status_code == 204
    tokens = issuer.refresh(tokens).json()
    assert set(issuer.claims(tokens["access_token"])["realm_access"]["roles"]) == {"viewer", "devops"}
    assert issuer.admin("DELETE", path, json=[known["devops"]]).status_code == 204
    tokens = issuer.refresh(tokens).json()
    assert issuer.claims(tokens["access_token"])["realm_access"] == {"roles": ["viewer"]}
    assert issuer.admin("PUT", f"/users/{user['id']}", json={"enabled": False}).status_code == 204
    assert refusal(issuer.refresh(tokens))[:2] == (400, "invalid_grant")
    browser = Browser(issuer)
    assert "Account is disabled" in browser.fill(browser.ask(), user["username"]).text
    assert issuer.admin("DELETE", f"/users/{user['id']}").status_code == 204
    assert issuer.admin("GET", f"/users/{user['id']}").json() == {"error": "User not found"}


def test_python_keycloak_finds_makes_and_ends_what_we_need(issuer: Issuer) -> None:
    secret = issuer.secret("stoa-identity")
    admin = keycloak.KeycloakAdmin(
        server_url=f"{issuer.server}/", realm_name="stoa", client_id="stoa-identity", client_secret_key=secret
    )
    name = issuer.new_user("viewer")["username"]
    user_id = admin.get_user_id(name)
    assert user_id
    admin.assign_realm_roles(
        user_id, [r for r in admin.get_available_realm_roles_of_user(user_id) if r["name"] == "devops"]
    )
    assert "devops" in {role["name"] for role in admin.get_realm_roles_of_user(user_id)}
    admin.set_user_password(user_id, f"{PASSWORD}-2", temporary=False)
    browser = Browser(issuer)
    tokens = browser.redeem(said(browser.fill(browser.ask(), name, f"{PASSWORD}-2"))["code"]).json()
    assert [one["id"] for one in admin.get_sessions(user_id)] == [tokens["session_state"]]
    client = keycloak.KeycloakOpenID(server_url=f"{issuer.server}/", realm_name="stoa", client_id="control-plane-ui")
    found: Any = client.userinfo(tokens["access_token"])
    assert found["preferred_username"] == name
    assert "BEGIN" not in client.public_key()
    admin.user_logout(user_id)
    assert admin.get_sessions(user_id) == []
    admin.delete_user(user_id)
    assert admin.get_user_id(name) is None
