"""Aliases: values by name that routing reads at each request, and secrets that never read back."""

import base64
import re

from starlette.requests import Request
from starlette.responses import Response

from local.emulators.webmethods.answers import Json, answer, nothing, refuse
from local.emulators.webmethods.gateway import Gateway, json_object, new_id, note

BUILT_IN = ("local", "OKTA", "PingFederate", "EurekaDefault", "ServiceConsulDefault")
FIELDS: dict[str, tuple[str, ...]] = {
    "simple": ("value",),
    "endpoint": tuple(
        "endPointURI connectionTimeout readTimeout optimizationTechnique passSecurityHeaders keystoreAlias keyAlias "
        "truststoreAlias".split()
    ),
    "httpTransportSecurityAlias": ("authType", "authMode", "httpAuthCredentials"),
    "authServerAlias": (
        "localIntrospectionConfig", "remoteIntrospectionConfig", "tokenGeneratorConfig", "sslConfig", "scopes",
        "supportedGrantTypes", "authServerType", "metadata", "oauthTokens",
    ),
}  # fmt: skip
OTHER_TYPES = frozenset(
    "samlIssuerAlias webmethodsAlias transformationAlias serviceRegistryAlias clientMetadataMapping "
    "awsConfigurationAlias isConfigurationAlias".split()
)
COMMON = ("name", "type", "description", "stage", "owner")


def add_built_ins(gateway: Gateway) -> None:
    for name in BUILT_IN:
        if not gateway.store.found("alias", name):
            kind = "serviceRegistryAlias" if name.endswith("Default") else "authServerAlias"
            gateway.store.put("alias", name, {"id": name, "name": name, "type": kind})


def found(gateway: Gateway, alias_id: str) -> Json:
    alias = gateway.store.get("alias", alias_id)
    if alias is None:
        raise refuse(404, f" Alias with id: {alias_id} does not exist.")
    return alias


def _changeable(gateway: Gateway, alias_id: str) -> Json:
    alias = found(gateway, alias_id)
    if alias["name"] in BUILT_IN:
        raise refuse(405, f" Alias {alias['name']} is a default alias and cannot be changed.")
    return alias


def masked(gateway: Gateway, alias: Json) -> Json:
    """The alias as it reads back: the password is base64 of asterisks, as many as it has characters."""
    secret = gateway.store.get("passman", alias["id"])
    if secret is None:
        return alias
    stars = base64.b64encode(b"*" * len(secret["password"])).decode()
    return {**alias, "httpAuthCredentials": {**alias.get("httpAuthCredentials", {}), "password": stars}}


def _shown(gateway: Gateway, alias: Json) -> Json:
    body = masked(gateway, alias)
    return {"alias": body} if gateway.variants.alias_body == "wrapped" else body


def _kept(body: Json) -> Json:
    """The fields that the type has, exactly spelt; everything else is dropped without a word."""
    kind = body["type"]
    if kind in OTHER_TYPES:
        return dict(body)
    return {key: body[key] for key in (*COMMON, *FIELDS[kind]) if key in body}


def _stored(gateway: Gateway, alias_id: str, body: Json) -> Json:
    alias = {**_kept(body), "id": alias_id}
    credentials = alias.get("httpAuthCredentials")
    if isinstance(credentials, dict) and "password" in credentials:
        gateway.store.put("passman", alias_id, {"password": _decoded(str(credentials["password"]))})
        alias["httpAuthCredentials"] = {key: text for key, text in credentials.items() if key != "password"}
    else:
        gateway.store.drop("passman", alias_id)
    return gateway.store.put("alias", alias_id, alias)


def _decoded(text: str) -> str:
    """The password; what is no base64 is taken for it all the same and comes out as rubbish."""
    letters = re.sub(r"[^A-Za-z0-9+/]", "", text)
    whole = letters[:-1] if len(letters) % 4 == 1 else letters
    return base64.b64decode(whole + "=" * (-len(whole) % 4)).decode("utf-8", "replace")


def _check(body: Json) -> None:
    kind = body.get("type")
    if kind not in FIELDS and kind not in OTHER_TYPES:
        raise refuse(400, f" Alias type {kind} is not supported.")
    if not isinstance(body.get("name"), str) or not body["name"]:
        raise refuse(400, " Mandatory field name is missing in the input request body")
    needed = kind == "httpTransportSecurityAlias" and body.get("authType") == "NTLM"
    if needed and not (body.get("httpAuthCredentials") or {}).get("domain"):
        raise refuse(400, " Mandatory field domain is missing in the input request body")


async def create(gateway: Gateway, request: Request) -> Response:
    body = await json_object(request)
    _check(body)
    if gateway.store.found("alias", body["name"]):
        raise refuse(400, f" Alias with name: {body['name']} already exists.")
    alias = _stored(gateway, new_id(), body)
    _note(request, alias)
    return answer(_shown(gateway, alias), gateway.variants.created_status)


async def update(gateway: Gateway, request: Request) -> Response:
    """Replaces the alias; the next runtime call reads the new value."""
    alias = _changeable(gateway, request.path_params["id"])
    body = await json_object(request)
    wanted = {"name": alias["name"], **body, "type": body.get("type", alias["type"])}
    _check(wanted)
    others = {one["id"] for one in gateway.store.found("alias", wanted["name"])} - {alias["id"]}
    if others or wanted["type"] != alias["type"]:
        raise refuse(400, f" Alias with name: {wanted['name']} already exists.")
    changed = _stored(gateway, alias["id"], wanted)
    _note(request, changed)
    return answer(_shown(gateway, changed))


def _note(request: Request, alias: Json) -> None:
    facts = {"alias_id": alias["id"], "name": alias["name"]}
    if alias["type"] == "simple":
        facts["value"] = alias.get("value")
    note(request, **facts)


async def read(gateway: Gateway, request: Request) -> Response:
    return answer(_shown(gateway, found(gateway, request.path_params["id"])))


async def list_aliases(gateway: Gateway, request: Request) -> Response:
    return answer({"alias": [masked(gateway, alias) for alias in gateway.store.all("alias")]})


async def delete(gateway: Gateway, request: Request) -> Response:
    alias = _changeable(gateway, request.path_params["id"])
    gateway.store.drop("alias", alias["id"])
    gateway.store.drop("passman", alias["id"])
    _note(request, {**alias, "value": None})
    return nothing()
