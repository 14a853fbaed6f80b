"""What only the emulator has: controls, faults, what it refuses to start with, and that a kill loses nothing."""

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.errors import InvalidKeyIdError

from local import identity
from local.emulators.keycloak.app import create_app
from local.emulators.keycloak.settings import Config
from local.parts.ports import free_port
from tests.emulators.keycloak.kit import Browser, Issuer, Json, environment, form_of, refusal, said


def control(issuer: Issuer, name: str, method: str = "PUT", **body: Any) -> Json:
    answer = issuer.http.request(method, f"{issuer.server}/_emulator/{name}", json=body)
    assert answer.is_success, answer.text
    found: Json = answer.json()
    return found


@contextlib.contextmanager
def later(issuer: Issuer, seconds: int) -> Iterator[None]:
    control(issuer, "oddities", ahead_s=seconds)
    yield
    control(issuer, "oddities", ahead_s=0)


def test_time_ends_codes_tokens_sessions_and_locks(issuer: Issuer) -> None:
    browser, user = Browser(issuer), issuer.new_user("viewer")
    page = browser.ask()
    for _ in range(5):
        page = browser.fill(page, user["username"], "not-the-password")
    with later(issuer, 61):
        code = said(browser.fill(page, user["username"]))["code"]
        tokens = browser.redeem(code).json()
        assert issuer.userinfo(tokens["access_token"]).status_code == 200
        code = said(browser.ask())["code"]
    with later(issuer, 61 + 60):
        assert refusal(browser.redeem(code)) == (400, "invalid_grant", "Code not valid")
    tokens = browser.login("dan", prompt="login")
    with later(issuer, 301):
        assert issuer.userinfo(tokens["access_token"]).status_code == 401
        tokens = issuer.refresh(tokens).json()
    with later(issuer, 301 + 1700):
        assert issuer.refresh(tokens).status_code == 200
    kept = browser.login("dan", prompt="login")
    for seconds in range(1500, 28_800, 1500):
        with later(issuer, seconds):
            kept = issuer.refresh(kept).json()
    with later(issuer, 28_801):
        assert refusal(issuer.refresh(kept)) == (400, "invalid_grant", "Session not active")
        form_of(browser.ask())


def test_keys_rotate_stay_and_vanish(issuer: Issuer) -> None:
    tokens = Browser(issuer).login("dan")
    (old,) = control(issuer, "keys", "GET")["keys"]
    new = control(issuer, "keys", "POST")["kid"]
    assert control(issuer, "keys", "GET")["keys"] == [{"kid": new, "state": "active"}, {**old, "state": "passive"}]
    assert issuer.claims(tokens["access_token"])["preferred_username"] == "dan"
    second = issuer.refresh(tokens).json()
    assert issuer.claims(second["access_token"])["preferred_username"] == "dan"
    control(issuer, f"keys/{old['kid']}", state="disabled")
    with pytest.raises(InvalidKeyIdError):
        issuer.claims(tokens["access_token"])
    assert issuer.userinfo(tokens["access_token"]).status_code == 401
    assert issuer.userinfo(second["access_token"]).status_code == 200
    control(issuer, f"keys/{new}", state="disabled")
    states = [key["state"] for key in control(issuer, "keys", "GET")["keys"]]
    assert states == ["active", "disabled", "disabled"]


def test_the_audience_can_be_missing(issuer: Issuer) -> None:
    control(issuer, "oddities", without_audience=True)
    tokens = Browser(issuer).login("dan")
    control(issuer, "oddities", without_audience=False)
    assert "aud" not in issuer.claims(tokens["access_token"])
    assert issuer.introspect(tokens["access_token"]) == {"active": False}


def test_it_can_be_dead_and_slow(issuer: Issuer) -> None:
    certs = f"{issuer.url}/protocol/openid-connect/certs"
    control(issuer, "faults", mode="down", path="/certs$", count=1)
    assert (issuer.http.get(certs).status_code, issuer.http.get(certs).status_code) == (502, 200)
    control(issuer, "faults", mode="slow", delay_s=0.2, path="/certs$", count=1)
    began = time.monotonic()
    assert issuer.http.get(certs).status_code == 200
    assert time.monotonic() - began >= 0.2
    control(issuer, "faults", mode="fail", status=503, count=1)
    assert (issuer.http.get(certs).status_code, issuer.http.get(certs).status_code) == (503, 200)


def test_controls_refuse_what_they_do_not_know(issuer: Issuer) -> None:
    known = control(issuer, "keys", "GET")["keys"][0]["kid"]
    for path, body, status in (
        ("oddities", {"nonsense": 1}, 400), ("oddities", {"ahead_s": "1"}, 400), ("oddities", [], 400),
        ("keys/nobody", {"state": "passive"}, 404), (f"keys/{known}", {"state": "lost"}, 400),
    ):  # fmt: skip
        answer = issuer.http.put(f"{issuer.server}/_emulator/{path}", json=body)
        assert (answer.status_code, list(answer.json())) == (status, ["error"])


def test_an_unknown_realm_path_or_method_is_refused_as_keycloak_does(issuer: Issuer) -> None:
    base = f"{issuer.server}/realms"
    for method, url, status, text in (
        ("GET", f"{base}/nope/.well-known/openid-configuration", 404, "Realm does not exist"),
        ("GET", f"{issuer.server}/admin/realms/nope/users", 404, "Realm not found."),
        ("GET", f"{issuer.url}/nope", 404, "HTTP 404 Not Found"),
        ("GET", f"{issuer.url}/protocol/openid-connect/token", 405, "HTTP 405 Method Not Allowed"),
    ):
        answer = issuer.http.request(method, url)
        assert (answer.status_code, answer.json()) == (status, {"error": text})


def test_its_pages_are_for_everybody(issuer: Issuer) -> None:
    browser = Browser(issuer)
    page = browser.ask()
    wrong = browser.fill(page, '"><script>alert(1)</script>', "not-the-password")
    for shown in (page, wrong, browser.logout(), browser.ask(client_id="nobody")):
        assert '<html lang="en">' in shown.text
        assert "<script" not in shown.text
        assert "prefers-color-scheme: dark" in shown.text
        assert "default-src 'none'" in shown.headers["content-security-policy"]
        fields = re.findall(r'<input id="(\w+)"', shown.text)
        assert all(f'<label for="{field}">' in shown.text for field in fields)
    assert re.findall(r'<input id="(\w+)"', page.text) == ["username", "password"]
    assert 'autocomplete="current-password"' in page.text
    assert 'role="alert"' in wrong.text
    assert wrong.text.count('aria-invalid="true" aria-describedby="problem"') == 2


def test_a_client_that_is_away_does_not_hold_up_a_logout(tmp_path: Path) -> None:
    with started(tmp_path, public=f"http://127.0.0.1:{free_port()}") as issuer:
        tokens = Browser(issuer).login("dan")
        assert Browser(issuer).logout(id_token_hint=tokens["id_token"]).status_code == 200
        assert refusal(issuer.refresh(tokens))[2] == "Session not active"


def test_everything_survives_a_kill(tmp_path: Path) -> None:
    port = free_port()
    browser_code = ""
    with started(tmp_path, port=port) as issuer:
        user, browser = issuer.new_user("viewer"), Browser(issuer)
        used = browser.code(user["username"])
        tokens = browser.redeem(used).json()
        other = Browser(issuer)
        browser_code = other.code("dan")
        revoked = Browser(issuer).login("eve")["access_token"]
        issuer.post("revoke", client_id="control-plane-ui", token=revoked)
    with started(tmp_path, port=port) as issuer:
        assert issuer.claims(tokens["access_token"])["sub"] == user["id"]
        assert issuer.userinfo(revoked).status_code == 401
        browser.issuer = other.issuer = issuer
        assert said(browser.ask(prompt="none"))["session_state"] == tokens["session_state"]
        assert other.redeem(browser_code).status_code == 200
        fresh = issuer.refresh(tokens).json()
        assert refusal(issuer.refresh(tokens))[:2] == (400, "invalid_grant")
        assert refusal(issuer.refresh(fresh))[:2] == (400, "invalid_grant")
        assert refusal(browser.redeem(used)) == (400, "invalid_grant", "Code not valid")


@pytest.mark.parametrize("lost", ["DEMO_PASSWORD", "STOA_OPERATOR_CLIENT_SECRET", "STOA_PUBLIC_URL"])
def test_it_does_not_start_without_a_value_for_each_placeholder(tmp_path: Path, lost: str) -> None:
    made = environment("http://127.0.0.1:1", "http://127.0.0.1:2")
    config = Config(tmp_path, "http://127.0.0.1:1", identity.REALM, made, identity.USERS)
    for broken in ({**made, lost: ""}, {name: value for name, value in made.items() if name != lost}):
        with pytest.raises(ValueError, match=f"needs a value for {lost} in the environment"):
            create_app(dataclasses.replace(config, environment=broken))


@pytest.mark.parametrize(
    ("client", "changed", "text"),
    [
        ("control-plane-ui", {"redirectUris": ["http://x.example/*"]}, "without *"),
        ("control-plane-ui", {"webOrigins": ["*"]}, "without *"),
        ("control-plane-ui", {"directAccessGrantsEnabled": True}, "direct grants"),
        ("control-plane-ui", {"fullScopeAllowed": True}, "full scope"),
        ("control-plane-ui", {"defaultClientScopes": ["nope"]}, "nope"),
        ("control-plane-ui", {"defaultClientScopes": ["address"]}, "oidc-address-mapper"),
        ("stoa-operator", {"secret": ""}, "no secret"),
        (None, {"revokeRefreshToken": False}, "revokeRefreshToken"),
        (None, {"bruteForceProtected": False}, "bruteForceProtected"),
    ],
)
def test_a_realm_that_is_open_or_not_emulated_is_refused(
    tmp_path: Path, client: str | None, changed: Json, text: str
) -> None:
    realm = json.loads(identity.REALM.read_text())
    (realm if client is None else next(c for c in realm["clients"] if c["clientId"] == client)).update(changed)
    file = tmp_path / "realm.json"
    file.write_text(json.dumps(realm))
    made = environment("http://127.0.0.1:1", "http://127.0.0.1:2")
    with pytest.raises(ValueError, match=re.escape(text)):
        create_app(Config(tmp_path, "http://127.0.0.1:1", file, made))


@contextlib.contextmanager
def started(folder: Path, port: int = 0, public: str = "http://127.0.0.1:9") -> Iterator[Issuer]:
    """As a process of its own, which is killed."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    made = environment(url, public)
    files = ["--realm", str(identity.REALM), "--users", str(identity.USERS)]
    command = [sys.executable, "-m", "local.emulators.keycloak", "--port", str(port), "--state", str(folder), *files]
    process = subprocess.Popen(command, env={**os.environ, **made})
    try:
        issuer, deadline = Issuer(url, made), time.monotonic() + 120
        while True:
            with contextlib.suppress(httpx.TransportError):
                issuer.http.get(issuer.url)
                break
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield issuer
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
