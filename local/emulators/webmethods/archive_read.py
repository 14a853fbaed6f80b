"""Archives in: what a zip holds, read and checked but not yet applied."""

import json
import zipfile
from dataclasses import dataclass
from io import BytesIO
from xml.etree import ElementTree

from starlette.requests import Request

from local.emulators.webmethods.answers import Json, refuse
from local.emulators.webmethods.archive_export import FIX_LEVEL, FOLDERS, MANIFEST, Asset
from local.emulators.webmethods.gateway import Gateway
from local.emulators.webmethods.multipart import parts_of
from local.emulators.webmethods.store import actions_used

KINDS = {folder: kind for kind, folder in FOLDERS.items()}
ORDER = ("policyAction", "policy", "alias", "passman", "application", "api")
NEEDED: dict[str, set[str]] = {
    "api": {"apiName", "apiVersion", "policies"},
    "policy": {"policyEnforcements", "global", "active"},
    "policyAction": {"templateKey", "parameters"},
    "alias": {"name", "type"},
    "application": {"name", "consumingAPIs", "accessTokens"},
    "passman": {"encrypted"},
}
FIELD_NAMES = {"both": ("file", "zipFile"), "file": ("file",), "zipFile": ("zipFile",)}


class NoArchive(Exception):
    """The body is no archive of this gateway; says why."""


@dataclass(frozen=True)
class Archive:
    """Records by asset, the names and needs that the manifest lists, and needs that the records have themselves."""

    records: dict[Asset, Json]
    names: dict[Asset, str]
    needs: dict[Asset, list[Asset]]

    def assets(self) -> list[Asset]:
        """All assets of the zip and of the manifest, what is needed before what needs it."""
        return sorted({**self.names, **self.records}, key=lambda asset: ORDER.index(asset[0]))


async def zip_of(gateway: Gateway, request: Request) -> bytes:
    """The zip of a raw or multipart body. Refuses anything else with 400."""
    kind = request.headers.get("content-type", "")
    body = await request.body()
    if kind.startswith("application/zip"):
        return body
    if kind.startswith("multipart/form-data"):
        try:
            parts = parts_of(kind, body)
        except ValueError as error:
            raise refuse(400, f" Unable to import the archive. Reason: {error}") from error
        for name in FIELD_NAMES[gateway.variants.archive_field]:
            if name in parts:
                return parts[name].data
    raise refuse(400, " Unable to import the archive. Reason: no archive in the request")


def read_archive(data: bytes) -> Archive:
    """Raises NoArchive."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            files = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
        records = dict(_record(name, text) for name, text in files.items() if name.split("/")[0] in KINDS)
        manifest = ElementTree.fromstring(files[MANIFEST])  # noqa: S314 - only local clients send it
    except (zipfile.BadZipFile, zipfile.LargeZipFile, ValueError, KeyError, ElementTree.ParseError) as error:
        raise NoArchive(f"not a valid archive ({type(error).__name__})") from error
    if _level(manifest.get("fixLevel", "0")) > _level(FIX_LEVEL):
        raise NoArchive("the archive is from a higher fix level")
    names: dict[Asset, str] = {}
    needs: dict[Asset, list[Asset]] = {}
    for element in manifest.iter("asset"):
        asset = _asset(element)
        names[asset] = element.get("name", asset[1])
        needs[asset] = [_asset(inner) for inner in element.iter("dependsOn")]
    for asset, record in records.items():
        needs[asset] = [*needs.get(asset, []), *_own_needs(asset[0], record)]
    return Archive(records, names, needs)


def _record(name: str, text: bytes) -> tuple[Asset, Json]:
    """`API/API.<id>/API.<id>.json` and what is in it."""
    folder, _, rest = name.partition("/")
    asset_id = rest.split("/")[0].removeprefix(f"{folder}.")
    record = json.loads(text)
    if not isinstance(record, dict) or record.get("id") != asset_id or not NEEDED[KINDS[folder]] <= record.keys():
        raise ValueError(name)
    return (KINDS[folder], asset_id), record


def _asset(element: ElementTree.Element) -> Asset:
    return KINDS.get(element.get("type", ""), "application"), element.get("id", "")


def _own_needs(kind: str, record: Json) -> list[Asset]:
    if kind == "api":
        return [("policy", policy_id) for policy_id in record["policies"]]
    if kind == "policy":
        return [("policyAction", action_id) for action_id in actions_used(record)]
    return []


def _level(text: str) -> list[int]:
    return [int(part) for part in text.split(".") if part.isdigit()]
