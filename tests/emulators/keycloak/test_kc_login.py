"""Signing in and the tokens that come of it. tests/real asks a real Keycloak the same."""

import pytest

from tests.emulators.keycloak.kit import PASSWORD, Browser, Issuer, form_of, refusal, said

# user: realm role and tenant
PEOPLE = {
    "ada": ("cpi-admin", None),
    "bob": ("tenant-admin", "tenant-demo"),
    "cleo": ("devops", "tenant-demo"),
    "dan": ("viewer", "tenant-demo"),
    "eve": ("security", None),
    "fay": ("consumer", "tenant-demo"),
    "gus": ("tenant-admin", "tenant-other"),
    "hana": ("devops", "tenant-other"),
}
BAD_CLIENT = "Invalid client or Invalid client credentials"
WRONG = "Invalid username or password."


def test_the_discovery_document_names_what_clients_look_for(issuer: Issuer) -> None:
    found = issuer.http.get(f"{issuer.url}/.well-known/openid-configuration").json()
    base = f"{issuer.url}/protocol/openid-connect"
    assert found["issuer"] == issuer.url
    names = {"authorization": "auth", "token": "token", "userinfo": "userinfo", "end_session": "logout",
             "introspection": "token/introspect", "revocation": "revoke"}  # fmt: skip
    assert {name: found[f"{name}_endpoint"] for name in names} == {n: f"{base}/{path}" for n, path in names.items()}
    assert "S256" in found["code_challenge_methods_supported"]
    assert found["authorization_response_iss_parameter_supported"] is True
    realm = issuer.http.get(issuer.url).json()
    assert (realm["realm"], realm["token-service"]) == ("stoa", base)


def test_the_key_set_holds_one_key_that_signs_and_one_that_does_not(issuer: Issuer) -> None:
    keys = issuer.http.get(f"{issuer.url}/protocol/openid-connect/certs").json()["keys"]
    assert {(key["use"], key["alg"], key["kty"]) for key in keys} == {
        ("sig", "RS256", "RSA"),
        ("enc", "RSA-OAEP", "RSA"),
    }
    assert not any({"d", "p", "q"} & key.keys() for key in keys)


def test_each_demo_user_gets_the_claims_of_role_and_tenant(issuer: Issuer) -> None:
    for name, (role, tenant) in PEOPLE.items():
        tokens = Browser(issuer).login(name)
        claims = issuer.claims(tokens["access_token"])
        wanted = {"iss": issuer.url, "aud": "control-plane-api", "azp": "control-plane-ui", "typ": "Bearer",
                  "preferred_username": name, "email": f"{name}@stoa.example", "email_verified": True, "acr": "1",
                  "sid": tokens["session_state"], "realm_access": {"roles": [role]},
                  "allowed-origins": [issuer.environment["STOA_CONSOLE_URL"]]}  # fmt: skip
        assert {key: claims.get(key) for key in wanted} == wanted
        assert claims.get("tenant_id") == tenant
        assert claims["exp"] - claims["iat"] == 300
        assert 290 < tokens["expires_in"] <= 300
        more = {"exp", "iat", "jti", "sub", "auth_time", "scope", "name", "given_name", "family_name", "tenant_id"}
        assert claims.keys() - {*wanted, *more} == set()


def test_an_id_token_is_for_the_client_and_carries_the_nonce_of_the_login(issuer: Issuer) -> None:
    tokens = Browser(issuer).login("bob")
    claims = issuer.claims(tokens["id_token"])
    assert (claims["aud"], claims["typ"], claims["nonce"]) == ("control-plane-ui", "ID", "some-nonce")
    assert claims["sub"] == issuer.claims(tokens["access_token"])["sub"]
    assert claims["tenant_id"] == "tenant-demo"
    assert "realm_access" not in claims
    assert "nonce" not in issuer.claims(issuer.refresh(tokens).json()["id_token"])


def test_a_scope_is_for_those_whose_role_has_it(issuer: Issuer) -> None:
    wanted = {
        "bob": {"stoa:read", "stoa:write", "stoa:admin"},
        "cleo": {"stoa:read", "stoa:write"},
        "dan": {"stoa:read"},
    }
    for name, scopes in wanted.items():
        tokens = Browser(issuer).login(name, scope="openid stoa:write stoa:admin")
        assert set(tokens["scope"].split()) == {"openid", "profile", "email", *scopes}
        assert set(issuer.claims(tokens["access_token"])["scope"].split()) == set(tokens["scope"].split())
    assert "id_token" not in Browser(issuer).login("dan", scope="stoa:read")


def test_a_request_without_a_proof_key_or_with_another_mistake_goes_back_with_an_error(issuer: Issuer) -> None:
    mistakes: list[tuple[dict[str, str | None], str, str | None]] = [
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request",
         "Missing parameter: code_challenge_method"),
        ({"code_challenge_method": "plain"}, "invalid_request",
         "Invalid parameter: code challenge method is not matching the configured one"),
        ({"code_challenge": "short"}, "invalid_request", "Invalid parameter: code_challenge"),
        ({"scope": "openid nope"}, "invalid_scope", "Invalid scopes: openid nope"),
        ({"scope": "openid deploy:prod"}, "invalid_scope", "Invalid scopes: openid deploy:prod"),
        ({"response_type": None}, "invalid_request", "Missing parameter: response_type"),
        ({"prompt": "none"}, "login_required", None),
    ]  # fmt: skip
    for changed, error, description in mistakes:
        browser = Browser(issuer)
        answer = browser.ask(**changed)
        assert answer.headers["location"].startswith(f"{browser.callback}?")
        wanted = {"error": error, "state": "some-state", "iss": issuer.url}
        assert said(answer) == wanted | ({} if description is None else {"error_description": description})


def test_an_address_that_is_not_registered_gets_a_page_and_no_way_back(issuer: Issuer) -> None:
    browser = Browser(issuer)
    for changed, text in (
        ({"redirect_uri": f"{browser.callback}/more"}, "Invalid parameter: redirect_uri"),
        ({"redirect_uri": "http://evil.example/callback"}, "Invalid parameter: redirect_uri"),
        ({"redirect_uri": None}, "Invalid parameter: redirect_uri"),
        ({"client_id": "nobody"}, "Client not found."),
        ({"client_id": "admin-cli"}, "Client disabled."),
    ):
        answer = browser.ask(**changed)
        assert (answer.status_code, answer.headers.get("location")) == (400, None)
        assert text in answer.text


def test_a_code_counts_once_and_only_as_it_was_asked_for(issuer: Issuer) -> None:
    browser = Browser(issuer)
    mistakes: list[tuple[dict[str, str | None], str]] = [
        ({"code_verifier": "x" * 64}, "PKCE verification failed: Code mismatch"),
        ({"code_verifier": "short"}, "PKCE verification failed: Invalid code verifier"),
        ({"code_verifier": None}, "PKCE code verifier not specified"),
        ({"redirect_uri": f"{browser.callback}2"}, "Incorrect redirect_uri"),
        ({"client_id": "stoa-portal"}, "Auth error: Found different client_id in clientSession"),
    ]
    for changed, text in mistakes:
        code = browser.code("dan", prompt="login")
        assert refusal(browser.redeem(code, **changed)) == (400, "invalid_grant", text)
        assert refusal(browser.redeem(code)) == (400, "invalid_grant", "Code not valid")


def test_a_code_that_is_shown_again_ends_the_tokens_it_gave(issuer: Issuer) -> None:
    browser = Browser(issuer)
    code = browser.code("dan")
    tokens = browser.redeem(code).json()
    assert issuer.userinfo(tokens["access_token"]).status_code == 200
    assert refusal(browser.redeem(code)) == (400, "invalid_grant", "Code not valid")
    assert issuer.userinfo(tokens["access_token"]).status_code == 401
    assert refusal(issuer.refresh(tokens)) == (400, "invalid_grant", "Session doesn't have required client")


def test_who_is_signed_in_is_not_asked_again_unless_the_client_wants_it(issuer: Issuer) -> None:
    browser = Browser(issuer)
    first = browser.login("bob")
    again = browser.redeem(said(browser.ask(prompt="none"))["code"]).json()
    assert again["session_state"] == first["session_state"]
    assert issuer.claims(again["access_token"])["acr"] == "0"
    browser.client = "stoa-portal"
    portal = browser.redeem(said(browser.ask())["code"]).json()
    claims = issuer.claims(portal["access_token"])
    assert (claims["azp"], claims["aud"], claims["sid"]) == ("stoa-portal", "control-plane-api", first["session_state"])
    form_of(browser.ask(prompt="login"))


def test_a_wrong_password_says_the_same_as_an_unknown_name_and_an_address_is_as_good_as_a_name(issuer: Issuer) -> None:
    browser, user = Browser(issuer), issuer.new_user("viewer")
    page = browser.ask()
    for name, password in ((user["username"], "not-the-password"), ("nobody-at-all", PASSWORD), ("", "")):
        page = browser.fill(page, name, password)
        assert WRONG in page.text
        assert "not-the-password" not in page.text
    assert "code" in said(browser.fill(page, user["email"].upper()))


def test_a_form_belongs_to_its_browser_and_can_be_sent_once(issuer: Issuer) -> None:
    browser, other = Browser(issuer), Browser(issuer)
    page = browser.ask()
    stolen = other.fill(page, "dan")
    assert (stolen.status_code, "Restart login cookie not found" in stolen.text) == (400, True)
    assert WRONG in browser.fill(page, "dan", "not-the-password").text
    stale = browser.fill(page, "dan")
    assert "code=" not in stale.headers["location"]
    shown = browser.http.get(stale.headers["location"])
    assert "code" in said(browser.fill(shown, "dan"))


def test_five_wrong_passwords_close_the_account_until_an_administrator_opens_it(issuer: Issuer) -> None:
    user = issuer.new_user("viewer")
    path = f"/attack-detection/brute-force/users/{user['id']}"
    browser = Browser(issuer)
    page = browser.ask()
    for _ in range(5):
        assert issuer.admin("GET", path).json()["disabled"] is False
        page = browser.fill(page, user["username"], "not-the-password")
    for _ in range(2):
        page = browser.fill(page, user["username"])
        assert WRONG in page.text
    lock = issuer.admin("GET", path).json()
    assert (lock["disabled"], lock["numFailures"]) == (True, 5)
    assert issuer.admin("DELETE", path).status_code == 204
    assert "code" in said(browser.fill(page, user["username"]))


def test_a_machine_gets_a_token_for_what_it_does(issuer: Issuer) -> None:
    awx = issuer.machine("awx-automation", scope="deploy:dev")
    claims = issuer.claims(awx.json()["access_token"])
    assert (claims["aud"], claims["azp"], claims["realm_access"]) == (
        "control-plane-api", "awx-automation", {"roles": ["service"]})  # fmt: skip
    assert set(claims["scope"].split()) == {"profile", "stoa:read", "deploy:dev"}
    assert claims["preferred_username"] == "service-account-awx-automation"
    assert (claims["client_id"], "sid" in claims, "tenant_id" in claims) == ("awx-automation", False, False)
    assert awx.json()["refresh_expires_in"] == 0
    assert "refresh_token" not in awx.json()
    operator = issuer.claims(issuer.machine("stoa-operator").json()["access_token"])
    assert (set(operator["realm_access"]["roles"]), operator["tenant_id"]) == ({"service", "devops"}, "tenant-demo")
    identity = issuer.claims(issuer.machine("stoa-identity").json()["access_token"])
    assert (identity["aud"], "realm_access" in identity) == ("realm-management", False)
    asked = issuer.machine("stoa-operator", scope="deploy:prod")
    assert refusal(asked) == (400, "invalid_scope", "Invalid scopes: deploy:prod")


def test_no_client_is_believed_without_its_secret_and_none_takes_passwords(issuer: Issuer) -> None:
    for client, error in (("stoa-operator", "unauthorized_client"), ("nobody", "invalid_client")):
        answer = issuer.post("token", grant_type="client_credentials", client_id=client, client_secret="x")
        assert refusal(answer) == (401, error, BAD_CLIENT)
        url, form = f"{issuer.url}/protocol/openid-connect/token", {"grant_type": "client_credentials"}
        assert refusal(issuer.http.post(url, data=form, auth=(client, "x"))) == (401, error, BAD_CLIENT)
    public = issuer.post("token", grant_type="client_credentials", client_id="control-plane-ui")
    assert refusal(public)[:2] == (401, "unauthorized_client")
    for client in ("control-plane-api", "api-gateway"):
        assert refusal(issuer.machine(client))[:2] == (401, "unauthorized_client")
    typed = {"grant_type": "password", "username": "ada", "password": PASSWORD}
    for client in ("control-plane-ui", "stoa-portal"):
        answer = issuer.post("token", client_id=client, **typed)
        assert refusal(answer) == (400, "unauthorized_client", "Client not allowed for direct access grants")
    assert refusal(issuer.post("token", client_id="admin-cli", **typed)) == (401, "invalid_client", BAD_CLIENT)


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        ({}, ("invalid_request", "Missing form parameter: grant_type")),
        ({"grant_type": "magic"}, ("unsupported_grant_type", "Unsupported grant_type")),
        ({"grant_type": "authorization_code"}, ("invalid_request", "Missing parameter: code")),
        ({"grant_type": "refresh_token"}, ("invalid_request", "No refresh token")),
    ],
)
def test_an_incomplete_request_for_tokens_is_refused(
    issuer: Issuer, form: dict[str, str], wanted: tuple[str, str]
) -> None:
    answer = issuer.post("token", client_id="control-plane-ui", **form)
    assert refusal(answer) == (400, *wanted)
    assert answer.headers["cache-control"] == "no-store"
