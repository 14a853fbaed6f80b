"""The smaller parts of an API: what can be listed of it, and its switches."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from local.emulators.webmethods import dates
from local.emulators.webmethods.answers import Json, answer, raw, refuse
from local.emulators.webmethods.apis import base_url, subscribers
from local.emulators.webmethods.gateway import Gateway, json_object, note_api
from local.emulators.webmethods.model import to_document
from local.emulators.webmethods.policies import label
from local.emulators.webmethods.records import native_endpoint, shown, versions_of


def _saved(gateway: Gateway, request: Request, api: Json, **change: Any) -> Response:
    changed = gateway.store.put("api", api["id"], {**api, **change, "lastModified": dates.text()})
    gateway.touched(changed)
    note_api(request, changed)
    return raw(shown(gateway, changed, base_url(request)))


async def versions(gateway: Gateway, request: Request) -> Response:
    api = gateway.api(request.path_params["id"])
    items = [{"versionNumber": one["apiVersion"], "apiId": one["id"]} for one in versions_of(gateway, api)]
    return answer({"versions": items})


async def applications(gateway: Gateway, request: Request) -> Response:
    api = gateway.api(request.path_params["id"])
    return answer({"applications": subscribers(gateway, api["id"])})


async def scopes(gateway: Gateway, request: Request) -> Response:
    return answer({"scopes": gateway.api(request.path_params["id"])["scopes"]})


async def global_policies(gateway: Gateway, request: Request) -> Response:
    gateway.api(request.path_params["id"])
    active = [policy for policy in gateway.store.found("policy", "global") if policy["active"]]
    return answer({"globalPolicies": [policy["id"] if policy["systemPolicy"] else label(policy) for policy in active]})


async def packages(gateway: Gateway, request: Request) -> Response:
    gateway.api(request.path_params["id"])
    return answer({"packages": []})


async def source(gateway: Gateway, request: Request) -> Response:
    api = gateway.api(request.path_params["id"])
    return answer(to_document(gateway.definition(api["id"])))


async def implementation(gateway: Gateway, request: Request) -> Response:
    api = gateway.api(request.path_params["id"])
    body = await json_object(request)
    uris = body.get("nativeBaseURLs")
    if not isinstance(uris, list) or not uris or not all(isinstance(uri, str) for uri in uris):
        raise refuse(400, " Mandatory field nativeBaseURLs is missing in the input request body")
    state = str(body.get("maturityState") or api["maturityState"])
    return _saved(gateway, request, api, nativeEndpoint=[native_endpoint(uri) for uri in uris], maturityState=state)


async def gateway_endpoints(gateway: Gateway, request: Request) -> Response:
    """`add`, `update` and `remove` of named endpoints; a name that is not there is a 400."""
    api = gateway.api(request.path_params["id"])
    change = (await json_object(request)).get("gatewayEndpoints")
    if not isinstance(change, dict) or not change or not change.keys() <= {"add", "update", "remove"}:
        raise refuse(400, " Mandatory field gatewayEndpoints is missing in the input request body")
    endpoints = dict(api["gatewayEndpoints"])
    try:
        for verb, entry in change.items():
            _change_endpoint(endpoints, verb, entry)
    except (KeyError, TypeError) as error:
        raise refuse(400, f" The gateway endpoint {error} does not exist.") from error
    return _saved(gateway, request, api, gatewayEndpoints=endpoints)


def _change_endpoint(endpoints: Json, verb: str, entry: Json) -> None:
    if verb == "add":
        endpoints[entry["endpointName"]] = entry["gatewayEndpoint"]
    elif verb == "remove":
        del endpoints[entry["endpointName"]]
    else:
        old = endpoints.pop(entry["oldEndpointName"])
        endpoints[entry.get("newEndpointName") or entry["oldEndpointName"]] = entry.get("gatewayEndpoint") or old


async def publish(gateway: Gateway, request: Request) -> Response:
    api = gateway.api(request.path_params["id"])
    portal = (await json_object(request)).get("portalGatewayId")
    if not isinstance(portal, str) or not portal:
        raise refuse(400, " Mandatory field portalGatewayId is missing in the input request body")
    return _saved(gateway, request, api, publishedPortals=sorted({*api["publishedPortals"], portal}))


async def unpublish(gateway: Gateway, request: Request) -> Response:
    api = gateway.api(request.path_params["id"])
    portal = request.query_params.get("portalGatewayId")
    left = [one for one in api["publishedPortals"] if portal is not None and one != portal]
    return _saved(gateway, request, api, publishedPortals=left)


def _switched_on(request: Request) -> bool:
    switch = request.path_params["switch"]
    if switch not in {"enable", "disable"}:
        raise refuse(404, " Resource not found")
    return bool(switch == "enable")


async def mock(gateway: Gateway, request: Request) -> Response:
    api = gateway.api(request.path_params["id"])
    return _saved(gateway, request, api, mockService=_switched_on(request))


async def tracing(gateway: Gateway, request: Request) -> Response:
    api = gateway.api(request.path_params["id"])
    return _saved(gateway, request, api, tracingEnabled=_switched_on(request))
