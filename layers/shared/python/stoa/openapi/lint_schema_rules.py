"""What 3.0 asks of a Schema Object beyond the shape of its fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import UnionType
from typing import Any

from stoa.openapi.document import Node
from stoa.openapi.inspection import Inspection

_NOT_EMPTY = ("allOf", "anyOf", "oneOf", "enum", "required")
_COUNTS = ("maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties")
_PYTHON_TYPES: Mapping[str, type | UnionType] = {
    "array": list,
    "boolean": bool,
    "integer": int,
    "number": int | float,
    "object": dict,
    "string": str,
}
_INTERESTING = frozenset(
    {
        *_NOT_EMPTY,
        *_COUNTS,
        "default",
        "multipleOf",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "nullable",
        "discriminator",
    }
)


def check_schema(schema: Node, pointer: str, inspection: Inspection) -> None:
    """Report what the field table cannot say."""
    if schema.get("type") == "array" and "items" not in schema:
        inspection.warn(pointer, "array-without-items", "an array needs `items`")
    if _INTERESTING.isdisjoint(schema):
        return
    _check_sizes(schema, pointer, inspection)
    _check_bounds(schema, pointer, inspection)
    if schema.get("nullable") is True:
        _check_nullable(schema, pointer, inspection)
    if "default" in schema and _refuses(schema, schema["default"]):
        inspection.warn(f"{pointer}/default", "default-refused", "the schema beside it refuses this value")
    discriminator = schema.get("discriminator")
    mapping = discriminator.get("mapping") if isinstance(discriminator, dict) else None
    if isinstance(mapping, dict) and not all(isinstance(value, str) for value in mapping.values()):
        inspection.error(f"{pointer}/discriminator/mapping", "wrong-value", "must map strings to strings")


def distinct(values: list[Any]) -> list[Any]:
    """The values without repetitions, as JSON tells them apart: 1 is not true."""
    found = {value if isinstance(value, str) else (json.dumps(value, sort_keys=True),): value for value in values}
    return list(found.values())


def _refuses(schema: Node, value: Any) -> bool:
    """Whether `type` or `enum` alone refuse the value; no more is looked at."""
    if value is None and schema.get("nullable") is True:
        return False
    kind, enum = schema.get("type"), schema.get("enum")
    if isinstance(kind, str) and kind in _PYTHON_TYPES and not _is_a(value, kind):
        return True
    return isinstance(enum, list) and value not in enum


def _is_a(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _PYTHON_TYPES[kind])


def _check_sizes(schema: Node, pointer: str, inspection: Inspection) -> None:
    for keyword in _NOT_EMPTY:
        if schema.get(keyword) == []:
            rule = "empty-required" if keyword == "required" else "empty-list"
            inspection.error(f"{pointer}/{keyword}", rule, "must not be empty")
    for keyword in ("required", "enum"):
        listed = schema.get(keyword)
        if isinstance(listed, list) and len(listed) > 1 and len(distinct(listed)) < len(listed):
            inspection.error(f"{pointer}/{keyword}", "not-unique", "has a value twice")
    for keyword in _COUNTS:
        value = schema.get(keyword)
        if isinstance(value, int) and value < 0:
            inspection.error(f"{pointer}/{keyword}", "wrong-value", "must not be negative")


def _check_bounds(schema: Node, pointer: str, inspection: Inspection) -> None:
    multiple = schema.get("multipleOf")
    if isinstance(multiple, int | float) and multiple <= 0:
        inspection.error(f"{pointer}/multipleOf", "wrong-value", "must be greater than 0")
    for exclusive, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(exclusive), bool) and limit not in schema:
            inspection.error(f"{pointer}/{exclusive}", "bound-alone", f"says nothing without `{limit}`")


def _check_nullable(schema: Node, pointer: str, inspection: Inspection) -> None:
    enum = schema.get("enum")
    if isinstance(enum, list) and None not in enum:
        inspection.warn(pointer, "nullable-enum-without-null", "null is refused, because `enum` does not list it")
    composed = not schema.keys().isdisjoint(("allOf", "anyOf", "oneOf"))
    if composed and "type" not in schema:
        inspection.warn(pointer, "nullable-without-type", "`nullable` works only beside `type`; null is refused")
