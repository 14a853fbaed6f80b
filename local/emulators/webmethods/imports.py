"""Reading the three body forms of create and update into one `Wanted`."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from local.emulators.webmethods.answers import Json, refuse
from local.emulators.webmethods.documents import ParserCrash, checked, parsed
from local.emulators.webmethods.gateway import Gateway, json_object
from local.emulators.webmethods.model import check_inline, check_model, digest, native_uri, to_document, to_model
from local.emulators.webmethods.multipart import Part, parts_of
from local.emulators.webmethods.records import NAMES
from local.emulators.webmethods.schemas import Invalid

KINDS = frozenset({"swagger", "openapi"})
SCHEMA_CRASH = (
    " Unable to process the request. Reason: Cannot construct instance of Schema (although at least one Creator "
    "exists): no boolean-argument constructor/factory method to deserialize from boolean value"
)


@dataclass(frozen=True)
class Wanted:
    """What a body asks for; `model` is the new internal definition, None keeps the old one."""

    name: str | None
    version: str | None
    description: str | None
    model: Json | None
    uri: str | None
    digest: str | None
    fields: Json


async def wanted(gateway: Gateway, request: Request, action: str) -> Wanted:
    """`action` (create or update) is a word of the error text. Refuses a bad body with 400, or 500 if it crashes."""
    kind = request.headers.get("content-type", "")
    try:
        if kind.startswith("multipart/form-data"):
            return _from_parts(gateway, parts_of(kind, await request.body()))
        return _from_json(await json_object(request))
    except Invalid as error:
        raise refuse(400, f"{_prefix(action)}input openapi file is not valid. {error}") from error
    except ParserCrash as error:
        raise refuse(500, SCHEMA_CRASH if "boolean" in str(error) else f"{_prefix(action)}{error}") from error
    except ValueError as error:
        raise refuse(400, f"{_prefix(action)}{error}") from error


def _prefix(action: str) -> str:
    return f" Unable to process the {action} API request. Reason: "


def _from_parts(gateway: Gateway, parts: dict[str, Part]) -> Wanted:
    if "file" not in parts or not parts["file"].data:
        raise ValueError("input file is missing")
    kind = parts["type"].text if "type" in parts else ""
    if kind not in KINDS:
        raise ValueError(f"API type {kind or 'null'} is not supported")
    document = parsed(parts["file"].data)
    checked(document, kind, closed_allowed=gateway.variants.boolean_additional_properties == 201)
    fields: Json = {key: parts[key].text for key in ("apiName", "apiVersion", "apiDescription") if key in parts}
    return _document_wanted(document, to_model(document), fields)


def _document_wanted(document: Json, model: Json, fields: Json) -> Wanted:
    info = document.get("info", {})
    return Wanted(
        name=fields.get("apiName") or info.get("title"),
        version=fields.get("apiVersion") or info.get("version"),
        description=fields.get("apiDescription") or info.get("description"),
        model=model,
        uri=native_uri(document),
        digest=digest(document),
        fields=fields,
    )


def _from_json(body: Json) -> Wanted:
    if "url" in body:
        raise ValueError("the url is not reachable from the gateway")
    model: Any = body.get("apiDefinition")
    if model is None:
        name, version, description = (body.get(key) for key in ("apiName", "apiVersion", "apiDescription"))
        return Wanted(name, version, description, model=None, uri=None, digest=None, fields=body)
    check_model(model)
    check_inline(model)
    return _document_wanted(to_document(model), model, body)


def check_name(gateway: Gateway, name: str | None, version: str | None, own_ids: set[str]) -> None:
    """Refuses a name that is taken by another API or has other characters than the gateway takes."""
    if not name or not NAMES[gateway.variants.name_characters].fullmatch(name):
        raise refuse(400, f"{_prefix('create')}API name {name} is not valid")
    if not version or "/" in version:
        raise refuse(400, f"{_prefix('create')}API version {version} is not valid")
    if {api["id"] for api in gateway.store.found("api", name)} - own_ids:
        raise refuse(gateway.variants.duplicate_name, f"{_prefix('create')}API with apiName {name} already exists")
