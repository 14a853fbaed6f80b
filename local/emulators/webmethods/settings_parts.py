"""Configurations, teams and the policies that every installation has."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from local.emulators.webmethods.answers import Json, answer, refuse
from local.emulators.webmethods.gateway import Gateway, json_object, note
from local.emulators.webmethods.records import names

CONFIGURATIONS: dict[str, Json] = {
    "settings": {},
    "loadBalancer": {"httpUrls": [], "httpsUrls": []},
    "errorProcessing": {
        "defaultErrorMessage": '{"Exception":"API Gateway encountered an error. Error Message: $ERROR_MESSAGE. '
        "Request Details: Service - $SERVICE, Operation - $OPERATION, Invocation Time:$TIME, Date:$DATE, "
        'Client IP - $CLIENT_IP, User - $USER and Application:$CONSUMER_APPLICATION"}',
        "sendNativeProviderFault": "false",
    },
    "gatewayDestinationConfig": {},
    "keystore": {},
    "extended": {"apiKeyHeader": "x-Gateway-APIKey", "apiKeyExpirationPeriod": "", "enableTeamWork": "false"},
    "dataspace": {},
}
GLOBAL_LOG = "GlobalLogInvocationPolicy"
ASSETS = {"API": "api", "APPLICATION": "application"}


def add_built_ins(gateway: Gateway) -> None:
    if gateway.store.get("policy", GLOBAL_LOG) is None:
        policy: Json = {"id": GLOBAL_LOG, "names": names("Transaction logging"), "descriptions": [], "scope": None}
        policy |= {"policyEnforcements": [], "policyScope": "GLOBAL", "global": True, "active": False}
        gateway.store.put("policy", GLOBAL_LOG, {**policy, "systemPolicy": True})
    for name, value in CONFIGURATIONS.items():
        if gateway.store.get("configuration", name) is None:
            gateway.store.put("configuration", name, value)


def _configuration(gateway: Gateway, name: str) -> Json:
    found = gateway.store.get("configuration", name)
    if found is None:
        raise refuse(404, f" Unable to find the resource: {name}")
    return found


async def read_configuration(gateway: Gateway, request: Request) -> Response:
    return answer(_configuration(gateway, request.path_params["name"]))


async def write_configuration(gateway: Gateway, request: Request) -> Response:
    name = request.path_params["name"]
    body = await json_object(request)
    if name == "dataspace" and not all(isinstance(value, str) for value in body.values()):
        raise refuse(400, " Values of dataspace are serialised strings")
    changed = gateway.store.put("configuration", name, {**_configuration(gateway, name), **body})
    return answer(changed)


async def assign_team(gateway: Gateway, request: Request) -> Response:
    """Without `assetType` it is a 200 that does nothing."""
    body = await json_object(request)
    kind = ASSETS.get(str(body.get("assetType")))
    teams: Any = body.get("newTeams") or []
    for asset_id in body.get("assetIds") or [] if kind else []:
        record = gateway.store.get(str(kind), str(asset_id))
        if record is None:
            raise refuse(404, f" Unable to find the resource: {asset_id}")
        gateway.store.put(str(kind), record["id"], {**record, "teams": list(teams)})
        note(request, asset_id=record["id"])
    return answer({"responseStatus": "SUCCESS"})
