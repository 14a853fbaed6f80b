"""The API resource: list, create, read, update, delete."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from local.emulators.webmethods import dates
from local.emulators.webmethods.answers import NULL_POINTER, Json, Refusal, answer, nothing, raw, refuse
from local.emulators.webmethods.gateway import Gateway, note, note_api
from local.emulators.webmethods.imports import Wanted, check_name, wanted
from local.emulators.webmethods.model import to_document
from local.emulators.webmethods.records import (
    default_policy,
    listed,
    native_endpoint,
    new_record,
    shown,
    versions_of,
)
from local.emulators.webmethods.store import actions_used

CHANGEABLE = frozenset({"maturityState", "nativeEndpoint", "owner", "apiGroups"})


def base_url(request: Request) -> str:
    return str(request.base_url).rstrip("/")


async def list_apis(gateway: Gateway, request: Request) -> Response:
    query = request.query_params
    if "apiIds" in query:
        asked = [part for part in query["apiIds"].split(",") if part]
        return answer({"apiResponse": [_asked(gateway, api_id) for api_id in asked]})
    found = page(gateway.store.all("api"), query.get("from"), query.get("size"))
    if not found and gateway.variants.empty_apis == "not_found_item":
        return answer({"apiResponse": [{"responseStatus": "NOT_FOUND", "errorReason": "No API found"}]})
    return answer({"apiResponse": [listed(api) for api in found]})


def _asked(gateway: Gateway, api_id: str) -> Json:
    api = gateway.store.get("api", api_id)
    if api is not None:
        return listed(api)
    return {"apiId": api_id, "responseStatus": "NOT_FOUND", "errorReason": f"Api with ID <{api_id}>does not exists"}


def page(items: list[Any], first: str | None, size: str | None) -> list[Any]:
    """The part of `items` that `from` and `size` ask for; a size below 0 or none means all."""
    try:
        start, count = int(first or 0), int(size or -1)
    except ValueError as error:
        raise refuse(400, " from and size are numbers") from error
    return items[start:] if count < 0 else items[start : start + count]


async def create(gateway: Gateway, request: Request) -> Response:
    ask = await wanted(gateway, request, "create")
    await asyncio.sleep(gateway.timing.import_ms / 1000)
    check_name(gateway, ask.name, ask.version, own_ids=set())
    if ask.model is None:
        raise refuse(400, " Unable to process the create API request. Reason: apiDefinition is missing")
    record = new_record(str(ask.name), str(ask.version), str(ask.description or ""), str(ask.uri), gateway.config.user)
    api = default_policy(gateway, record)
    gateway.store.put("definition", api["id"], ask.model)
    gateway.store.put("api", api["id"], api)
    gateway.created(api["id"])
    note_api(request, api, document_sha256=ask.digest)
    return raw(shown(gateway, api, base_url(request)), gateway.variants.created_status)


async def read(gateway: Gateway, request: Request) -> Response:
    api = gateway.api(request.path_params["id"])
    if gateway.is_stale(api["id"]):
        raise gateway.unknown_api(api["id"])
    wanted_form = request.query_params.get("format")
    if wanted_form is None:
        return raw(shown(gateway, api, base_url(request)))
    if wanted_form not in {"openapi", "swagger"}:
        raise refuse(400, f" The format {wanted_form} is not supported for this API")
    document = to_document(gateway.definition(api["id"]))
    if "url" in request.query_params and "openapi" in document:
        document["servers"] = [{"url": request.query_params["url"]}]
    return answer(document)


async def update(gateway: Gateway, request: Request) -> Response:
    api = gateway.api(request.path_params["id"])
    ask = await wanted(gateway, request, "update")
    await asyncio.sleep(gateway.timing.import_ms / 1000)
    api = gateway.api(api["id"])
    if api["isActive"] and gateway.variants.put_active == 400:
        raise refuse(400, " Unable to process the update API request. Reason: API is in active state")
    refuse_dangling(gateway, api)
    changed = _changed(gateway, api, ask)
    if ask.model is not None:
        gateway.store.put("definition", api["id"], ask.model)
    gateway.store.put("api", api["id"], changed)
    gateway.touched(changed)
    note_api(request, changed, **({"document_sha256": ask.digest} if ask.digest else {}))
    return raw(shown(gateway, changed, base_url(request)))


def _changed(gateway: Gateway, api: Json, ask: Wanted) -> Json:
    """The record after the update; what the reference says is kept (policies, scopes, state ...) is kept."""
    name = ask.fields.get("apiName") or api["apiName"]
    version = ask.fields.get("apiVersion") or api["apiVersion"]
    check_name(gateway, name, version, own_ids={one["id"] for one in versions_of(gateway, api)})
    changed = {**api, **{key: ask.fields[key] for key in CHANGEABLE & ask.fields.keys()}}
    changed.update(apiName=name, apiVersion=version, lastModified=dates.text())
    if ask.description is not None:
        changed["apiDescription"] = ask.description
    if ask.uri is not None and "nativeEndpoint" not in ask.fields:
        changed["nativeEndpoint"] = [native_endpoint(ask.uri)]
    return changed


def refuse_dangling(gateway: Gateway, api: Json) -> None:
    """An API whose policy refers to a deleted action is corrupt: the gateway dies on it."""
    for policy_id in api["policies"]:
        policy = gateway.store.get("policy", policy_id)
        used = actions_used(policy) if policy else []
        if policy is None or any(gateway.store.get("policyAction", action) is None for action in used):
            raise refuse(500, NULL_POINTER)


async def delete(gateway: Gateway, request: Request) -> Response:
    api = gateway.api(request.path_params["id"])
    problem = _undeletable(gateway, api, request.query_params.get("forceDelete") == "true")
    if problem:
        raise refuse(400, f" {problem}")
    note_api(request, api)
    remove(gateway, api)
    return nothing()


async def delete_many(gateway: Gateway, request: Request) -> Response:
    asked = [part for part in request.query_params.get("apiIds", "").split(",") if part]
    if not asked:
        raise refuse(400, " Mandatory parameter apiIds is missing")
    forced = request.query_params.get("forceDelete") == "true"
    results = [_delete_one(gateway, api_id, forced) for api_id in asked]
    note(request, api_ids=[result["apiId"] for result in results if result["responseStatus"] == "SUCCESS"])
    if all(result["responseStatus"] == "SUCCESS" for result in results):
        return nothing()
    return answer({"apiResponse": results})


def _delete_one(gateway: Gateway, api_id: str, forced: bool) -> Json:
    try:
        api = gateway.api(api_id)
    except Refusal:
        return {"apiId": api_id, "responseStatus": "ERROR", "errorReason": f"Api with ID <{api_id}>does not exists"}
    problem = _undeletable(gateway, api, forced)
    if problem:
        return {"apiId": api_id, "responseStatus": "ERROR", "errorReason": problem}
    remove(gateway, api)
    return {"apiId": api_id, "responseStatus": "SUCCESS"}


def _undeletable(gateway: Gateway, api: Json, forced: bool) -> str | None:
    if api["isActive"]:
        return f"API {api['apiName']} is in active state, hence cannot be deleted."
    if api["publishedPortals"]:
        return f"API {api['apiName']} is published to a portal, hence cannot be deleted."
    if subscribers(gateway, api["id"]) and not forced:
        return f"API {api['apiName']} is associated with applications, hence cannot be deleted."
    return None


def subscribers(gateway: Gateway, api_id: str) -> list[Json]:
    return gateway.store.found("application", f"api {api_id}")


def remove(gateway: Gateway, api: Json) -> None:
    """Removes the API, its policies and their actions, its subscriptions, and its place in the chain of versions."""
    store = gateway.store
    for policy_id in api["policies"]:
        drop_policy(gateway, policy_id)
    for app in subscribers(gateway, api["id"]):
        left = [api_id for api_id in app["consumingAPIs"] if api_id != api["id"]]
        store.put("application", app["id"], {**app, "consumingAPIs": left})
    for key, back in (("prevVersion", "nextVersion"), ("nextVersion", "prevVersion")):
        neighbour = store.get("api", api[key] or "")
        if neighbour is not None:
            store.put("api", neighbour["id"], {**neighbour, back: api[back]})
    for kind in ("api", "definition", "binding"):
        store.drop(kind, api["id"])
    gateway.plane.stop(api["id"])


def drop_policy(gateway: Gateway, policy_id: str) -> None:
    """Removes a policy and its actions."""
    policy = gateway.store.get("policy", policy_id)
    for action_id in actions_used(policy) if policy else []:
        gateway.store.drop("policyAction", action_id)
    gateway.store.drop("policy", policy_id)
