"""The gateway's internal form of a definition (`apiDefinition` of an API record) and the way back.

It differs from OpenAPI in what live gateways answer: `"type":"rest"`, the root `externalDocs` is a list,
enums of security schemes are upper case, operations have `enabled`. Both ways lose nothing.
"""

import hashlib
import json
from typing import Any
from urllib.parse import urlsplit

from local.emulators.webmethods.answers import Json
from local.emulators.webmethods.documents import METHODS, ParserCrash, walked
from local.emulators.webmethods.schemas import Invalid, an_object

ADDED = ("type", "baseUriParameters")
SPELLING = {"APIKEY": "apiKey", "HTTP": "http", "OAUTH2": "oauth2", "OPENIDCONNECT": "openIdConnect", "BASIC": "basic"}


def to_model(document: Json) -> Json:
    model = {**document, "type": "rest", "baseUriParameters": []}
    if isinstance(model.get("externalDocs"), dict):
        model["externalDocs"] = [model["externalDocs"]]
    _spell(model, str.upper, str.upper)
    model["paths"] = {path: _each_operation(item, _enable) for path, item in document.get("paths", {}).items()}
    return model


def to_document(model: Json) -> Json:
    document = {key: value for key, value in model.items() if key not in ADDED}
    if isinstance(document.get("externalDocs"), list):
        document["externalDocs"] = document["externalDocs"][0]
    _spell(document, lambda text: SPELLING.get(text, text), str.lower)
    document["paths"] = {path: _each_operation(item, _plain) for path, item in model.get("paths", {}).items()}
    return document


def _enable(operation: Json) -> Json:
    return {**operation, "enabled": True}


def _plain(operation: Json) -> Json:
    return {key: value for key, value in operation.items() if key != "enabled"}


def _each_operation(item: Any, change: Any) -> Any:
    if not isinstance(item, dict):
        return item
    return {key: change(value) if key in METHODS and isinstance(value, dict) else value for key, value in item.items()}


def _spell(holder: Json, spell_type: Any, spell_place: Any) -> None:
    """Replaces the enums of the security schemes; `holder` is a fresh root, its children are copied."""
    if isinstance(holder.get("components"), dict) and "securitySchemes" in holder["components"]:
        schemes = holder["components"]["securitySchemes"]
        holder["components"] = {**holder["components"], "securitySchemes": _spelt(schemes, spell_type, spell_place)}
    if "securityDefinitions" in holder:
        holder["securityDefinitions"] = _spelt(holder["securityDefinitions"], spell_type, spell_place)


def _spelt(schemes: Json, spell_type: Any, spell_place: Any) -> Json:
    spelt = {}
    for name, scheme in schemes.items():
        scheme = dict(scheme)
        if isinstance(scheme.get("type"), str):
            scheme["type"] = spell_type(scheme["type"])
        if isinstance(scheme.get("in"), str):
            scheme["in"] = spell_place(scheme["in"])
        spelt[name] = scheme
    return spelt


def schemes_of(model: Json) -> Json:
    components = model.get("components")
    inner = components.get("securitySchemes", {}) if isinstance(components, dict) else {}
    return {**inner, **model.get("securityDefinitions", {})}


def check_model(model: Any) -> None:
    """Raises Invalid when the internal form is broken (as after a hand-made edit of an archive)."""
    an_object(model, ())
    if not isinstance(model.get("externalDocs", []), list):
        raise Invalid(((), "externalDocs"), "a list is expected here")
    for name, scheme in schemes_of(model).items():
        kind = an_object(scheme, ((), name)).get("type")
        if kind not in SPELLING or not str(scheme.get("in", "HEADER")).isupper():
            raise Invalid(((), name), f"not one of the values accepted for Enum class: {', '.join(SPELLING)}")
    paths = an_object(model.get("paths"), ((), "paths"))
    for path, item in paths.items():
        an_object(item, (((), "paths"), path))


def check_inline(model: Json) -> None:
    """Raises ParserCrash where the JSON form of create and update dies: references in responses, closed objects."""
    for item in model["paths"].values():
        for operation in (item.get(method) for method in METHODS):
            if isinstance(operation, dict) and '"$ref"' in json.dumps(operation.get("responses")):
                raise ParserCrash("a reference in responses")
    try:
        check_document(model, closed_allowed=False)
    except Invalid as error:
        if "boolean-argument" in error.why:
            raise ParserCrash(error.why) from error
        raise


def check_document(model: Json, closed_allowed: bool) -> None:
    """Raises Invalid or ParserCrash when the document inside the internal form is not one the gateway takes."""
    document = to_document(model)
    walked(document, "swagger" if "swagger" in document else "openapi", closed_allowed)


def native_uri(document: Json) -> str:
    """The first server verbatim, relative or not; for Swagger 2.0 scheme, host and base path."""
    servers = document.get("servers")
    if isinstance(servers, list) and servers and isinstance(servers[0], dict):
        return str(servers[0].get("url", "/"))
    if "swagger" in document and document.get("host"):
        schemes = document.get("schemes") or ["http"]
        return f"{schemes[0]}://{document['host']}{document.get('basePath', '')}"
    return str(document.get("basePath", "/"))


def is_absolute(uri: str) -> bool:
    parts = urlsplit(uri)
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def enabled_operations(model: Json) -> dict[str, set[str]]:
    """Methods in upper case by path template; disabled operations and extensions are left out."""
    found: dict[str, set[str]] = {}
    for path, item in model.get("paths", {}).items():
        if path.startswith("/") and isinstance(item, dict):
            methods = {method.upper() for method in METHODS if _is_enabled(item.get(method))}
            if methods:
                found[path] = methods
    return found


def _is_enabled(operation: Any) -> bool:
    return isinstance(operation, dict) and operation.get("enabled", True) is not False


def digest(document: Json) -> str:
    """SHA-256 of the document as JSON with sorted keys and no blanks; the journal names documents by it."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
