"""Members by a push, the whole way: what a person may do follows what Git says, from the next token on."""

from typing import Any

import requests

from local import identity
from tests.emulators.keycloak.kit import Browser, Issuer, Json, said

FILE = """\
apiVersion: stoa.cab-i.com/v1
kind: TenantRegistry
tenants:
  - id: tenant-demo
    members:
      cpi: [{email: bob@stoa.example}]
      devops: [{email: dan@stoa.example}]
      viewers: [{email: new@stoa.example}]
"""


def login(lab: Any, name: str) -> tuple[str, Json]:
    """A fresh access token of that person, and its claims."""
    home = lab.stack.home
    browser = Browser(Issuer(lab.stack.url("identity"), identity.environment(lab.stack.url, home.secret)))
    code = said(browser.fill(browser.ask(), name, home.secret("demo_password")))["code"]
    token = browser.redeem(code).json()["access_token"]
    return token, browser.issuer.claims(token)


def ask(lab: Any, method: str, path: str, token: str) -> requests.Response:
    return requests.request(
        method, f"{lab.stack.url('api')}{path}", headers={"Authorization": f"Bearer {token}"}, timeout=60
    )


def taken(lab: Any, name: str, status: int) -> Json | None:
    """The claims of a fresh token that gets this answer; None if it is of a session that is over."""
    token, claims = login(lab, name)
    answer = ask(lab, "GET", "/v1/apis", token)
    if answer.status_code == 401:
        return None
    assert answer.status_code == status
    return claims


def test_a_push_decides_who_may_what(lab: Any) -> None:
    bob, _ = login(lab, "bob")
    cleo, _ = login(lab, "cleo")
    assert ask(lab, "GET", "/v1/apis", cleo).status_code == 200
    lab.workspace.write("iam/tenants.yaml", FILE)
    commit = lab.workspace.push("Members")
    path = "/v1/tenants/tenant-demo/members"
    lab.until(lambda: ask(lab, "GET", path, bob).json()["state"] == "synced", "Keycloak to have the members")
    found = ask(lab, "GET", path, bob).json()
    assert found["source_commit"] == commit
    assert {one["email"].partition("@")[0]: (one["role"], one["state"]) for one in found["items"]} == {
        "bob": ("tenant-admin", "synced"), "dan": ("devops", "synced"), "new": ("viewer", "pending")}  # fmt: skip
    dan, claims = login(lab, "dan")
    assert (claims["realm_access"]["roles"], claims["tenant_id"]) == (["devops"], "tenant-demo")
    assert ask(lab, "GET", "/v1/apis", cleo).json()["code"] == "SESSION_ENDED", "the token from before is over"
    claims = lab.until(lambda: taken(lab, "cleo", 403), "the second to be over whose tokens were ended with hers")
    assert ("realm_access" in claims, "tenant_id" in claims) == (False, False)
    assert login(lab, "gus")[1]["tenant_id"] == "tenant-other"
    dans = f"{path}/{next(one['sub'] for one in found['items'] if one['email'].startswith('dan'))}/sessions"
    (session,) = ask(lab, "GET", dans, bob).json()["items"]
    assert ask(lab, "DELETE", f"{dans}/{session['id']}", bob).status_code == 204
    assert ask(lab, "GET", "/v1/apis", dan).json()["code"] == "SESSION_ENDED"
