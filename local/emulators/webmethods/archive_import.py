"""Archives in: which assets are taken, and the one step that puts them in force without losing a call."""

import asyncio
import base64
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from local.emulators.webmethods import dates
from local.emulators.webmethods.answers import Json, answer, refuse
from local.emulators.webmethods.archive_export import FOLDERS, Asset, crypted
from local.emulators.webmethods.archive_read import Archive, NoArchive, read_archive, zip_of
from local.emulators.webmethods.documents import ParserCrash
from local.emulators.webmethods.gateway import Gateway
from local.emulators.webmethods.model import check_document, check_model, digest, enabled_operations, to_document
from local.emulators.webmethods.policies import redeploy
from local.emulators.webmethods.records import new_record
from local.emulators.webmethods.schemas import Invalid

PLURALS = {"api": "apis", "policy": "policies", "policyAction": "policyactions", "application": "applications",
           "alias": "aliases"}  # fmt: skip
EXISTS = "Asset already exists."


@dataclass
class Items:
    """Results by asset; `failed` also stops what depends on it, `kept` (an alias that is there) does not."""

    results: list[Json] = field(default_factory=list)
    failed: set[Asset] = field(default_factory=set)
    taken: list[Asset] = field(default_factory=list)


async def run(gateway: Gateway, request: Request) -> Response:
    """Takes `import_ms`, then applies the whole archive at once; each asset has its own result."""
    data = await zip_of(gateway, request)
    try:
        archive = read_archive(data)
    except NoArchive as error:
        raise refuse(400, f" Unable to import the archive. Reason: {error}") from error
    await asyncio.sleep(gateway.timing.import_ms / 1000)
    kinds = overwritten_kinds(request.query_params.get("overwrite", ""), gateway.variants.overwrite_star_aliases)
    items = Items()
    for asset in archive.assets():
        if asset[0] != "passman":
            _decide(gateway, archive, asset, kinds, items)
    keeps_state = request.query_params.get("preserveAssetState", "true") != "false"
    request.state.entries = _apply(gateway, archive, items, keeps_state)
    return answer({"ArchiveResult": items.results}, gateway.variants.created_status)


def overwritten_kinds(text: str, star_has_aliases: bool) -> set[str]:
    """Only exact lower-case plurals count; a star is everything, aliases by variant."""
    words = {word.strip() for word in text.split(",")}
    kinds = {kind for kind, plural in PLURALS.items() if plural in words}
    if "*" in words:
        kinds |= PLURALS.keys() if star_has_aliases else PLURALS.keys() - {"alias"}
    return kinds


def _decide(gateway: Gateway, archive: Archive, asset: Asset, kinds: set[str], items: Items) -> None:
    kind, object_id = asset
    record = archive.records.get(asset)
    exists = gateway.store.get(kind, object_id) is not None
    broken = any(need in items.failed for need in archive.needs.get(asset, []))
    problem = "Asset is missing in the archive." if record is None else None
    if record is not None and exists and kind not in kinds:
        problem = EXISTS
    if record is not None and problem is None and broken:
        problem = "Dependent assets failed."
    if record is not None and problem is None and kind == "api":
        problem = _api_problem(gateway, archive, record)
    if problem is None:
        items.taken.append(asset)
    elif kind != "alias" or problem != EXISTS:
        items.failed.add(asset)
    items.results.append(
        {
            FOLDERS[kind]: {
                "name": _name(record) or archive.names.get(asset, object_id),
                "id": object_id,
                "status": "Failed" if problem else "Success",
                "explanation": problem or "OK",
                "overwritten": exists and problem is None,
                "dependencyFailed": broken,
            }
        }
    )


def _name(record: Json | None) -> Any:
    names = (record or {}).get("names") or [{}]
    return (record or {}).get("apiName") or (record or {}).get("name") or names[0].get("value")


def _api_problem(gateway: Gateway, archive: Archive, record: Json) -> str | None:
    try:
        check_model(record.get("apiDefinition"))
        check_document(record["apiDefinition"], closed_allowed=True)
    except (Invalid, ParserCrash) as error:
        return f"Error in processing the payload. {error}"
    if record.get("isActive") and not enabled_operations(record["apiDefinition"]):
        return "API has no enabled resource, hence cannot be activated."
    for policy_id in record["policies"]:
        policy = archive.records.get(("policy", policy_id)) or gateway.store.get("policy", policy_id)
        if policy is None:
            return f"Unable to find the resource: {policy_id}"
    family = {record["id"], record.get("prevVersion"), record.get("nextVersion")}
    others = [api["id"] for api in gateway.store.found("api", str(record.get("apiName"))) if api["id"] not in family]
    if others and gateway.store.get("api", record["id"]) is None:
        return f"API with apiName {record['apiName']} already exists"
    return None


def _apply(gateway: Gateway, archive: Archive, items: Items, keeps_state: bool) -> list[Json]:
    """Puts the taken assets in force; returns one journal entry for each API."""
    entries = []
    for kind, object_id in items.taken:
        record = archive.records[kind, object_id]
        if kind == "api":
            entries.append(_apply_api(gateway, record, keeps_state))
        elif kind == "alias":
            _apply_alias(gateway, record)
        else:
            gateway.store.put(kind, object_id, record)
    for (kind, object_id), record in archive.records.items():
        if kind == "passman" and gateway.store.get("alias", object_id) is not None:
            _apply_secret(gateway, record)
    for kind, object_id in items.taken:
        if kind == "policy":
            redeploy(gateway, object_id)
    return entries


def _apply_api(gateway: Gateway, record: Json, keeps_state: bool) -> Json:
    old = gateway.store.get("api", record["id"])
    begin = new_record(record["apiName"], record["apiVersion"], "", "/", gateway.config.user)
    api = {**begin, **{key: value for key, value in record.items() if key != "apiDefinition"}}
    api.update(isActive=bool(record.get("isActive")) and keeps_state, lastModified=dates.text())
    if old is not None:
        api.update({key: old[key] for key in ("prevVersion", "nextVersion", "systemVersion", "teams")})
    gateway.store.put("definition", api["id"], record["apiDefinition"])
    gateway.store.put("api", api["id"], api)
    gateway.touched(api, rebind=True)
    return {
        "api_id": api["id"],
        "name": api["apiName"],
        "version": api["apiVersion"],
        "active": api["isActive"],
        "document_sha256": digest(to_document(record["apiDefinition"])),
    }


def _apply_alias(gateway: Gateway, record: Json) -> None:
    alias = dict(record)
    credentials = alias.get("httpAuthCredentials")
    if isinstance(credentials, dict):
        alias["httpAuthCredentials"] = {key: text for key, text in credentials.items() if key != "password"}
    gateway.store.put("alias", alias["id"], alias)


def _apply_secret(gateway: Gateway, record: Json) -> None:
    hidden = base64.b64decode(str(record.get("encrypted", "")))
    secret = base64.b64decode(crypted(hidden, record["id"])).decode("utf-8", "replace")
    gateway.store.put("passman", record["id"], {"password": secret})
