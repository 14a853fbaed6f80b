"""The playbooks' work without Ansible, for load: the same steps in the same order, the same results.

tests/playbooks/test_direct_equals_playbooks.py proves that both leave the same gateway state.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from stoa.adapters.vault import SecretValue, read_secret
from stoa.adapters.webmethods import generation, publication, routing
from stoa.adapters.webmethods.artefact import fetch
from stoa.adapters.webmethods.gateway import Gateway
from stoa.adapters.webmethods.wanted import Wanted, check, check_action, wanted
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret

Result = dict[str, Any]
Work = Callable[[Gateway, Wanted, Mapping[str, Any], Mapping[str, str]], Result]


def run(playbook: str, extra_vars: dict[str, object], environment: dict[str, str]) -> tuple[str, Result, str]:
    """Status as AWX says it, the artifacts of set_stats, and what a log would show."""
    request = wanted(extra_vars)
    said = {
        "deployment_id": request.deployment_id,
        "event_id": extra_vars["event_id"],
        "generation": request.generation,
        "gateway_api_id": "",
        "api_name": request.name,
        "api_version": request.version,
        "active": False,
        "verified": False,
        "code": None,
        "detail": None,
        "changed": [],
    }
    gateway = Gateway(environment["GATEWAY_URL"], environment["GATEWAY_USER"], Secret(environment["GATEWAY_PASSWORD"]))
    try:
        check(extra_vars)
        action, work = WORK[playbook.removesuffix(".yaml")]
        check_action(request, action)
        done = _guarded(gateway, request, extra_vars, environment, work)
    except Refused as error:
        failed = {**said, "outcome": "refused", "code": error.code, "detail": error.detail}
        return "failed", {"stoa_result": failed}, f"fatal: {error.code}: {error.detail}\n"
    except Transient as error:
        code = f"{error.system.upper()}_UNAVAILABLE"
        failed = {**said, "outcome": "refused", "code": code, "detail": error.detail}
        return "failed", {"stoa_result": failed}, f"fatal: {code}: {error.detail}\n"
    return "successful", {"stoa_result": {**said, **done}}, f"ok: {done['outcome']}\n"


def _guarded(
    gateway: Gateway, request: Wanted, extra_vars: Mapping[str, Any], environment: Mapping[str, str], work: Work
) -> Result:
    found = generation.held(gateway, request)
    if generation.is_older(found, request):
        return {"outcome": "superseded", "code": "OLDER_GENERATION"}
    generation.claim(gateway, request, found, dry=False)
    return work(gateway, request, extra_vars, environment)


def _deploy(gateway: Gateway, request: Wanted, extra_vars: Mapping[str, Any], env: Mapping[str, str]) -> Result:
    document = fetch(extra_vars["openapi_url"], request.openapi_sha256, Secret(env["STOA_ARTEFACT_TOKEN"]))
    held = generation.held(gateway, request)
    routed, secrets = _route(gateway, request, held, env)
    changed = {
        "routing": routed,
        "document": publication.ensure_document(gateway, request, document, held, dry=False),
        "policies": publication.ensure_policies(gateway, request, dry=False),
    }
    if request.authentication is None:
        changed["policies"] |= routing.remove_alias(gateway, request.outbound_alias, dry=False)
    changed["activation"] = publication.ensure_active(gateway, request, dry=False)
    api_id = publication.read_back(gateway, request, json.loads(document))
    documents = {**held.documents, request.version: request.openapi_sha256}
    generation.seal(gateway, request, "applied", documents, secrets, dry=False)
    names = [name for name, did in changed.items() if did]
    outcome = "applied" if names else "unchanged"
    return {"outcome": outcome, "gateway_api_id": api_id, "active": True, "verified": True, "changed": names}


def _undeploy(gateway: Gateway, request: Wanted, extra_vars: Mapping[str, Any], env: Mapping[str, str]) -> Result:
    changed = publication.remove(gateway, request, dry=False)
    for alias in (request.backend_alias, request.outbound_alias):
        changed = routing.remove_alias(gateway, alias, dry=False) or changed
    changed = generation.seal(gateway, request, "removed", {}, {}, dry=False) or changed
    verified = publication.is_gone(gateway, request)
    return {"outcome": "removed", "verified": verified, "changed": ["removal"] if changed else []}


def _sync_alias(gateway: Gateway, request: Wanted, extra_vars: Mapping[str, Any], env: Mapping[str, str]) -> Result:
    held = generation.held(gateway, request)
    changed, secrets = _route(gateway, request, held, env)
    generation.seal(gateway, request, "applied", held.documents, secrets, dry=False)
    outcome = "applied" if changed else "unchanged"
    return {"outcome": outcome, "active": True, "verified": True, "changed": ["routing"] if changed else []}


def _route(
    gateway: Gateway, request: Wanted, held: generation.Held, env: Mapping[str, str]
) -> tuple[bool, dict[str, int]]:
    authentication = request.authentication
    secrets: dict[str, SecretValue] = {}
    if authentication is not None:
        for reference in (authentication["username_ref"], authentication["password_ref"]):
            secrets[reference] = read_secret(env["VAULT_ADDR"], Secret(env["VAULT_TOKEN"]), reference)
    changed = routing.ensure_backend(gateway, request, dry=False)
    changed = routing.ensure_credentials(gateway, request, secrets, held.secrets, dry=False) or changed
    return changed, routing.versions(secrets)


WORK: dict[str, tuple[str, Work]] = {
    "deploy-api": ("deploy", _deploy),
    "undeploy-api": ("undeploy", _undeploy),
    "sync-alias": ("sync-alias", _sync_alias),
}
