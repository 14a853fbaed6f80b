"""What 3.0 and Swagger 2.0 ask of paths, operations, parameters, responses and security."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stoa.openapi.document import Node, escape, local_target, lookup, tokens_of
from stoa.openapi.inspection import Inspection, Watcher
from stoa.openapi.naming import is_legal

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_MAX_REFERENCES = 10
BODYLESS = ("get", "head", "delete")
_RESPONSE = re.compile(r"(?:[1-5](?:\d\d|XX)|default)\Z")
_TEMPLATE = re.compile(r"\{([^{}]*)\}")
_STYLES: Mapping[str, frozenset[str]] = {
    "path": frozenset({"matrix", "label", "simple"}),
    "query": frozenset({"form", "spaceDelimited", "pipeDelimited", "deepObject"}),
    "header": frozenset({"simple"}),
    "cookie": frozenset({"form"}),
}
_PLACES_V20 = frozenset({"path", "query", "header", "formData", "body"})
SCHEME_FIELDS: Mapping[str, tuple[str, ...]] = {
    "apiKey": ("name", "in"),
    "http": ("scheme",),
    "oauth2": ("flows",),
    "openIdConnect": ("openIdConnectUrl",),
}
"""Type of security scheme to the fields 3.0 requires of it."""
_SCHEME_FIELDS_V20: Mapping[str, tuple[str, ...]] = {"apiKey": ("name", "in"), "basic": (), "oauth2": ("flow",)}


class ObjectRules:
    """Checks of one document; what spans objects is kept here until `finish`."""

    def __init__(self, *, swagger: bool) -> None:
        self._swagger = swagger
        self._scheme_fields = _SCHEME_FIELDS_V20 if swagger else SCHEME_FIELDS
        self._content: Node = {}
        self._operation_ids: set[str] = set()
        self._schemes: dict[str, str] = {}
        self._required: list[tuple[str, str, Any]] = []

    def watchers(self) -> dict[str, Watcher]:
        """What to call for which kind of object."""
        exclusive = {} if self._swagger else {"mediaType": _one_example, "header": _schema_or_content}
        return {
            "document": self._document,
            "components": _component_names,
            "paths": _path_keys,
            "pathItem": self._path_item,
            "operation": self._operation,
            "parameter": self._parameter,
            "responses": _response_keys,
            "requirement": self._requirement,
            "securityScheme": self._security_scheme,
            **exclusive,
        }

    def finish(self, inspection: Inspection) -> None:
        """Check what needed the whole document: security requirements name schemes that exist."""
        for pointer, name, scopes in self._required:
            if name not in self._schemes:
                inspection.error(pointer, "security-undefined", f"there is no security scheme `{name}`")
            elif scopes and self._schemes[name] not in ("oauth2", "openIdConnect"):
                inspection.warn(pointer, "scopes-without-oauth2", "scopes are ignored for this type of scheme")

    def _document(self, node: Node, _: str, __: Inspection) -> None:
        self._content = node
        home = node if self._swagger else node.get("components")
        section = "securityDefinitions" if self._swagger else "securitySchemes"
        schemes = home.get(section) if isinstance(home, dict) else None
        if isinstance(schemes, dict):
            self._schemes = {name: str(self._target(scheme).get("type")) for name, scheme in schemes.items()}

    def _target(self, node: Any) -> Node:
        """The object itself, or what it refers to in a few steps; an empty one when that is nothing."""
        for _ in range(_MAX_REFERENCES):
            if not isinstance(node, dict):
                return {}
            if not isinstance(node.get("$ref"), str):
                return node
            try:
                node = lookup(self._content, local_target(node["$ref"]))
            except KeyError:
                return {}
        return {}

    def _path_item(self, node: Node, pointer: str, inspection: Inspection) -> None:
        tokens = tokens_of(pointer)
        shared = self._parameters(node, pointer, inspection)
        for method in METHODS:
            operation = node.get(method)
            if not isinstance(operation, dict):
                continue
            at = f"{pointer}/{method}"
            if method in BODYLESS and "requestBody" in operation and not self._swagger:
                inspection.warn(f"{at}/requestBody", f"body-on-{method}", f"a body of {method.upper()} is ignored")
            own = self._parameters(operation, at, inspection)
            if len(tokens) == 2 and tokens[0] == "paths":
                _path_parameters(tokens[1], shared | own, at, inspection)

    def _parameters(self, holder: Node, pointer: str, inspection: Inspection) -> set[tuple[str, str]]:
        written = holder.get("parameters")
        found: set[tuple[str, str]] = set()
        for index, item in enumerate(written if isinstance(written, list) else ()):
            parameter = self._target(item)
            key = (str(parameter.get("in")), str(parameter.get("name")))
            if key in found and "name" in parameter:
                inspection.error(f"{pointer}/parameters/{index}", "parameter-twice", f"`{key[1]}` is there already")
            found.add(key)
        return found

    def _operation(self, node: Node, pointer: str, inspection: Inspection) -> None:
        name = node.get("operationId")
        if isinstance(name, str):
            if name in self._operation_ids:
                inspection.error(f"{pointer}/operationId", "operation-id-twice", f"`{name}` is used already")
            self._operation_ids.add(name)

    def _parameter(self, node: Node, pointer: str, inspection: Inspection) -> None:
        place = node.get("in")
        if place == "path" and node.get("required") is not True:
            inspection.error(pointer, "path-parameter-optional", "a path parameter needs `required: true`")
        places = _PLACES_V20 if self._swagger else _STYLES.keys()
        if isinstance(place, str) and place not in places:
            inspection.error(f"{pointer}/in", "wrong-value", f"must be one of {', '.join(sorted(places))}")
        if self._swagger:
            return
        style = node.get("style")
        if isinstance(style, str) and isinstance(place, str) and style not in _STYLES.get(place, {style}):
            inspection.error(f"{pointer}/style", "wrong-value", f"`{style}` is no style of a {place} parameter")
        _schema_or_content(node, pointer, inspection)

    def _requirement(self, node: Node, pointer: str, _: Inspection) -> None:
        self._required += [(f"{pointer}/{escape(name)}", name, scopes) for name, scopes in node.items()]

    def _security_scheme(self, node: Node, pointer: str, inspection: Inspection) -> None:
        needed = self._scheme_fields.get(str(node.get("type")))
        if needed is None:
            inspection.error(f"{pointer}/type", "security-type", f"must be one of {', '.join(self._scheme_fields)}")
            return
        for name in needed:
            if name not in node:
                inspection.error(pointer, "missing-field", f"a scheme of type {node['type']} needs `{name}`")
        places = ("header", "query") if self._swagger else ("header", "query", "cookie")
        if node["type"] == "apiKey" and node.get("in", "header") not in places:
            inspection.error(f"{pointer}/in", "wrong-value", f"must be one of {', '.join(places)}")
        if not self._swagger:
            _foreign_fields(node, needed, pointer, inspection)


def foreign_scheme_fields(scheme: Node) -> list[str]:
    """Fields of a 3.x security scheme that 3.0 forbids for its type."""
    needed = SCHEME_FIELDS.get(str(scheme.get("type")))
    if needed is None:
        return []
    allowed = {"type", "description", *needed}
    if str(scheme.get("scheme")).lower() == "bearer":
        allowed.add("bearerFormat")
    return [key for key in scheme if key not in allowed and not key.startswith("x-")]


def _foreign_fields(node: Node, needed: tuple[str, ...], pointer: str, inspection: Inspection) -> None:
    for key in foreign_scheme_fields(node):
        detail = f"a scheme of type {node['type']} has only {', '.join(needed)}"
        inspection.error(f"{pointer}/{escape(key)}", "unknown-field", detail)


def _component_names(node: Node, pointer: str, inspection: Inspection) -> None:
    for section, entries in node.items():
        for name in entries if isinstance(entries, dict) and not section.startswith("x-") else ():
            if not is_legal(name):
                at = f"{pointer}/{section}/{escape(name)}"
                inspection.error(at, "component-name", "only letters, digits and ._- are allowed")


def _path_keys(node: Node, pointer: str, inspection: Inspection) -> None:
    paths = [path for path in node if not path.startswith("x-")]
    if not paths:
        inspection.warn(pointer, "no-paths", "there is no path, so that a gateway has nothing to serve")
    for path in paths:
        if not path.startswith("/"):
            inspection.error(f"{pointer}/{escape(path)}", "path-name", "a path must begin with a slash")
        elif "?" in path or "#" in path:
            detail = "no request matches a path with `?` or `#`; say it with parameters"
            inspection.warn(f"{pointer}/{escape(path)}", "path-unreachable", detail)


def _path_parameters(path: str, found: set[tuple[str, str]], pointer: str, inspection: Inspection) -> None:
    named = {name for place, name in found if place == "path"}
    wanted = {name for name in _TEMPLATE.findall(path) if name}
    for name in sorted(wanted - named):
        detail = f"`{{{name}}}` of the path is not a parameter"
        inspection.error(pointer, "path-parameter-missing", detail, subject=name)
    for name in sorted(named - wanted):
        inspection.error(pointer, "path-parameter-unused", f"`{name}` is not part of the path", subject=name)


def _response_keys(node: Node, pointer: str, inspection: Inspection) -> None:
    codes = [code for code in node if not code.startswith("x-")]
    if not codes:
        inspection.error(pointer, "responses-empty", "at least one response is needed")
    for code in codes:
        if not _RESPONSE.match(code):
            inspection.error(
                f"{pointer}/{escape(code)}", "response-code", "must be a status code, 1XX to 5XX or default"
            )


def _one_example(node: Node, pointer: str, inspection: Inspection) -> None:
    if "example" in node and "examples" in node:
        inspection.error(pointer, "two-kinds-of-example", "`example` and `examples` exclude each other")


def _schema_or_content(node: Node, pointer: str, inspection: Inspection) -> None:
    _one_example(node, pointer, inspection)
    if "content" not in node:
        if "schema" not in node:
            inspection.error(pointer, "schema-missing", "needs `schema` or `content`")
        return
    if not node.keys().isdisjoint(("schema", "style", "explode", "allowReserved", "example", "examples")):
        inspection.error(pointer, "schema-or-content", "`content` excludes `schema`, `style` and examples beside it")
    if isinstance(node["content"], dict) and len(node["content"]) != 1:
        inspection.error(f"{pointer}/content", "schema-or-content", "must have exactly one media type")
