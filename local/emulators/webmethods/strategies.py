"""Strategies (how an application is known to an authorisation server) and OAuth scope mappings."""

import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from local.emulators.webmethods.answers import Json, answer, nothing, refuse
from local.emulators.webmethods.gateway import Gateway, json_object, new_id, note

FIELDS = tuple("name description authServerAlias audience clientId dcrConfig clientRegistration".split())
SCOPE_FIELDS = tuple("scopeName scopeDescription apiScopes requiredAuthScopes audience".split())


def _found(gateway: Gateway, kind: str, object_id: str) -> Json:
    record = gateway.store.get(kind, object_id)
    if record is None:
        raise refuse(404, f" Unable to find the resource: {object_id}")
    return record


def _masked(gateway: Gateway, strategy: Json) -> Json:
    if gateway.variants.strategy_secret == "masked":  # noqa: S105 - no secret
        return {**strategy, "clientSecret": "*" * len(strategy["clientSecret"])}
    return strategy


def _credentials() -> Json:
    return {"clientId": new_id(), "clientSecret": secrets.token_hex(16)}


async def create(gateway: Gateway, request: Request) -> Response:
    body = await json_object(request)
    if body.get("type") not in {"OAUTH2", gateway.variants.strategy_jwt_type}:
        raise refuse(400, f" Strategy type {body.get('type')} is not supported.")
    if not body.get("name") or not body.get("authServerAlias"):
        raise refuse(400, " Mandatory field name or authServerAlias is missing in the input request body")
    given = {key: body[key] for key in FIELDS if body.get(key) is not None}
    strategy = {"id": new_id(), "type": body["type"], **_credentials(), **given}
    gateway.store.put("strategy", strategy["id"], strategy)
    note(request, strategy_id=strategy["id"], name=strategy["name"])
    return answer({"strategy": _masked(gateway, strategy)}, gateway.variants.created_status)


async def list_strategies(gateway: Gateway, request: Request) -> Response:
    found: Any = gateway.store.all("strategy")
    return answer(found if gateway.variants.strategies_list == "bare" else {"strategies": found})


async def read(gateway: Gateway, request: Request) -> Response:
    return answer({"strategy": _masked(gateway, _found(gateway, "strategy", request.path_params["id"]))})


async def update(gateway: Gateway, request: Request) -> Response:
    strategy = _found(gateway, "strategy", request.path_params["id"])
    body = await json_object(request)
    changed = {**strategy, **{key: body[key] for key in FIELDS if body.get(key) is not None}}
    gateway.store.put("strategy", strategy["id"], changed)
    return answer({"strategy": _masked(gateway, changed)})


async def refresh(gateway: Gateway, request: Request) -> Response:
    """New credentials, and with them a new clientId."""
    strategy = _found(gateway, "strategy", request.path_params["id"])
    changed = gateway.store.put("strategy", strategy["id"], {**strategy, **_credentials()})
    return answer({"strategy": _masked(gateway, changed)})


async def delete(gateway: Gateway, request: Request) -> Response:
    asked = [part for part in request.query_params.get("ids", "").split(",") if part]
    if not asked:
        raise refuse(400, " Mandatory parameter ids is missing")
    for strategy_id in asked:
        _found(gateway, "strategy", strategy_id)
    for strategy_id in asked:
        gateway.store.drop("strategy", strategy_id)
    return nothing()


def _scope(gateway: Gateway, body: Json, own_id: str) -> Json:
    """The checked mapping: known servers by name, known APIs, an empty audience, one mapping per name."""
    scope: Json = {"scopeDescription": "", "apiScopes": [], "requiredAuthScopes": [], "audience": ""}
    scope |= {key: body[key] for key in SCOPE_FIELDS if key in body}
    if not scope.get("scopeName"):
        raise refuse(400, " Mandatory field scopeName is missing in the input request body")
    if scope["audience"] and gateway.variants.scope_audience == "empty":
        raise refuse(400, " The audience is not valid.")
    servers = [str(entry.get("authServerAlias")) for entry in scope["requiredAuthScopes"]]
    if not all(gateway.store.found("alias", server) for server in servers):
        raise refuse(400, " The authorization server alias does not exist.")
    if any(gateway.store.get("api", api_id) is None for api_id in scope["apiScopes"]):
        raise refuse(400, " The APIs of the scope do not exist.")
    others = [one for one in gateway.store.all("scope") if one["id"] != own_id]
    if any(one["scopeName"] == scope["scopeName"] for one in others):
        raise refuse(400, f" Scope {scope['scopeName']} already exists")
    return {"id": own_id, **scope}


async def create_scope(gateway: Gateway, request: Request) -> Response:
    scope = _scope(gateway, await json_object(request), new_id())
    gateway.store.put("scope", scope["id"], scope)
    note(request, scope_id=scope["id"], name=scope["scopeName"])
    return answer({"scope": scope}, gateway.variants.created_status)


async def list_scopes(gateway: Gateway, request: Request) -> Response:
    return answer({"scopes": gateway.store.all("scope")})


async def read_scope(gateway: Gateway, request: Request) -> Response:
    return answer({"scope": _found(gateway, "scope", request.path_params["id"])})


async def update_scope(gateway: Gateway, request: Request) -> Response:
    old = _found(gateway, "scope", request.path_params["id"])
    scope = _scope(gateway, await json_object(request), old["id"])
    gateway.store.put("scope", scope["id"], scope)
    return answer({"scope": scope})


async def delete_scope(gateway: Gateway, request: Request) -> Response:
    scope = _found(gateway, "scope", request.path_params["id"])
    gateway.store.drop("scope", scope["id"])
    return nothing()
