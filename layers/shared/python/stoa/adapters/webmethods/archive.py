"""Editing an exported archive: another definition for the live API, and nothing of its aliases.

An export of an alias-routed API carries the alias's value and its encrypted secret; both would overwrite
the target's, so they leave the zip and the manifest.
"""

import io
import json
import zipfile
from xml.etree import ElementTree

from stoa.adapters.webmethods.gateway import Json
from stoa.kernel.errors import Refused

MANIFEST = "APIGatewayAssets.acdl"
LEFT_OUT = ("Alias", "PassmanData")
FROM_STAGED = ("apiDefinition", "nativeEndpoint")


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
