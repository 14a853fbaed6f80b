"""API records: how one begins, how it is shown, and the default policy that every import creates."""

import json
import re
from typing import Any

from local.emulators.webmethods import dates
from local.emulators.webmethods.answers import Json
from local.emulators.webmethods.gateway import Gateway, new_id
from local.emulators.webmethods.parameters import leaf

LISTED = "apiName apiVersion apiDescription isActive type tracingEnabled publishedPortals systemVersion id".split()
NAMES = {"strict": re.compile(r"[A-Za-z0-9._-]+"), "blanks": re.compile(r"[A-Za-z0-9._ -]+")}


def new_record(name: str, version: str, description: str, uri: str, owner: str) -> Json:
    return {
        "id": new_id(),
        "apiName": name,
        "apiVersion": version,
        "apiDescription": description,
        "nativeEndpoint": [native_endpoint(uri)],
        "maturityState": "Beta",
        "isActive": False,
        "type": "REST",
        "owner": owner,
        "policies": [],
        "scopes": [],
        "publishedPortals": [],
        "creationDate": dates.text(),
        "lastModified": dates.text(),
        "systemVersion": 1,
        "prevVersion": None,
        "nextVersion": None,
        "tracingEnabled": False,
        "mockService": False,
        "gatewayEndpoints": {},
        "deployments": ["APIGateway"],
        "apiGroups": [],
        "microgatewayEndpoints": [],
        "appMeshEndpoints": [],
        "teams": [],
    }


def native_endpoint(uri: str) -> Json:
    return {"uri": uri, "passSecurityHeaders": True, "connectionTimeoutDuration": 0, "alias": False}


def names(text: str) -> list[Json]:
    return [{"value": text, "locale": "English"}]


def default_policy(gateway: Gateway, api: Json) -> Json:
    """Stores the SERVICE policy of a new API with its two actions; returns the record that refers to it."""
    uri = api["nativeEndpoint"][0]["uri"]
    actions = {
        "transport": _action("Enable HTTP / HTTPS", "entryProtocolPolicy", [leaf("protocol", "http", "https")]),
        "routing": _action(
            "Straight Through Routing",
            "straightThroughRouting",
            [leaf("endpointUri", uri.rstrip("/") + "/${sys:resource_path}"), leaf("method", "CUSTOM")],
        ),
    }
    for action in actions.values():
        gateway.store.put("policyAction", action["id"], action)
    policy: Json = {
        "id": new_id(),
        "names": names(f"Default Policy for API {api['apiName']}"),
        "descriptions": names(f"Default Policy for API {api['apiName']}"),
        "scope": None,
        "policyEnforcements": [
            {"enforcements": [{"enforcementObjectId": action["id"], "order": "0"}], "stageKey": stage}
            for stage, action in actions.items()
        ],
        "policyScope": "SERVICE",
        "global": False,
        "active": False,
        "systemPolicy": False,
    }
    gateway.store.put("policy", policy["id"], policy)
    return {**api, "policies": [policy["id"]]}


def _action(name: str, template: str, parameters: list[Json]) -> Json:
    return {"id": new_id(), "names": names(name), "templateKey": template, "parameters": parameters, "active": False}


def listed(api: Json) -> Json:
    """One item of `GET /apis`; it has no creation date."""
    return {"api": {key: api[key] for key in LISTED}, "responseStatus": "SUCCESS", "teams": api["teams"]}


def versions_of(gateway: Gateway, api: Json) -> list[Json]:
    found = gateway.store.found("api", api["apiName"])
    return sorted(found, key=lambda record: int(record["systemVersion"]))


def shown(gateway: Gateway, api: Json, base_url: str) -> bytes:
    """The full answer for one API as JSON text; the definition is put in as text that was rendered before."""
    record = {key: value for key, value in api.items() if key != "teams"}
    endpoint = f"{base_url}/gateway/{api['apiName']}/{api['apiVersion']}"
    record["gatewayEndPoints"] = [endpoint]
    record["gatewayEndPointList"] = [
        {
            "endpointName": "DEFAULT_GATEWAY_ENDPOINT",
            "endpointDisplayName": "Default",
            "endpoint": f"gateway/{api['apiName']}/{api['apiVersion']}",
            "endpointType": "DEFAULT",
            "endpointUrls": [endpoint],
        }
    ]
    versions = [{"versionNumber": one["apiVersion"], "apiId": one["id"]} for one in versions_of(gateway, api)]
    rest = {"responseStatus": "SUCCESS", "versions": versions, "teams": api["teams"]}
    definition = gateway.store.text("definition", api["id"]) or "{}"
    head = _dense(record)[:-1]
    return f'{{"apiResponse":{{"api":{head},"apiDefinition":{definition}}},{_dense(rest)[1:]}}}'.encode()


def _dense(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
