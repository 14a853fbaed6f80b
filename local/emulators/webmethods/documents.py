"""The importer's reading of a definition: bytes in, a checked OpenAPI 3.0.x or Swagger 2.0 document out."""

import json
import re
from typing import Any

import yaml

from local.emulators.webmethods.answers import Json
from local.emulators.webmethods.schemas import Invalid, SchemaCheck, Where, a_list, an_object

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
PLACES = frozenset({"path", "query", "header", "cookie"})
SWAGGER_PLACES = frozenset({"path", "query", "header", "body", "formData"})
SCHEME_TYPES = frozenset({"apiKey", "http", "oauth2", "openIdConnect", "basic"})
STATUS = re.compile(r"[1-5](\d\d|XX)|default")
LATER_ROOT_KEYS = ("webhooks", "jsonSchemaDialect")
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ParserCrash(Exception):
    """The parser of the gateway dies of this document instead of refusing it."""


def parsed(data: bytes) -> Json:
    """The document as an object. Text that starts like JSON must be JSON: a Python dict printed out is not.

    Raises Invalid when it is neither JSON nor YAML, or no object.
    """
    try:
        text = data.decode("utf-8-sig")
        if text.lstrip().startswith(("{", "[")):
            document = json.loads(text)
        else:
            document = _string_keys(yaml.load(text, Loader))  # noqa: S506 - the loader is the safe one
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise Invalid((), "neither JSON nor YAML") from error
    return an_object(document, ())


def _string_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _string_keys(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_string_keys(inner) for inner in value]
    return value


def checked(document: Json, kind: str, closed_allowed: bool) -> None:
    """Raises Invalid when `document` is not what `kind` (openapi or swagger) promises, ParserCrash when it kills."""
    _check_version(document, kind)
    walked(document, kind, closed_allowed)


def walked(document: Json, kind: str, closed_allowed: bool) -> None:
    """Like `checked`, whatever version the document says it has."""
    info = an_object(document.get("info"), ((), "info"))
    for key in ("title", "version"):
        if not isinstance(info.get(key), str):
            raise Invalid((((), "info"), key), "a text is expected here")
    if "summary" in info or "identifier" in an_object(info.get("license", {}), (((), "info"), "license")):
        raise Invalid(((), "info"), "unexpected keyword")
    for key in LATER_ROOT_KEYS:
        if key in document:
            raise Invalid(((), key), "unexpected keyword")
    check = DocumentCheck(kind, closed_allowed)
    check.paths(document.get("paths"), ((), "paths"))
    check.shared(document)
    for reference, where in check.schemas.references.items():
        _resolve(document, reference, where)


def _check_version(document: Json, kind: str) -> None:
    if kind == "openapi" and not re.fullmatch(r"3\.0\.\d+", str(document.get("openapi"))):
        raise Invalid(((), "openapi"), "an OpenAPI 3.0 document is expected")
    if kind == "swagger" and document.get("swagger") != "2.0":
        raise Invalid(((), "swagger"), "a Swagger 2.0 document is expected")


def _resolve(document: Json, reference: str, where: Where) -> None:
    target: Any = document
    for part in reference[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(target, list) and key.isdigit() and int(key) < len(target):
            target = target[int(key)]
        elif isinstance(target, dict) and key in target:
            target = target[key]
        else:
            raise Invalid(where, f"{reference} is not in the document")


class DocumentCheck:
    """The walk over everything that is not a schema."""

    def __init__(self, kind: str, closed_allowed: bool) -> None:
        self.swagger = kind == "swagger"
        self.schemas = SchemaCheck(self.swagger, closed_allowed)

    def paths(self, paths: Any, where: Where) -> None:
        for path, item in an_object(paths, where).items():
            if path.startswith("x-"):
                continue
            if not path.startswith("/"):
                raise Invalid((where, path), "a path starts with a slash")
            self.path_item(item, (where, path))

    def path_item(self, item: Any, where: Where) -> None:
        an_object(item, where)
        if "$ref" in item:
            self.schemas.refer(item["$ref"], where)
        self.parameters(item.get("parameters", []), (where, "parameters"))
        for method in METHODS:
            if method in item:
                self.operation(item[method], (where, method))

    def operation(self, operation: Any, where: Where) -> None:
        an_object(operation, where)
        self.parameters(operation.get("parameters", []), (where, "parameters"))
        if "requestBody" in operation:
            self.body(operation["requestBody"], (where, "requestBody"))
        responses = an_object(operation.get("responses"), (where, "responses"))
        for status, response in responses.items():
            place = ((where, "responses"), status)
            if not status.startswith("x-"):
                if not STATUS.fullmatch(status):
                    raise Invalid(place, "a status code is expected here")
                self.response(response, place)
        for name, callback in an_object(operation.get("callbacks", {}), (where, "callbacks")).items():
            self.callback(callback, ((where, "callbacks"), name))

    def callback(self, callback: Any, where: Where) -> None:
        if "$ref" in an_object(callback, where):
            self.schemas.refer(callback["$ref"], where)
            return
        for expression, item in callback.items():
            if not expression.startswith("x-"):
                self.path_item(item, (where, expression))

    def parameters(self, parameters: Any, where: Where) -> None:
        for index, parameter in enumerate(a_list(parameters, where)):
            self.parameter(parameter, (where, index))

    def parameter(self, parameter: Any, where: Where) -> None:
        if "$ref" in an_object(parameter, where):
            self.schemas.refer(parameter["$ref"], where)
            return
        places = SWAGGER_PLACES if self.swagger else PLACES
        if not isinstance(parameter.get("name"), str) or parameter.get("in") not in places:
            raise Invalid(where, "a parameter has a name and a known place")
        if not {"schema", "type" if self.swagger else "content"} & parameter.keys():
            raise Invalid(where, "a parameter says what it holds")
        self.described(parameter, where)
        if self.swagger and parameter["in"] != "body":
            self.schemas.check({key: parameter[key] for key in ("type", "items") if key in parameter}, where)

    def described(self, holder: Json, where: Where) -> None:
        """What parameters, headers and media types share: `schema` and `content`."""
        if "schema" in holder:
            self.schemas.check(holder["schema"], (where, "schema"))
        if "content" in holder:
            self.content(holder["content"], (where, "content"))

    def content(self, content: Any, where: Where) -> None:
        for name, media in an_object(content, where).items():
            self.described(an_object(media, (where, name)), (where, name))

    def body(self, body: Any, where: Where) -> None:
        if "$ref" in an_object(body, where):
            self.schemas.refer(body["$ref"], where)
            return
        self.content(body.get("content"), (where, "content"))

    def response(self, response: Any, where: Where) -> None:
        if "$ref" in an_object(response, where):
            if self.swagger:
                raise ParserCrash("a reference in the responses of a Swagger document")
            self.schemas.refer(response["$ref"], where)
            return
        if not isinstance(response.get("description"), str):
            raise Invalid(where, "a response has a description")
        self.described(response, where)
        self.headers(response.get("headers", {}), (where, "headers"))

    def headers(self, headers: Any, where: Where) -> None:
        for name, header in an_object(headers, where).items():
            if "$ref" in an_object(header, (where, name)):
                self.schemas.refer(header["$ref"], (where, name))
            else:
                self.described(header, (where, name))

    def shared(self, document: Json) -> None:
        """What the operations refer to: `components`, or its parts at the root of a Swagger document."""
        where: Where = () if self.swagger else ((), "components")
        holder = document if self.swagger else an_object(document.get("components", {}), where)
        if "pathItems" in holder:
            raise Invalid((where, "pathItems"), "unexpected keyword")
        sections = {
            "definitions" if self.swagger else "schemas": self.schemas.check,
            "parameters": self.parameter,
            "responses": self.response,
            "requestBodies": self.body,
            "callbacks": self.callback,
            "securityDefinitions" if self.swagger else "securitySchemes": self.scheme,
        }
        for section, check in sections.items():
            place = (where, section)
            for name, value in an_object(holder.get(section, {}), place).items():
                check(value, (place, name))
        self.headers(holder.get("headers", {}), (where, "headers"))

    def scheme(self, scheme: Any, where: Where) -> None:
        if "$ref" not in an_object(scheme, where) and scheme.get("type") not in SCHEME_TYPES:
            raise Invalid(where, f"a security scheme is one of {', '.join(sorted(SCHEME_TYPES))}")
