"""An account of a 3.1 document by a walk of its own: what 3.0 cannot say, and where.

Nothing here knows the package's grammar: the positions of schemas, names and data are written down a second time, in
another form, so that a hole in one of the two shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

ONE = ("items", "not", "if", "then", "else", "contains", "propertyNames", "additionalProperties", "contentSchema")
ONE_31 = ("unevaluatedProperties", "unevaluatedItems")
SEVERAL = ("allOf", "anyOf", "oneOf", "prefixItems")
NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
DIALECTS = ("https://spec.openapis.org/oas/3.1/dialect/base", "https://json-schema.org/draft/2020-12/schema")
WORDS_30 = frozenset(
    "title multipleOf maximum minimum exclusiveMaximum exclusiveMinimum maxLength minLength pattern maxItems minItems"
    " uniqueItems maxProperties minProperties required enum type not allOf oneOf anyOf items properties"
    " additionalProperties description format default nullable discriminator readOnly writeOnly example externalDocs"
    " deprecated xml $ref".split()
)
LOSSLESS = frozenset(
    "const if then else dependentRequired dependentSchemas $defs definitions $id $anchor $dynamicAnchor $schema"
    " $comment $vocabulary".split()
)
WIDER = frozenset(
    "propertyNames unevaluatedProperties unevaluatedItems contains $dynamicRef prefixItems patternProperties".split()
)
ALWAYS_LOST = frozenset("propertyNames unevaluatedProperties unevaluatedItems contains $dynamicRef".split())


class Place(NamedTuple):
    """A construct at the pointer of the object that holds it."""

    pointer: str
    construct: str


def step(pointer: str, *keys: object) -> str:
    for key in keys:
        pointer += "/" + str(key).replace("~", "~0").replace("/", "~1")
    return pointer


def schemas(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every schema of the document once, by pointer."""
    waiting: list[tuple[str, Any]] = []
    for pointer, holder in holders(document, ""):
        waiting += [(step(pointer, "schema"), holder["schema"])] if "schema" in holder else []
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        waiting.append((step("/components/schemas", name), schema))
    while waiting:
        pointer, schema = waiting.pop()
        yield pointer, schema
        if isinstance(schema, dict):
            waiting += inner(pointer, schema)


def inner(pointer: str, schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key in (*ONE, *ONE_31):
        if key in schema and not (key == "additionalProperties" and isinstance(schema[key], bool)):
            yield step(pointer, key), schema[key]
    for key in SEVERAL:
        yield from ((step(pointer, key, index), one) for index, one in enumerate(schema.get(key, ())))
    for key in NAMED:
        yield from ((step(pointer, key, name), one) for name, one in schema.get(key, {}).items())


def holders(node: Any, pointer: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object outside of schemas, data and extensions; media types, parameters and headers hold schemas."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from holders(item, step(pointer, index))
    if not isinstance(node, dict):
        return
    yield pointer, node
    for key, value in node.items():
        below = step(pointer, key)
        if key in ("examples", "links") and isinstance(value, dict):
            yield from ((step(below, name), one) for name, one in value.items())
        elif key not in ("schema", "example", "schemas", "mapping", "scopes", "value") and not key.startswith("x-"):
            yield from holders(value, below)


def is_path_item(pointer: str) -> bool:
    """Where summary and description may stand beside a reference."""
    depths = {"paths": 2, "webhooks": 2, "components": 3}
    root = pointer.split("/")[1]
    inside = "/callbacks/" in pointer and pointer.rsplit("/callbacks/", 1)[1].count("/") == 1
    own = root in ("paths", "webhooks") or pointer.startswith("/components/pathItems/")
    return inside or (own and pointer.count("/") == depths[root])


def lost(document: dict[str, Any]) -> set[Place]:
    """What the report must name."""
    found = {place for pointer, schema in schemas(document) for place in _lost_in_schema(pointer, schema)}
    found |= widened_by_parts(document)
    if not re.fullmatch(r"[A-Za-z0-9.-]+", document["info"].get("license", {}).get("identifier", "MIT")):
        found.add(Place("/info/license", "license.identifier"))
    if "webhooks" in document:
        found.add(Place("/webhooks", "webhooks"))
    if "summary" in document["info"]:
        found.add(Place("/info", "info.summary"))
    if document.get("jsonSchemaDialect", DIALECTS[0]) not in DIALECTS:
        found.add(Place("/jsonSchemaDialect", "jsonSchemaDialect"))
    for pointer, holder in holders(document, ""):
        if isinstance(holder.get("$ref"), str) and not is_path_item(pointer):
            beside = {"summary", "description"} & holder.keys()
            found |= {Place(step(pointer, key), "reference-sibling") for key in beside}
    return found


def widened_by_parts(document: dict[str, Any]) -> set[Place]:
    """`not`, `oneOf` and `if` over something that gets wider: they cannot stay. References are not followed here."""
    found: set[Place] = set()
    for pointer, schema in schemas(document):
        for key in ("not", "oneOf", "if") if isinstance(schema, dict) else ():
            parts = schema.get(key, [])
            without_effect = key == "if" and not {"then", "else"} & schema.keys()
            if not without_effect and any(map(_has_wider, parts if isinstance(parts, list) else [parts])):
                found.add(Place(pointer, key))
    return found


def _has_wider(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    return bool(WIDER & schema.keys()) or any(_has_wider(part) for _, part in inner("", schema))


def _lost_in_schema(pointer: str, schema: Any) -> Iterator[Place]:
    if not isinstance(schema, dict):
        return
    for key, value in schema.items():
        if key in ALWAYS_LOST and value != {} and value is not True:
            yield Place(pointer, key)
        elif _is_lost(key, value, schema):
            yield Place(pointer, key)


def _is_lost(key: str, value: Any, schema: dict[str, Any]) -> bool:
    if key == "examples":
        return bool(value) and ("example" in schema or not isinstance(value, list) or len(value) > 1)
    if key == "prefixItems":
        return bool(value) and not (len(value) == 1 and schema.get("items") is False)
    if key == "contentEncoding":
        return value != "base64" or "format" in schema
    if key in ("patternProperties", "contentMediaType", "contentSchema", "minContains", "maxContains", "nullable"):
        return value != {}
    known = key in WORDS_30 or key in LOSSLESS or key in ALWAYS_LOST or key.startswith("x-")
    return not known


def counted(document: dict[str, Any]) -> dict[str, int]:
    """How often the constructs occur that are translated without loss."""
    counts = dict.fromkeys(("const", "type-null", "null-type", "ref-siblings", "boolean-schema"), 0)
    counts |= dict.fromkeys(("dependentRequired", "dependentSchemas", "type-list"), 0)
    counts |= dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum", "if", "null-branch", "license.identifier"), 0)
    for _, schema in schemas(document):
        if isinstance(schema, bool):
            counts["boolean-schema"] += 1
            continue
        kinds = schema.get("type")
        counts["null-type"] += kinds in ("null", ["null"])
        counts["type-null"] += isinstance(kinds, list) and len(kinds) == 2 and "null" in kinds
        real = [kind for kind in kinds if kind != "null"] if isinstance(kinds, list) else []
        counts["type-list"] += len(real) > 1 or (len(real) == 1 and "null" not in kinds)
        for key in ("dependentRequired", "dependentSchemas"):
            counts[key] += len(schema.get(key, ()))
        counts["ref-siblings"] += "$ref" in schema and len(schema) > 1
        for key in ("const", "exclusiveMinimum", "exclusiveMaximum"):
            counts[key] += key in schema
        counts["if"] += "if" in schema and bool({"then", "else"} & schema.keys())
        for key in ("anyOf", "oneOf"):
            counts["null-branch"] += any(one in ({"type": "null"}, {"const": None}) for one in schema.get(key, ()))
    counts["license.identifier"] = int("identifier" in document["info"].get("license", {}))
    return counts
