"""Archives out: a zip with one record per asset, the manifest of what depends on what, and a report."""

import base64
import hashlib
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from xml.etree import ElementTree

from starlette.requests import Request
from starlette.responses import Response

from local.emulators.webmethods.aliases import masked
from local.emulators.webmethods.answers import Json, refuse
from local.emulators.webmethods.deployment import VARIABLE, actions_of
from local.emulators.webmethods.gateway import Gateway, json_object
from local.emulators.webmethods.parameters import values, walk
from local.emulators.webmethods.search import matching
from local.emulators.webmethods.store import actions_used

FIX_LEVEL = "10.15.0"
FOLDERS = {"api": "API", "policy": "Policy", "policyAction": "PolicyAction", "alias": "Alias",
           "application": "Application", "passman": "PassmanData"}  # fmt: skip
QUERY = {"apis": "api", "policies": "policy", "policyActions": "policyAction", "aliases": "alias",
         "applications": "application"}  # fmt: skip
MANIFEST = "APIGatewayAssets.acdl"
Asset = tuple[str, str]


@dataclass(frozen=True)
class Export:
    """Assets in the order of dependency, and for each the assets it needs."""

    needs: dict[Asset, list[Asset]]


async def by_query(gateway: Gateway, request: Request) -> Response:
    chosen = [
        (QUERY[name], object_id)
        for name, text in request.query_params.items()
        if name in QUERY
        for object_id in text.split(",")
        if object_id
    ]
    return _archive(gateway, chosen, applications=False)


async def by_filter(gateway: Gateway, request: Request) -> Response:
    """`POST /archive` with `x-HTTP-Method-Override: GET` and a search filter as the body."""
    body = await json_object(request)
    chosen = []
    for kind, records in matching(gateway, {"condition": "and", **body}).items():
        chosen += [(kind, record["id"]) for record in records]
    options = body.get("includeOptions")
    wanted = isinstance(options, dict) and options.get("includeApplications") is True
    return _archive(gateway, [asset for asset in chosen if asset[0] in FOLDERS], wanted)


def _archive(gateway: Gateway, chosen: list[Asset], applications: bool) -> Response:
    data = archive_bytes(gateway, chosen, applications)
    headers = {"content-disposition": 'attachment; filename="APIGatewayAssets.zip"'}
    return Response(data, media_type="application/zip", headers=headers)


def archive_bytes(gateway: Gateway, chosen: list[Asset], applications: bool) -> bytes:
    """The zip of the chosen assets and of what they need. Refuses unknown ones."""
    for kind, object_id in chosen:
        if gateway.store.get(kind, object_id) is None:
            raise gateway.unknown_api(object_id) if kind == "api" else refuse(404, f" No such asset: {object_id}")
    if not chosen:
        raise refuse(400, " No assets found to export.")
    needs: dict[Asset, list[Asset]] = {}
    for asset in chosen:
        _collect(gateway, asset, needs)
        if asset[0] == "api" and applications:
            for app in gateway.store.found("application", f"api {asset[1]}"):
                _collect(gateway, ("application", app["id"]), needs)
    return _zipped(gateway, Export(needs))


def _collect(gateway: Gateway, asset: Asset, needs: dict[Asset, list[Asset]]) -> None:
    if asset in needs or gateway.store.get(*asset) is None:
        return
    below = _below(gateway, asset)
    for inner in below:
        _collect(gateway, inner, needs)
    needs[asset] = [inner for inner in below if inner in needs]


def _below(gateway: Gateway, asset: Asset) -> list[Asset]:
    kind, object_id = asset
    record = gateway.store.get(kind, object_id) or {}
    if kind == "api":
        aliases: list[Asset] = [("alias", alias_id) for alias_id in _aliases(gateway, record)]
        return [*(("policy", policy_id) for policy_id in record["policies"]), *aliases]
    if kind == "policy":
        return [("policyAction", action_id) for action_id in actions_used(record)]
    if kind == "alias":
        return [("passman", object_id)]
    return []


def _aliases(gateway: Gateway, api: Json) -> Iterable[str]:
    """Every alias that a text of a policy action names, in `${...}` or as it is."""
    found: dict[str, None] = {}
    for action in actions_of(gateway.store, api):
        for entry in walk(action):
            for text in values({"parameters": [entry]}, entry["templateKey"]):
                for name in [*VARIABLE.findall(text), text]:
                    found.update(dict.fromkeys(alias["id"] for alias in gateway.store.found("alias", name)))
    return found


def _zipped(gateway: Gateway, export: Export) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for kind, object_id in export.needs:
            name = f"{FOLDERS[kind]}.{object_id}"
            archive.writestr(f"{FOLDERS[kind]}/{name}/{name}.json", _text(gateway, kind, object_id))
        archive.writestr(MANIFEST, _manifest(gateway, export))
        archive.writestr("ExportReport.json", json.dumps(_report(gateway, export)))
    return buffer.getvalue()


def _text(gateway: Gateway, kind: str, object_id: str) -> str:
    record: Any = gateway.store.get(kind, object_id)
    if kind == "alias":
        record = masked(gateway, record)
    if kind == "passman":
        record = {"id": object_id, "encrypted": crypted(record["password"].encode(), object_id)}
    if kind == "api":
        definition = gateway.store.text("definition", object_id) or "{}"
        return f'{json.dumps(record)[:-1]},"apiDefinition":{definition}}}'
    return json.dumps(record)


def crypted(data: bytes, salt: str) -> str:
    """Hides a secret from the eye, no more; the same call with the decoded text gives the secret back."""
    stream = hashlib.shake_256(salt.encode()).digest(len(data))
    return base64.b64encode(bytes(one ^ other for one, other in zip(data, stream, strict=True))).decode()


def _name(gateway: Gateway, kind: str, object_id: str) -> str:
    record = gateway.store.get(kind, object_id) or {}
    names = record.get("names") or [{}]
    return str(record.get("apiName") or record.get("name") or names[0].get("value") or object_id)


def _manifest(gateway: Gateway, export: Export) -> str:
    root = ElementTree.Element("assetComposite", name="APIGatewayAssets", fixLevel=FIX_LEVEL)
    for (kind, object_id), below in export.needs.items():
        attributes = {"type": FOLDERS[kind], "id": object_id, "name": _name(gateway, kind, object_id)}
        asset = ElementTree.SubElement(root, "asset", attributes)
        for inner_kind, inner_id in below:
            ElementTree.SubElement(asset, "dependsOn", {"type": FOLDERS[inner_kind], "id": inner_id})
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _report(gateway: Gateway, export: Export) -> Json:
    assets = [
        {"type": FOLDERS[kind], "id": object_id, "name": _name(gateway, kind, object_id), "status": "Success"}
        for kind, object_id in export.needs
    ]
    return {"ExportReport": assets}
