"""What there must be so that each operation of the contract has something to accept, and requests that ask for it."""

import hashlib
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from local.issuer import CLIENT, Issuer
from stoa.kernel import ids
from stoa.tenancy.model import ROLES
from tests.emulators.keycloak import kit
from tests.functions.test_authorization import API, CHANNEL
from tests.gateway_admin.exposed import DOCUMENT, Exposed

OWN = "tenant-own"
SPEC = b'{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}'
DIGEST = hashlib.sha256(SPEC).hexdigest()
TRACE = f"trc-{1:032x}"
SCOPE = "openid deploy:dev"
SUNSET = {"sunset": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
SEEN = {"If-Match": "*"}
LOGOUT: dict[str, Any] = {"http://schemas.openid.net/event/backchannel-logout": {}}
API_ROW = (
    "INSERT INTO apis (tenant, api, generation, created_generation, project_id, commit_sha, environments, created_at,"
    " created_by, updated_at, updated_by, lifecycle) VALUES (%s, %s, 1, 1, 1, 'c', '{dev}', now(), 'p', now(), 'p', %s)"
)
DEPLOYMENT = (
    "INSERT INTO deployments (id, tenant, api, environment, action, generation, state, project_id, commit_sha, trigger,"
    " requested_by, trace_id, requested_at, api_version, artefact_sha256)"
    " VALUES (%s, %s, %s, 'dev', 'deploy', 1, %s, 1, 'c', 'gitlab-push', 'p', %s, now(), '1', %s)"
)


@dataclass(frozen=True)
class Ask:
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Seeds:
    """`tokens` are those of each role, for people whom Keycloak knows."""

    def __init__(self, api: Any, gateway: Exposed, keycloak: kit.Issuer) -> None:
        self.api, self.gateway, self.keycloak = api, gateway, keycloak
        self.issuer: Issuer = gateway.issuer
        api.rows("INSERT INTO project_tenants (project_id, tenant) VALUES (1, %s)", OWN)
        api.rows(
            "INSERT INTO project_heads (project_id, ref, head, moved_at) VALUES (1, 'refs/heads/main', 'c', now())"
        )
        api.rows("INSERT INTO artefacts VALUES (%s, %s, 'openapi', %s, '{}', now())", OWN, DIGEST, SPEC)
        self.people = {role: self.person() for role in ROLES}
        self.tokens = {
            role: self.issuer.token(role, tenant=OWN, sub=sub, scope=SCOPE, exp=int(time.time()) + 7200)
            for role, sub in self.people.items()
        }
        self.change = self.asked("POST", "/v1/apis", {**API, "tenant": OWN, "api": "asked"})["id"]
        self.deployment, self.served = self.deployed("read", "failed"), self.gateway.api(active=True)

    @cached_property
    def known(self) -> dict[str, str]:
        """What is there, by the names of parameters; others may be changing it."""
        viewer = self.people["viewer"]
        self.channel("known")
        return {
            "tenant": OWN, "api": "read", "deployment_id": self.deployment, "trace_id": TRACE, "name": "known",
            "change_id": self.change, "sub": viewer, "session": self.session(viewer), "sha256": DIGEST,
            "api_id": self.served["id"], "application_id": self.gateway.application(), "alias_id": self.alias(),
        }  # fmt: skip

    def person(self) -> str:
        """The id of a user of the tenant in Keycloak."""
        name = f"user{uuid.uuid4().hex[:12]}"
        body = {"username": name, "email": f"{name}@stoa.example", "enabled": True, "emailVerified": True,
                "attributes": {"tenant": [OWN]},
                "credentials": [{"type": "password", "value": kit.PASSWORD, "temporary": False}]}  # fmt: skip
        return str(self.keycloak.admin("POST", "/users", json=body).headers["location"].rpartition("/")[2])

    def session(self, user_id: str) -> str:
        name = self.keycloak.admin("GET", f"/users/{user_id}").json()["username"]
        return str(kit.Browser(self.keycloak).login(name)["session_state"])

    def asked(self, method: str, path: str, body: Any) -> Any:
        """By an administrator."""
        headers = {"Authorization": f"Bearer {self.tokens['cpi-admin']}"}
        answer = self.api.session.request(method, self.api.url + path, json=body, headers=headers, timeout=10)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def deployed(self, name: str, state: str) -> str:
        """The id of the first deployment of an API."""
        made = ids.deployment_id()
        self.api.rows("INSERT INTO generations VALUES (%s, 1)", f"{OWN}/{name}/dev")
        self.api.rows(DEPLOYMENT, made, OWN, name, state, TRACE, DIGEST if state == "succeeded" else None)
        self.listed(name)
        return made

    def listed(self, name: str, state: str = "draft") -> str:
        """Its path."""
        self.api.rows(API_ROW, OWN, name, f'{{"state": "{state}", "deprecated": null, "sunset": null}}')
        return f"/v1/apis/{OWN}/{name}"

    def channel(self, name: str) -> str:
        path = f"/v1/tenants/{OWN}/channels/{name}"
        self.asked("PUT", path, CHANNEL)
        return path

    def tenant(self, name: str) -> str:
        self.api.rows("INSERT INTO project_tenants (project_id, tenant) VALUES (9, %s)", name)
        return f"/v1/tenants/{name}"

    def alias(self) -> str:
        body = {"type": "simple", "name": self.gateway.name(), "value": "b"}
        return str(self.gateway.admin.post("/alias", json=body).json()["alias"]["id"])


def accepted(seeds: Seeds, caller: str) -> dict[str, Callable[[], Ask]]:
    """By operation, a request that is accepted from whoever may; made when it is about to be sent. Each caller changes
    what is its own."""
    return {
        **_of_catalogue(seeds, caller), **_of_deployments(seeds, caller), **_of_tenants(seeds, caller),
        **_of_gateway(seeds), **_of_sessions(seeds, caller), **_of_machines(seeds),
        "GET /health/live": lambda: Ask("/health/live"),
        "GET /health/ready": lambda: Ask("/health/ready"),
    }  # fmt: skip


def _of_catalogue(seeds: Seeds, caller: str) -> dict[str, Callable[[], Ask]]:
    one, path = "/v1/apis/{tenant}/{api}", f"/v1/apis/{OWN}/read"
    return {
        "GET /v1/apis": lambda: Ask(f"/v1/apis?tenant={OWN}&q=read"),
        f"GET {one}": lambda: Ask(path),
        f"GET {one}/versions": lambda: Ask(f"{path}/versions"),
        f"GET {one}/compare": lambda: _compared(seeds, caller),
        "POST /v1/apis": lambda: Ask("/v1/apis", {**API, "tenant": OWN, "api": f"new-{caller}"}),
        f"PUT {one}": lambda: Ask(seeds.listed(f"put-{caller}"), API, SEEN),
        f"DELETE {one}": lambda: Ask(seeds.listed(f"delete-{caller}"), None, SEEN),
        f"POST {one}/publish": lambda: Ask(f"{seeds.listed(f'publish-{caller}')}/publish", None, SEEN),
        f"POST {one}/deprecate": lambda: Ask(
            f"{seeds.listed(f'deprecate-{caller}', 'published')}/deprecate", SUNSET, SEEN),
        f"GET {one}/changes/{{change_id}}": lambda: Ask(f"/v1/apis/{OWN}/asked/changes/{seeds.change}"),
        "GET /v1/status": lambda: Ask("/v1/status"),
        "GET /v1/pushes": lambda: Ask("/v1/pushes"),
        "GET /v1/changes": lambda: Ask(f"/v1/changes?tenant={OWN}"),
        "GET /v1/traces": lambda: Ask("/v1/traces"),
        "GET /v1/traces/search": lambda: Ask("/v1/traces/search?q=read"),
        "GET /v1/traces/{trace_id}": lambda: Ask(f"/v1/traces/{TRACE}"),
        "GET /v1/audit": lambda: Ask("/v1/audit"),
    }  # fmt: skip


def _compared(seeds: Seeds, caller: str) -> Ask:
    seeds.deployed(f"compare-{caller}", "succeeded")
    return Ask(f"/v1/apis/{OWN}/compare-{caller}/compare?from=1&to=1")


def _of_deployments(seeds: Seeds, caller: str) -> dict[str, Callable[[], Ask]]:
    one, deployments = "/v1/deployments/{deployment_id}", "/v1/deployments"
    start = {"tenant": OWN, "api": f"start-{caller}", "environment": "dev"}
    ready = {"cancel": "requested", "retry": "failed", "rollback": "succeeded"}

    def act(action: str) -> Callable[[], Ask]:
        return lambda: Ask(f"{deployments}/{seeds.deployed(f'{action}-{caller}', ready[action])}/{action}")

    return {
        f"GET {deployments}": lambda: Ask(deployments),
        f"POST {deployments}": lambda: Ask(deployments, start),
        f"GET {one}": lambda: Ask(f"{deployments}/{seeds.deployment}"),
        **{f"POST {one}/{action}": act(action) for action in ready},
    }


def _of_tenants(seeds: Seeds, caller: str) -> dict[str, Callable[[], Ask]]:
    tenants, one = "/v1/tenants", "/v1/tenants/{tenant}"
    channel, new = f"{one}/channels/{{name}}", {"display_name": "New", "project_id": 9}
    return {
        f"GET {tenants}": lambda: Ask(tenants),
        f"POST {tenants}": lambda: Ask(tenants, {"tenant": f"tenant-new-{caller}", **new}),
        f"GET {one}": lambda: Ask(f"{tenants}/{OWN}"),
        f"PUT {one}": lambda: Ask(seeds.tenant(f"tenant-put-{caller}"), new),
        f"DELETE {one}": lambda: Ask(seeds.tenant(f"tenant-gone-{caller}"), None, SEEN),
        f"GET {one}/members": lambda: Ask(f"{tenants}/{OWN}/members"),
        f"GET {one}/channels": lambda: Ask(f"{tenants}/{OWN}/channels"),
        f"GET {channel}": lambda: Ask(seeds.channel(f"read-{caller}")),
        f"PUT {channel}": lambda: Ask(seeds.channel(f"put-{caller}"), CHANNEL),
        f"DELETE {channel}": lambda: Ask(seeds.channel(f"gone-{caller}")),
    }


def _of_gateway(seeds: Seeds) -> dict[str, Callable[[], Ask]]:
    gateway, dev, own = seeds.gateway, "environment=dev", "/v1/gateway"
    simple = {"type": "simple", "value": "b"}
    document = {"apiVersion": "1", "type": "openapi", "document": DOCUMENT}
    oidc = {"authServerAlias": "Gateway-Admin-API.issuer", "scopeName": "orders:read"}

    def listed(name: str) -> Callable[[], Ask]:
        return lambda: Ask(f"{own}/{name}?{dev}")

    def of_api(method: str, after: str, body: Any = None, *, active: bool = False) -> dict[str, Callable[[], Ask]]:
        route = f"{method} {own}/apis/{{api_id}}{after}"
        return {route: lambda: Ask(f"{own}/apis/{gateway.api(active=active)['id']}{after}?{dev}", body)}

    def of_application(method: str) -> dict[str, Callable[[], Ask]]:
        route = f"{method} {own}/applications/{{application_id}}/apis"
        used = {"apiIDs": [seeds.served["id"]]}
        return {route: lambda: Ask(f"{own}/applications/{gateway.application()}/apis?{dev}", used)}

    archive = f"{own}/archive?{dev}&api={seeds.served['id']}"
    return {
        **{f"GET {own}/{name}": listed(name)
           for name in ("health", "apis", "applications", "scopes", "alias")},
        f"POST {own}/apis": lambda: Ask(f"{own}/apis?{dev}", {"apiName": gateway.name(), **document}),
        **of_api("GET", ""), **of_api("DELETE", ""), **of_api("PUT", "/activate"),
        **of_api("PUT", "/deactivate", active=True), **of_api("POST", "/versions", {"newApiVersion": "2"}),
        **of_application("POST"), **of_application("PUT"),
        f"POST {own}/configure-oidc": lambda: Ask(
            f"{own}/configure-oidc?{dev}", {"apiId": gateway.api()["id"], **oidc}),
        f"POST {own}/alias": lambda: Ask(f"{own}/alias?{dev}", {"name": gateway.name(), **simple}),
        f"GET {own}/alias/{{alias_id}}": lambda: Ask(f"{own}/alias/{seeds.alias()}?{dev}"),
        f"PUT {own}/alias/{{alias_id}}": lambda: Ask(
            f"{own}/alias/{seeds.alias()}?{dev}", {"name": gateway.name(), **simple}),
        f"GET {own}/archive": lambda: Ask(archive),
        f"POST {own}/archive": lambda: Ask(
            f"{own}/archive?{dev}&overwrite=true", gateway.admin.get(f"/archive?apis={seeds.served['id']}").content),
    }  # fmt: skip


def _of_sessions(seeds: Seeds, caller: str) -> dict[str, Callable[[], Ask]]:
    own, of_member = "/v1/users/me/sessions", "/v1/tenants/{tenant}/members/{sub}/sessions"
    sub = seeds.people.get(caller, seeds.people["viewer"])  # type: ignore[call-overload]
    path = of_member.format(tenant=OWN, sub=sub)
    return {
        f"GET {own}": lambda: Ask(own),
        f"DELETE {own}/{{session}}": lambda: Ask(f"{own}/{seeds.session(sub)}"),
        f"GET {of_member}": lambda: Ask(path),
        f"DELETE {of_member}/{{session}}": lambda: Ask(f"{path}/{seeds.session(sub)}"),
    }


def _of_machines(seeds: Seeds) -> dict[str, Callable[[], Ask]]:
    """Whoever shows them, the caller is who the secret says."""
    push = {"object_kind": "push", "ref": "refs/heads/main", "before": "0" * 40, "after": "a" * 40, "project_id": 1,
            "user_id": 1, "project": {"default_branch": "main"}}  # fmt: skip
    absent = {"azp": None, "scope": None, "realm_access": None, "sid": None, "sub": None}
    claims: dict[str, Any] = {"aud": CLIENT, "typ": "Logout", "events": LOGOUT, **absent}
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    def logout() -> Ask:
        token = seeds.issuer.token(**{**claims, "jti": str(uuid.uuid4()), "sid": str(uuid.uuid4())})
        return Ask("/v1/sessions/backchannel-logout", f"logout_token={token}".encode(), form)

    return {
        "POST /webhooks/gitlab": lambda: Ask("/webhooks/gitlab", push, {"X-Gitlab-Token": "hook-secret"}),
        "POST /webhooks/awx/job-complete": lambda: Ask(
            "/webhooks/awx/job-complete", {"id": 1}, {"X-Stoa-Token": "awx-secret"}),
        "GET /artefacts/{tenant}/{sha256}": lambda: Ask(
            f"/artefacts/{OWN}/{DIGEST}", None, {"Authorization": "Bearer artefact-token"}),
        "POST /v1/sessions/backchannel-logout": logout,
    }  # fmt: skip


def ignored() -> dict[str, Ask]:
    """What machines also tell."""
    return {
        "POST /webhooks/gitlab": Ask("/webhooks/gitlab", {"object_kind": "tag_push"}),
        "POST /webhooks/awx/job-complete": Ask("/webhooks/awx/job-complete", {"test": True}),
    }
