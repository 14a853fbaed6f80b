"""The life of an API: activation, deactivation, new versions."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from local.emulators.webmethods import dates
from local.emulators.webmethods.answers import Json, Refusal, raw, refuse
from local.emulators.webmethods.apis import base_url, refuse_dangling, subscribers
from local.emulators.webmethods.gateway import Gateway, json_object, new_id, note, note_api
from local.emulators.webmethods.model import enabled_operations
from local.emulators.webmethods.records import shown, versions_of


def _already(gateway: Gateway, api: Json, word: str) -> Refusal:
    state = "active" if api["isActive"] else "inactive"
    text = (
        f" Cannot execute the operation {word} on the given ApiId {api['id']}, "
        f"because the API is already in the {state} state."
    )
    return refuse(gateway.variants.repeated_state, text)


async def activate(gateway: Gateway, request: Request) -> Response:
    """Takes `activation_ms`; the runtime serves the API at the end of it, aliases are looked up by name then."""
    api = gateway.api(request.path_params["id"])
    _check_activation(gateway, api)
    await asyncio.sleep(gateway.timing.activation_ms / 1000)
    api = gateway.api(api["id"])
    _check_activation(gateway, api)
    active = gateway.store.put("api", api["id"], {**api, "isActive": True, "lastModified": dates.text()})
    gateway.touched(active, rebind=True)
    note_api(request, active)
    return raw(shown(gateway, active, base_url(request)))


def _check_activation(gateway: Gateway, api: Json) -> None:
    if api["isActive"]:
        raise _already(gateway, api, "ACTIVATE")
    if not enabled_operations(gateway.definition(api["id"])):
        raise refuse(400, f" API {api['apiName']} has no enabled resource, hence cannot be activated.")
    refuse_dangling(gateway, api)


async def deactivate(gateway: Gateway, request: Request) -> Response:
    """Takes `activation_ms`; the runtime answers 404 from the beginning of it."""
    api = gateway.api(request.path_params["id"])
    if not api["isActive"]:
        raise _already(gateway, api, "DEACTIVATE")
    note(request, began=dates.now().isoformat())
    gateway.plane.stop(api["id"])
    await asyncio.sleep(gateway.timing.activation_ms / 1000)
    api = gateway.api(api["id"])
    if not api["isActive"]:
        raise _already(gateway, api, "DEACTIVATE")
    stopped = gateway.store.put("api", api["id"], {**api, "isActive": False, "lastModified": dates.text()})
    gateway.touched(stopped)
    note_api(request, stopped)
    return raw(shown(gateway, stopped, base_url(request)))


async def new_version(gateway: Gateway, request: Request) -> Response:
    """A clone of the latest version, inactive, with cloned policies; subscriptions only when asked for exactly."""
    api = gateway.api(request.path_params["id"])
    body = await json_object(request)
    version = body.get("newApiVersion")
    family = versions_of(gateway, api)
    if not isinstance(version, str) or not version or "/" in version:
        raise refuse(400, " Mandatory field newApiVersion is missing in the input request body")
    if version in {one["apiVersion"] for one in family}:
        text = f" Unable to version the API {api['apiName']} with version {version} that already exists."
        raise refuse(400, text)
    if family[-1]["id"] != api["id"]:
        raise refuse(400, " Versioning is allowed only from latest version")
    clone = _clone(gateway, api, version)
    if body.get("retainApplications") is True:
        for app in subscribers(gateway, api["id"]):
            kept = {**app, "consumingAPIs": [*app["consumingAPIs"], clone["id"]]}
            gateway.store.put("application", app["id"], kept)
    note_api(request, clone)
    return raw(shown(gateway, clone, base_url(request)), gateway.variants.created_status)


def _clone(gateway: Gateway, api: Json, version: str) -> Json:
    store = gateway.store
    clone = {
        **api,
        "id": new_id(),
        "apiVersion": version,
        "isActive": False,
        "publishedPortals": [],
        "policies": [clone_policy(gateway, policy_id) for policy_id in api["policies"]],
        "systemVersion": api["systemVersion"] + 1,
        "prevVersion": api["id"],
        "nextVersion": None,
        "creationDate": dates.text(),
        "lastModified": dates.text(),
    }
    store.put("api", api["id"], {**api, "nextVersion": clone["id"]})
    store.put("definition", clone["id"], gateway.definition(api["id"]))
    store.put("api", clone["id"], clone)
    gateway.created(clone["id"])
    return clone


def clone_policy(gateway: Gateway, policy_id: str) -> str:
    """Stores a copy of the policy and of its actions under new ids; returns the id of the copy."""
    policy = gateway.store.get("policy", policy_id)
    if policy is None:
        return policy_id
    stages = []
    for stage in policy["policyEnforcements"]:
        entries = [_clone_entry(gateway, entry) for entry in stage["enforcements"]]
        stages.append({**stage, "enforcements": entries})
    copy = {**policy, "id": new_id(), "policyEnforcements": stages}
    gateway.store.put("policy", copy["id"], copy)
    return str(copy["id"])


def _clone_entry(gateway: Gateway, entry: dict[str, Any]) -> Json:
    action = gateway.store.get("policyAction", entry["enforcementObjectId"])
    if action is None:
        return entry
    copy = {**action, "id": new_id()}
    gateway.store.put("policyAction", copy["id"], copy)
    return {**entry, "enforcementObjectId": copy["id"]}
