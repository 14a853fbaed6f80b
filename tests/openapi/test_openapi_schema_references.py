"""Definitions, anchors and dynamic references: where they go, and that every reference follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stoa.openapi import convert

Convert = Callable[[Any], tuple[Any, dict[str, Any]]]


def test_definitions_move_to_components_and_every_reference_follows(document: Any) -> None:
    schemas = {
        "S": {
            "$defs": {"line": {"properties": {"sku": {"const": "a"}}}, "Other": {"type": "integer"}},
            "properties": {
                "line": {"$ref": "#/components/schemas/S/$defs/line"},
                "sku": {"$ref": "#/components/schemas/S/$defs/line/properties/sku"},
            },
        },
        "S_line": {},
    }
    content = convert(document(components={"schemas": schemas})).document.content
    assert content["components"]["schemas"] == {
        "S": {
            "properties": {
                "line": {"$ref": "#/components/schemas/S_line_2"},
                "sku": {"$ref": "#/components/schemas/S_line_sku"},
            }
        },
        "S_line": {},
        "S_line_2": {"properties": {"sku": {"enum": ["a"]}}},
        "S_Other": {"type": "integer"},
        "S_line_sku": {"enum": ["a"]},
    }


def test_anchors_and_ids_are_resolved_before_they_are_dropped(converted_schema: Convert) -> None:
    schema, report = converted_schema(
        {
            "$id": "https://example.com/schemas/s",
            "properties": {
                "a": {"$anchor": "here", "type": "string"},
                "b": {"$ref": "#here"},
                "c": {"$ref": "https://example.com/schemas/s#/properties/a"},
                "d": {"$ref": "s"},
            },
        }
    )
    target = "#/components/schemas/S/properties/a"
    assert schema["properties"] == {
        "a": {"type": "string"}, "b": {"$ref": target}, "c": {"$ref": target}, "d": {"$ref": "#/components/schemas/S"},
    }  # fmt: skip
    assert report["entries"] == []


def test_a_dynamic_reference_becomes_its_static_target(converted_schema: Convert) -> None:
    schema, report = converted_schema({"$dynamicAnchor": "node", "properties": {"next": {"$dynamicRef": "#node"}}})
    assert schema == {"properties": {"next": {"allOf": [{"$ref": "#/components/schemas/S"}]}}}
    assert [(entry["construct"], entry["effect"]) for entry in report["entries"]] == [("$dynamicRef", "widened")]
