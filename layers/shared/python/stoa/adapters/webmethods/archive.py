"""Editing an exported archive: another definition for the live API, and nothing of its aliases.

An export of an alias-routed API carries the alias's value and its encrypted secret; both would overwrite
the target's, so they leave the zip and the manifest.
"""

import io
import json
import zipfile
import zlib
from dataclasses import dataclass, field
from xml.etree import ElementTree

from stoa.adapters.webmethods.gateway import Json
from stoa.kernel.errors import Refused

MANIFEST = "APIGatewayAssets.acdl"
LEFT_OUT = ("Alias", "PassmanData")
FROM_STAGED = ("apiDefinition", "nativeEndpoint")
TAKEN = ("API", "Policy", "PolicyAction")
REPORT = "ExportReport.json"
UNPACKED_BYTES = 64 * 1024 * 1024


@dataclass
class Contents:
    """The records in an archive by kind (the folder) and id."""

    records: dict[str, dict[str, Json]] = field(default_factory=lambda: {kind: {} for kind in TAKEN})


def with_definition(archive: bytes, api_id: str, staged: Json) -> bytes:
    """The archive of a live API with the definition of `staged`. Raises Refused for what is no such archive.

    The record keeps everything else, `isActive` above all: an inactive record would deactivate the target.
    """
    made = io.BytesIO()
    replaced = False
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                if name.split("/")[0] in LEFT_OUT:
                    continue
                data = old.read(name)
                if name == MANIFEST:
                    data = _without_aliases(data)
                elif name.startswith(f"API/API.{api_id}/") and name.endswith(".json"):
                    data, replaced = _redefined(json.loads(data), staged), True
                new.writestr(name, data)
    except (zipfile.BadZipFile, json.JSONDecodeError, ElementTree.ParseError) as error:
        raise Refused("ARCHIVE_UNREADABLE", f"the gateway's archive cannot be read: {error}") from error
    if not replaced:
        raise Refused("ARCHIVE_UNREADABLE", f"the gateway's archive holds no API {api_id}")
    return made.getvalue()


def without_aliases(archive: bytes) -> bytes:
    """The archive without aliases and their secrets. Raises Refused ARCHIVE_UNREADABLE."""
    made = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
            _check_size(old)
            for name in old.namelist():
                if name.split("/")[0] not in LEFT_OUT and name != REPORT:
                    data = old.read(name)
                    if name == MANIFEST and b"<!" in data:  # entities could name files, or grow without end
                        raise Refused("ARCHIVE_UNREADABLE", "the archive's manifest declares a document type")
                    new.writestr(name, _without_aliases(data) if name == MANIFEST else data)
    except (
        zipfile.BadZipFile,
        zlib.error,
        ElementTree.ParseError,
        NotImplementedError,
        RuntimeError,
        EOFError,
    ) as error:
        raise Refused("ARCHIVE_UNREADABLE", f"the archive cannot be read: {error}") from error
    return made.getvalue()


def contents(archive: bytes) -> Contents:
    """What an archive that `without_aliases` made holds. Raises Refused for anything but APIs and their policies."""
    found = Contents()
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        for name in opened.namelist():
            if name == MANIFEST or name.endswith("/"):
                continue
            kind = name.split("/")[0]
            if kind not in TAKEN:
                raise Refused(
                    "ARCHIVE_HOLDS_MORE", f"the archive holds {name[:100]}; APIs and their policies are taken"
                )
            try:
                record = json.loads(opened.read(name))
                found.records[kind][str(record["id"])] = dict(record)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise Refused("ARCHIVE_UNREADABLE", f"{name[:100]} is no record") from error
    return found


def _check_size(opened: zipfile.ZipFile) -> None:
    names = opened.namelist()
    if len(names) != len(set(names)) or sum(info.file_size for info in opened.infolist()) > UNPACKED_BYTES:
        raise Refused("ARCHIVE_UNREADABLE", f"the archive has a name twice, or more than {UNPACKED_BYTES} bytes in it")


def _redefined(record: Json, staged: Json) -> bytes:
    if record.get("isActive") is not True:
        raise Refused("ARCHIVE_INACTIVE", "the live API was exported as inactive; importing it would stop it")
    return json.dumps({**record, **{key: staged[key] for key in FROM_STAGED if key in staged}}).encode()


def _without_aliases(manifest: bytes) -> bytes:
    root = ElementTree.fromstring(manifest)  # noqa: S314  it comes from our own gateway
    for parent in list(root.iter()):
        for child in list(parent):
            if child.get("type") in LEFT_OUT:
                parent.remove(child)
    made: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return made
