"""Applications, their API keys and their subscriptions."""

import secrets
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from local.emulators.webmethods import dates
from local.emulators.webmethods.answers import Json, answer, nothing, refuse
from local.emulators.webmethods.apis import page
from local.emulators.webmethods.gateway import Gateway, json_body, json_object, new_id, note

IDENTIFIER_KEYS = frozenset(
    "hostNameAddress ipAddressRange httpsCertificate httpBasicAuth jwtClaims openIdClaims token wssecUsernameToken "
    "payloadElement partnerId".split()
)
FIELDS = tuple("name description version contactEmails siteURLs jsOrigins identifiers authStrategyIds".split())
LISTS = ("contactEmails", "siteURLs", "jsOrigins", "identifiers", "authStrategyIds")
KEY_TYPES = {"apiAccessKeyCredentials", "oAuthCredentials"}


def found(gateway: Gateway, app_id: str, status: int = 404) -> Json:
    app = gateway.store.get("application", app_id)
    if app is None:
        raise refuse(status, f" Application with id: {app_id} does not exist.")
    return app


def _identifiers(given: Any) -> list[Json]:
    """Refuses an unknown key; drops address ranges in CIDR form without a word."""
    kept = []
    for entry in given or []:
        if not isinstance(entry, dict) or entry.get("key") not in IDENTIFIER_KEYS:
            raise refuse(400, f" Identifier key {entry.get('key') if isinstance(entry, dict) else entry} is unknown.")
        texts = [str(text) for text in entry.get("value") or []]
        if entry["key"] == "ipAddressRange":
            texts = [text for text in texts if "/" not in text]
        kept.append({"key": entry["key"], "name": entry.get("name"), "value": texts})
    return kept


def _fields(body: Json) -> Json:
    kept = {key: body[key] for key in FIELDS if key in body}
    for key in LISTS:
        kept[key] = kept.get(key) or []
    kept["identifiers"] = _identifiers(kept["identifiers"])
    return kept


def _check_name(gateway: Gateway, name: Any, own_id: str) -> None:
    if not isinstance(name, str) or not name:
        raise refuse(400, " Mandatory field name is missing in the input request body")
    if {app["id"] for app in gateway.store.found("application", name)} - {own_id}:
        raise refuse(400, f" Application with name {name} already exists")


async def create(gateway: Gateway, request: Request) -> Response:
    body = await json_object(request)
    _check_name(gateway, body.get("name"), "")
    app = {
        "id": new_id(),
        "description": "",
        "version": "1.0",
        **_fields(body),
        "created": dates.text(),
        "lastupdated": dates.text(),
        "owner": gateway.config.user,
        "consumingAPIs": [],
        "isSuspended": False,
        "teams": [],
        "accessTokens": {},
    }
    gateway.store.put("application", app["id"], app)
    note(request, application_id=app["id"], name=app["name"])
    return answer(app, gateway.variants.created_status)


async def list_applications(gateway: Gateway, request: Request) -> Response:
    query = request.query_params
    return answer({"applications": page(gateway.store.all("application"), query.get("from"), query.get("size"))})


async def read(gateway: Gateway, request: Request) -> Response:
    return answer({"applications": [found(gateway, request.path_params["id"])]})


async def update(gateway: Gateway, request: Request) -> Response:
    """Replaces the application; subscriptions, keys and teams stay."""
    app = found(gateway, request.path_params["id"])
    body = await json_object(request)
    wanted = {"name": app["name"], **body}
    _check_name(gateway, wanted["name"], app["id"])
    kept = "id created owner consumingAPIs isSuspended teams accessTokens".split()
    changed = {"description": "", "version": "1.0", **_fields(wanted), **{key: app[key] for key in kept}}
    changed["lastupdated"] = dates.text()
    return _saved(gateway, request, changed)


def _saved(gateway: Gateway, request: Request, app: Json) -> Response:
    gateway.store.put("application", app["id"], app)
    note(request, application_id=app["id"], name=app["name"])
    return answer(app)


async def patch(gateway: Gateway, request: Request) -> Response:
    app = found(gateway, request.path_params["id"])
    body = await json_object(request)
    changed = dict(app)
    if "isSuspended" in body:
        changed["isSuspended"] = str(body["isSuspended"]).lower() == "true"
    return _saved(gateway, request, changed)


async def delete(gateway: Gateway, request: Request) -> Response:
    app = found(gateway, request.path_params["id"])
    gateway.store.drop("application", app["id"])
    note(request, application_id=app["id"], name=app["name"])
    return nothing()


def _expiry(gateway: Gateway) -> Json:
    """The global setting decides, in days; an application has no say."""
    extended = gateway.store.get("configuration", "extended") or {}
    period = str(extended.get("apiKeyExpirationPeriod") or "")
    days = int(period) if period.isdigit() else 0
    date = dates.text(dates.now() + timedelta(days=days)) if days else None
    return {"expirationInterval": period or None, "expirationDate": date, "expired": False}


async def new_token(gateway: Gateway, request: Request) -> Response:
    app = found(gateway, request.path_params["id"])
    kind = (await json_object(request)).get("type")
    if kind not in KEY_TYPES:
        raise refuse(400, f" Access token type {kind} is not supported.")
    tokens = app["accessTokens"]
    again = kind == "apiAccessKeyCredentials" and "apiAccessKey_credentials" in tokens
    if again and gateway.variants.key_regeneration == 404:
        raise refuse(404, " Unable to find the resource: accessTokens")
    if kind == "apiAccessKeyCredentials":
        fresh: Json = {"apiAccessKey_credentials": {"apiAccessKey": secrets.token_hex(18), **_expiry(gateway)}}
    else:
        fresh = {"oauth_credentials": {"clientID": new_id(), "clientSecret": secrets.token_hex(18)}}
    changed = {**app, "accessTokens": {**tokens, **fresh}, "lastupdated": dates.text()}
    response = _saved(gateway, request, changed)
    response.status_code = gateway.variants.key_regeneration if again else gateway.variants.created_status
    return response


async def redate_tokens(gateway: Gateway, request: Request) -> Response:
    """Dates every key of the installation again."""
    for app in gateway.store.all("application"):
        credentials = app["accessTokens"].get("apiAccessKey_credentials")
        if credentials is not None:
            tokens = {**app["accessTokens"], "apiAccessKey_credentials": {**credentials, **_expiry(gateway)}}
            gateway.store.put("application", app["id"], {**app, "accessTokens": tokens})
    return answer({"responseStatus": "SUCCESS"})


def _association(gateway: Gateway, app: Json) -> Json:
    body: Json = {"apiIDs": app["consumingAPIs"]}
    if gateway.variants.association_read == "both":
        known = (gateway.store.get("api", api_id) for api_id in app["consumingAPIs"])
        body["apis"] = [{"id": api["id"], "apiName": api["apiName"]} for api in known if api]
    return body


async def associated(gateway: Gateway, request: Request) -> Response:
    return answer(_association(gateway, found(gateway, request.path_params["id"])))


async def associate(gateway: Gateway, request: Request) -> Response:
    """PUT replaces the list of APIs; what POST does is a variant. A bare list kills the gateway."""
    body = await json_body(request)
    if not isinstance(body, dict):
        raise refuse(500, None)
    app = found(gateway, request.path_params["id"], status=400)
    wanted = body.get("apiIDs")
    if not isinstance(wanted, list) or any(gateway.store.get("api", str(api_id)) is None for api_id in wanted):
        raise refuse(400, " The APIs to associate do not exist. Check apiIDs.")
    if request.method == "POST" and gateway.variants.post_association == "add":
        wanted = [*app["consumingAPIs"], *wanted]
    return _subscribed(gateway, request, app, list(dict.fromkeys(wanted)))


async def dissociate(gateway: Gateway, request: Request) -> Response:
    if gateway.variants.delete_association == 405:
        raise refuse(405, " Method Not Allowed")
    app = found(gateway, request.path_params["id"], status=400)
    gone = request.query_params.get("apiIDs", "").split(",")
    _subscribed(gateway, request, app, [api_id for api_id in app["consumingAPIs"] if api_id not in gone])
    return nothing()


def _subscribed(gateway: Gateway, request: Request, app: Json, api_ids: list[str]) -> Response:
    changed = {**app, "consumingAPIs": api_ids, "lastupdated": dates.text()}
    gateway.store.put("application", app["id"], changed)
    note(request, application_id=app["id"], name=app["name"], api_ids=api_ids)
    return answer(_association(gateway, changed))
