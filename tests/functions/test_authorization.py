"""Every route, as every role, for one's own tenant and another one: exactly the table of tenancy/model.py."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.api.app import build
from functions.api.security import Permitted
from local.issuer import Issuer, issuing
from stoa.deployments import store
from stoa.deployments.model import Deployment, Lane
from stoa.kernel import generations, ids
from stoa.kernel.database import Database
from stoa.kernel.settings import Secret
from stoa.tenancy.model import MATRIX, ROLES, Role

OWN, OTHER = "tenant-own", "tenant-other"
PROXY = "/v1/gateway"
# their callers are machines with secrets of their own, or anybody
OPEN = {
    "/v1/sessions/backchannel-logout",
    "/health/live",
    "/health/ready",
    "/webhooks/gitlab",
    "/webhooks/awx/job-complete",
    "/artefacts/{tenant}/{sha256}",
}
USERS = {OWN: "user-own", OTHER: "user-other"}
SUNSET = {"sunset": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
SEEN = {"If-Match": '"1"'}
API: dict[str, Any] = {
    "spec": {
        "displayName": "Orders",
        "version": "1",
        "backend": {"url": "http://backend.internal"},
        "security": {"type": "none"},
    },
    "document": {"content": "openapi: 3.0.3"},
    "environments": {"dev": {}},
}
CHANNEL = {"kind": "email", "target": "ada@example.com"}
# the admin API of a gateway that is nowhere; it belongs to no tenant
GATEWAY: dict[str, dict[str, Any] | None] = {
    "GET /health": None,
    "GET /apis": None,
    "POST /apis": {"apiName": "a", "apiVersion": "1", "type": "openapi", "document": {}},
    "GET /apis/{api_id}": None,
    "DELETE /apis/{api_id}": None,
    "PUT /apis/{api_id}/activate": None,
    "PUT /apis/{api_id}/deactivate": None,
    "POST /apis/{api_id}/versions": {"newApiVersion": "2"},
    "GET /applications": None,
    "POST /applications/{application_id}/apis": {"apiIDs": []},
    "PUT /applications/{application_id}/apis": {"apiIDs": []},
    "GET /scopes": None,
    "POST /configure-oidc": {"apiId": "a", "authServerAlias": "b", "scopeName": "c"},
    "GET /alias": None,
    "POST /alias": {"type": "simple", "name": "a", "value": "b"},
    "GET /alias/{alias_id}": None,
    "PUT /alias/{alias_id}": {"type": "simple", "name": "a", "value": "b"},
    "GET /archive": None,
    "POST /archive": None,
}


@dataclass(frozen=True)
class Ask:
    """One request about a tenant; `hides`: what belongs to another tenant is not there, else it is left out. One that
    is about the `caller` himself is of no tenant."""

    path: str
    body: dict[str, Any] | None = None
    hides: bool = True
    caller: bool = False
    headers: dict[str, str] = field(default_factory=dict)


def of_apis(tenant: str) -> dict[str, Ask]:
    one = f"/v1/apis/{tenant}/orders"
    return {
        "GET /v1/apis": Ask(f"/v1/apis?tenant={tenant}&q=orders"),
        "GET /v1/apis/{tenant}/{api}": Ask(one),
        "GET /v1/apis/{tenant}/{api}/versions": Ask(f"{one}/versions"),
        "GET /v1/apis/{tenant}/{api}/compare": Ask(f"{one}/compare?from=1&to=1"),
        "POST /v1/apis": Ask("/v1/apis", {**API, "tenant": tenant, "api": "new"}),
        "PUT /v1/apis/{tenant}/{api}": Ask(one, API, headers=SEEN),
        "DELETE /v1/apis/{tenant}/{api}": Ask(one, headers=SEEN),
        "POST /v1/apis/{tenant}/{api}/publish": Ask(f"{one}/publish", headers=SEEN),
        "POST /v1/apis/{tenant}/{api}/deprecate": Ask(f"{one}/deprecate", SUNSET, headers=SEEN),
        "GET /v1/apis/{tenant}/{api}/changes/{change_id}": Ask(f"{one}/changes/chg-1"),
    }


def asks(method: str, route: str, tenant: str, made: Deployment) -> Ask:
    """How each route is asked for something of that tenant. A route that is not here fails the walk."""
    channels, deployment = f"/v1/tenants/{tenant}/channels", f"/v1/deployments/{made.id}"
    members = f"/v1/tenants/{tenant}/members/{USERS[tenant]}/sessions"
    start = {"tenant": tenant, "api": made.lane.api, "environment": "dev"}
    if route.startswith(PROXY):
        path = re.sub("{.*}", "a1", route)
        more = "&api=a1" if (method, route) == ("GET", f"{PROXY}/archive") else ""
        return Ask(f"{path}?environment=dev{more}", GATEWAY[f"{method} {route.removeprefix(PROXY)}"])
    return {
        "GET /v1/deployments": Ask(f"/v1/deployments?tenant={tenant}"),
        "POST /v1/deployments": Ask("/v1/deployments", start),
        "GET /v1/deployments/{deployment_id}": Ask(deployment),
        "POST /v1/deployments/{deployment_id}/cancel": Ask(f"{deployment}/cancel"),
        "POST /v1/deployments/{deployment_id}/retry": Ask(f"{deployment}/retry"),
        "POST /v1/deployments/{deployment_id}/rollback": Ask(f"{deployment}/rollback"),
        **of_apis(tenant),
        "GET /v1/audit": Ask(f"/v1/audit?tenant={tenant}"),
        "GET /v1/status": Ask(f"/v1/status?tenant={tenant}"),
        "GET /v1/pushes": Ask("/v1/pushes", hides=False),
        "GET /v1/changes": Ask(f"/v1/changes?tenant={tenant}"),
        "GET /v1/traces": Ask(f"/v1/traces?tenant={tenant}"),
        "GET /v1/traces/search": Ask(f"/v1/traces/search?q=x&tenant={tenant}"),
        "GET /v1/traces/{trace_id}": Ask(f"/v1/traces/{made.trace_id}"),
        "GET /v1/tenants": Ask("/v1/tenants", hides=False),
        "POST /v1/tenants": Ask("/v1/tenants", {"tenant": f"{tenant}-new", "display_name": "New", "project_id": 9}),
        "GET /v1/tenants/{tenant}": Ask(f"/v1/tenants/{tenant}"),
        "PUT /v1/tenants/{tenant}": Ask(f"/v1/tenants/{tenant}", {"display_name": "Named", "project_id": 1}),
        "DELETE /v1/tenants/{tenant}": Ask(f"/v1/tenants/{tenant}", headers={"If-Match": "*"}),
        "GET /v1/tenants/{tenant}/members": Ask(f"/v1/tenants/{tenant}/members"),
        "GET /v1/tenants/{tenant}/members/{sub}/sessions": Ask(members),
        "DELETE /v1/tenants/{tenant}/members/{sub}/sessions/{session}": Ask(f"{members}/s-1"),
        "GET /v1/users/me/sessions": Ask("/v1/users/me/sessions", caller=True),
        "DELETE /v1/users/me/sessions/{session}": Ask("/v1/users/me/sessions/s-1", caller=True),
        "GET /v1/tenants/{tenant}/channels": Ask(channels),
        "GET /v1/tenants/{tenant}/channels/{name}": Ask(f"{channels}/team"),
        "PUT /v1/tenants/{tenant}/channels/{name}": Ask(f"{channels}/team", CHANNEL),
        "DELETE /v1/tenants/{tenant}/channels/{name}": Ask(f"{channels}/gone"),
    }[f"{method} {route}"]


def routes() -> Iterator[tuple[str, str, Permitted | None]]:
    for included in build().routes:
        for route in included.original_router.routes:  # type: ignore[attr-defined]
            found = [d.call for d in route.dependant.dependencies if isinstance(d.call, Permitted)]
            for method in route.methods:
                yield method, route.path, found[0] if found else None


class Desk:
    def __init__(self, api: Any, issuer: Issuer) -> None:
        self.api, self.issuer = api, issuer
        self.database = Database(Secret(api.database_url), "stoa_worker")
        for number, tenant in enumerate((OWN, OTHER), 1):
            api.rows("INSERT INTO project_tenants (project_id, tenant) VALUES (%s, %s)", number, tenant)
            api.rows(
                "INSERT INTO apis (tenant, api, generation, created_generation, project_id, commit_sha, environments,"
                " created_at, created_by, updated_at, updated_by)"
                " VALUES (%s, 'orders', 1, 1, %s, %s, '{dev}', now(), 'gitlab:1', now(), 'gitlab:1')",
                tenant, number, "a" * 40,
            )  # fmt: skip
        late = int(time.time()) + 3600  # on a slow machine too
        self.tokens = {role: issuer.token(role, tenant=OWN, exp=late) for role in ROLES}
        self.deployments = {tenant: self.deploy(tenant, number) for number, tenant in enumerate((OWN, OTHER), 1)}

    def deploy(self, tenant: str, project: int) -> Deployment:
        made = Deployment(
            ids.deployment_id(), Lane(tenant, "orders", "dev"), "deploy", 1, "failed", project, "a" * 40,
            "gitlab-push", "gitlab:1", ids.trace_id(), datetime.now(UTC),
        )  # fmt: skip
        with self.database.transaction(tenant) as connection:
            generations.following(connection, made.lane.subject)
            store.insert(connection, made)
            store.step(connection, made, "requested", "success", made.requested_at, made.requested_at)
        return made

    def ask(self, method: str, path: str, token: str, body: dict[str, Any] | None = None, **more: str) -> Any:
        headers = {"Authorization": f"Bearer {token}", **more}
        return self.api.session.request(method, self.api.url + path, json=body, headers=headers, timeout=10)

    def refusals(self, trace_id: str) -> list[dict[str, Any]]:
        rows = self.api.rows("SELECT convert_from(value, 'UTF8')::jsonb AS said FROM outbox WHERE topic = 'audit-log'")
        return [row["said"] for row in rows if row["said"]["trace_id"] == trace_id]


@pytest.fixture(scope="module")
def desk(start_api: Callable[..., Any]) -> Iterator[Desk]:
    with issuing() as issuer:
        yield Desk(start_api(STOA_OIDC_ISSUER_URL=issuer.url), issuer)


def expected(permitted: Permitted, role: Role, tenant: str, ask: Ask) -> set[int]:
    reach = MATRIX[permitted.permission].get(role)
    if reach not in {"all", "tenant"} | permitted.also:
        return {403}
    if reach != "all" and tenant == OTHER and ask.hides and not ask.caller:
        return {404}
    return {200, 201, 202, 204, 404, 409, 503} if ask.caller or tenant == OWN or reach == "all" else {200}


@pytest.mark.parametrize("role", ROLES)
def test_every_route_answers_each_role_as_the_table_says(desk: Desk, role: Role) -> None:
    wrong, seen = [], 0
    for method, route, permitted in routes():
        if permitted is None:
            assert route in OPEN, f"{method} {route} declares no permission"
            continue
        for tenant in (OTHER, OWN):
            ask = asks(method, route, tenant, desk.deployments[tenant])
            answer = desk.ask(method, ask.path, desk.tokens[role], ask.body, **ask.headers)
            seen += 1
            if answer.status_code not in expected(permitted, role, tenant, ask):
                wrong.append((method, ask.path, permitted.permission, answer.status_code, answer.text[:200]))
    assert not wrong
    assert seen == 2 * (37 + len(GATEWAY))


def test_who_belongs_to_no_tenant_reaches_none(desk: Desk) -> None:
    for role in ("tenant-admin", "devops", "viewer", "service"):
        assert desk.ask("GET", "/v1/deployments", desk.issuer.token(role)).status_code == 403


def test_roles_that_nobody_knows_grant_nothing(desk: Desk) -> None:
    assert desk.ask("GET", "/v1/deployments", desk.issuer.token("admin", "CPI-ADMIN", tenant=OWN)).status_code == 403


def test_lists_hold_what_is_the_callers_own_and_an_admin_sees_all(desk: Desk) -> None:
    for role, tenants in (("viewer", {OWN}), ("security", {OWN, OTHER})):
        for path in ("/v1/deployments", "/v1/apis"):
            found = desk.ask("GET", path, desk.tokens[role]).json()["items"]
            assert {one["tenant"] for one in found} == tenants


def test_an_api_says_whether_its_reader_may_deploy_it(desk: Desk) -> None:
    for role, may in (("viewer", False), ("security", False), ("devops", True), ("cpi-admin", True)):
        said = desk.ask("GET", f"/v1/apis/{OWN}/orders", desk.tokens[role]).json()
        assert (said["can_deploy"], said["block_reason"] is None) == (may, may)
        assert (said["api"], said["serving"]) == ("orders", [])
    assert "apis:deploy" in desk.ask("GET", f"/v1/apis/{OTHER}/orders", desk.tokens["security"]).json()["block_reason"]


def test_a_refusal_is_in_the_audit_of_who_asked(desk: Desk) -> None:
    path = f"/v1/tenants/{OTHER}/channels"
    answer = desk.ask("GET", path, desk.tokens["viewer"])
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    (said,) = desk.refusals(answer.json()["trace_id"])
    assert (said["outcome"], said["tenant"], said["after"]) == ("refused", OWN, {"code": "NOT_FOUND"})
    assert said["resource"] == f"GET {path}"
    again = desk.ask("POST", f"/v1/deployments/{desk.deployments[OWN].id}/cancel", desk.tokens["viewer"]).json()
    (said,) = desk.refusals(again["trace_id"])
    assert (said["actor"] != "unknown", said["after"]) == (True, {"code": "FORBIDDEN"})


def test_a_refusal_of_a_name_that_cannot_be_stored_is_audited_too(desk: Desk) -> None:
    answer = desk.ask("POST", "/v1/deployments/%00/cancel", desk.tokens["cpi-admin"])
    assert answer.status_code in {404, 422}
    (said,) = desk.refusals(answer.json()["trace_id"])
    assert said["resource"] == "POST /v1/deployments/%00/cancel"


def test_the_cursor_of_somebody_who_sees_all_shows_nobody_more(desk: Desk) -> None:
    for path in ("/v1/deployments", "/v1/apis", "/v1/tenants", "/v1/traces", "/v1/pushes"):
        cursors = list[str]()
        after = desk.ask("GET", f"{path}?limit=1", desk.tokens["cpi-admin"]).json()["next_cursor"]
        while after is not None and len(cursors) < 5:
            cursors.append(after)
            page = desk.ask("GET", f"{path}?limit=1&cursor={after}", desk.tokens["cpi-admin"]).json()
            after = page["next_cursor"]
        for cursor in cursors:
            answer = desk.ask("GET", f"{path}?cursor={cursor}", desk.tokens["viewer"])
            assert answer.status_code == 200
            assert OTHER not in answer.text
        assert cursors or path == "/v1/pushes"
