"""Every row of the schema tables (conversion rules, sections 3 and 4), one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from stoa.openapi import convert

R = "#/components/schemas/Other"
NULL = {"nullable": True, "enum": [None]}
A, B, C = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
Convert = Callable[[Any], tuple[Any, dict[str, Any]]]

SAME_MEANING: list[tuple[str, Any, Any]] = [
    ("type and null", {"type": ["string", "null"]}, {"type": "string", "nullable": True}),
    (
        "null that the enum refuses",
        {"type": ["string", "null"], "enum": ["a"]},
        {"type": "string", "nullable": True, "enum": ["a"]},
    ),
    (
        "null that the enum accepts",
        {"type": ["string", "null"], "enum": ["a", None]},
        {"type": "string", "nullable": True, "enum": ["a", None]},
    ),
    ("only null", {"type": "null"}, NULL),
    ("only null in a list", {"type": ["null"]}, NULL),
    ("one type in a list", {"type": ["string"]}, {"type": "string"}),
    ("two types", {"type": ["string", "integer"], "title": "T"}, {"title": "T", "anyOf": [A, B]}),
    (
        "two types and null",
        {"type": ["string", "integer", "null"]},
        {"anyOf": [{"type": "string", "nullable": True}, B]},
    ),
    (
        "two types beside anyOf",
        {"type": ["string", "integer"], "anyOf": [A]},
        {"anyOf": [A], "allOf": [{"anyOf": [A, B]}]},
    ),
    (
        "a branch merged with null",
        {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}], "title": "T"},
        {"type": "string", "maxLength": 5, "nullable": True, "title": "T"},
    ),
    (
        "a branch with an enum merged with null",
        {"oneOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]},
        {"type": "string", "enum": ["a", None], "nullable": True},
    ),
    (
        "a title that collides",
        {"anyOf": [{"type": "string", "title": "inner"}, {"type": "null"}], "title": "outer"},
        {"anyOf": [{"type": "string", "title": "inner"}, NULL], "title": "outer"},
    ),
    ("a reference or null", {"anyOf": [{"$ref": R}, {"type": "null"}]}, {"anyOf": [{"$ref": R}, NULL]}),
    ("two branches or null", {"anyOf": [A, B, {"type": "null"}]}, {"anyOf": [A, B, NULL]}),
    ("constant null", {"const": None}, NULL),
    ("constant", {"const": "v"}, {"enum": ["v"]}),
    ("constant beside an enum", {"const": "v", "enum": ["v", "w"]}, {"enum": ["v", "w"], "allOf": [{"enum": ["v"]}]}),
    ("array without items", {"type": "array"}, {"type": "array", "items": {}}),
    ("one example", {"examples": ["a"]}, {"example": "a"}),
    ("exclusive bound", {"exclusiveMinimum": 5}, {"minimum": 5, "exclusiveMinimum": True}),
    ("stricter inclusive bound", {"minimum": 7, "exclusiveMinimum": 5}, {"minimum": 7}),
    ("equal bounds", {"minimum": 5, "exclusiveMinimum": 5}, {"minimum": 5, "exclusiveMinimum": True}),
    ("exclusive maximum", {"maximum": 9, "exclusiveMaximum": 5}, {"maximum": 5, "exclusiveMaximum": True}),
    ("stricter maximum", {"maximum": 3, "exclusiveMaximum": 5}, {"maximum": 3}),
    ("reference with siblings", {"$ref": R, "description": "d"}, {"description": "d", "allOf": [{"$ref": R}]}),
    ("reference beside allOf", {"$ref": R, "allOf": [A]}, {"allOf": [A, {"$ref": R}]}),
    (
        "words for the schema itself",
        {"$ref": R, "$comment": "c", "$schema": "s", "$id": "https://e.example/x", "$anchor": "a"},
        {"$ref": R},
    ),
    ("true", True, {}),
    ("false", False, {"not": {}}),
    ("items true", {"type": "array", "items": True}, {"type": "array", "items": {}}),
    ("property false", {"properties": {"a": False}}, {"properties": {"a": {"not": {}}}}),
    ("boolean additionalProperties", {"additionalProperties": False}, {"additionalProperties": False}),
    ("a tuple of exactly one", {"prefixItems": [A], "items": False}, {"items": A, "maxItems": 1}),
    (
        "if, then, else",
        {"if": A, "then": B, "else": C},
        {"anyOf": [{"allOf": [A, B]}, {"allOf": [{"not": A}, C]}]},
    ),
    ("if, then", {"if": A, "then": B}, {"anyOf": [{"allOf": [A, B]}, {"allOf": [{"not": A}, {}]}]}),
    ("if alone", {"if": A}, {}),
    (
        "if beside anyOf",
        {"anyOf": [C], "if": A, "then": B},
        {"anyOf": [C], "allOf": [{"anyOf": [{"allOf": [A, B]}, {"allOf": [{"not": A}, {}]}]}]},
    ),
    (
        "dependentRequired",
        {"dependentRequired": {"a": ["b", "c"]}},
        {"allOf": [{"anyOf": [{"not": {"required": ["a"]}}, {"required": ["b", "c"]}]}]},
    ),
    (
        "dependentSchemas of an object",
        {"type": "object", "dependentSchemas": {"a": {"required": ["b"]}}},
        {"type": "object", "allOf": [{"anyOf": [{"not": {"required": ["a"]}}, {"required": ["b"]}]}]},
    ),
    (
        "dependentSchemas of anything",
        {"dependentSchemas": {"a": B}},
        {"allOf": [{"anyOf": [{"not": {"type": "object", "required": ["a"]}}, B]}]},
    ),
    ("base64", {"type": "string", "contentEncoding": "base64"}, {"type": "string", "format": "byte"}),
    ("empty required", {"required": []}, {}),
    ("empty enum", {"enum": []}, {"allOf": [{"not": {}}]}),
    (
        "deprecated",
        {"deprecated": True, "readOnly": True, "default": 1},
        {"deprecated": True, "readOnly": True, "default": 1},
    ),
    (
        "names that look like keywords",
        {"properties": {"const": {"const": 1}, "type": A, "not": A, "examples": A, "$ref": A, "if": A}},
        {"properties": {"const": {"enum": [1]}, "type": A, "not": A, "examples": A, "$ref": A, "if": A}},
    ),
    (
        "data that looks like schemas",
        {"default": {"const": 1}, "enum": [{"type": ["a", "null"]}, "true"], "x-y": {"const": 2}},
        {"default": {"const": 1}, "enum": [{"type": ["a", "null"]}, "true"], "x-y": {"const": 2}},
    ),
]

CHANGED: list[tuple[str, Any, Any, str, str]] = [
    (
        "closed tuple",
        {"prefixItems": [A, B], "items": False},
        {"maxItems": 2, "items": {"anyOf": [A, B]}},
        "prefixItems",
        "widened",
    ),
    (
        "tuple with a rest",
        {"prefixItems": [A, B], "items": C},
        {"items": {"anyOf": [A, B, C]}},
        "prefixItems",
        "widened",
    ),
    ("open tuple", {"prefixItems": [A, B]}, {"items": {}}, "prefixItems", "widened"),
    (
        "tuple of fixed length",
        {"prefixItems": [A, B], "maxItems": 2},
        {"maxItems": 2, "items": {"anyOf": [A, B]}},
        "prefixItems",
        "widened",
    ),
    (
        "closed patterns",
        {"patternProperties": {"^x": A}, "additionalProperties": False},
        {"additionalProperties": A},
        "patternProperties",
        "widened",
    ),
    (
        "patterns and others",
        {"patternProperties": {"^x": A}, "additionalProperties": B},
        {"additionalProperties": {"anyOf": [A, B]}},
        "patternProperties",
        "widened",
    ),
    ("patterns alone", {"patternProperties": {"^x": A}}, {}, "patternProperties", "widened"),
    ("contains", {"contains": A}, {}, "contains", "widened"),
    ("minContains", {"contains": A, "minContains": 2}, {}, "minContains", "widened"),
    ("maxContains", {"contains": A, "maxContains": 2}, {}, "maxContains", "widened"),
    ("propertyNames", {"propertyNames": {"maxLength": 2}}, {}, "propertyNames", "widened"),
    ("unevaluatedProperties", {"unevaluatedProperties": False}, {}, "unevaluatedProperties", "widened"),
    ("unevaluatedItems", {"unevaluatedItems": False}, {}, "unevaluatedItems", "widened"),
    (
        "binary by encoding",
        {"type": "string", "contentEncoding": "binary"},
        {"type": "string", "format": "binary"},
        "contentEncoding",
        "annotation",
    ),
    (
        "binary by media type",
        {"contentMediaType": "application/octet-stream"},
        {"format": "binary"},
        "contentMediaType",
        "annotation",
    ),
    ("other encoding", {"contentEncoding": "gzip"}, {"x-contentEncoding": "gzip"}, "contentEncoding", "annotation"),
    ("content schema", {"contentSchema": A}, {"x-contentSchema": A}, "contentSchema", "annotation"),
    ("several examples", {"examples": ["a", "b"]}, {"example": "a", "x-examples": ["b"]}, "examples", "annotation"),
    (
        "examples and example",
        {"example": "z", "examples": ["a"]},
        {"example": "z", "x-examples": ["a"]},
        "examples",
        "annotation",
    ),
    (
        "nullable in 3.1",
        {"type": "string", "nullable": True},
        {"type": "string", "x-nullable": True},
        "nullable",
        "annotation",
    ),
    ("unknown keyword", {"divisibleBy": 3}, {"x-dropped-divisibleBy": 3}, "divisibleBy", "annotation"),
    ("not of something wider", {"not": {"contains": A}}, {}, "not", "widened"),
    ("if of something wider", {"if": {"propertyNames": A}, "then": B, "else": C}, {"anyOf": [B, C]}, "if", "widened"),
    ("oneOf of something wider", {"oneOf": [A, {"contains": A}]}, {"anyOf": [A, {}]}, "oneOf", "widened"),
]


@pytest.mark.parametrize(("before", "after"), [row[1:] for row in SAME_MEANING], ids=[row[0] for row in SAME_MEANING])
def test_says_the_same_and_reports_no_loss(converted_schema: Convert, before: Any, after: Any) -> None:
    schema, report = converted_schema(before)
    assert schema == after
    assert [entry for entry in report["entries"] if entry["effect"] != "none"] == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            {"required": ["a"], "dependentRequired": {"a": ["b"]}},
            {"allOf": [{"anyOf": [{"not": {"required": ["a"]}}, {"required": ["b"]}]}, {"required": ["a"]}]},
        ),
        (
            {"$ref": "#/components/schemas/Other", "required": ["other"]},
            {"allOf": [{"$ref": "#/components/schemas/Other"}, {"required": ["other"]}]},
        ),
        (
            {"$ref": "#/components/schemas/Other", "required": ["a"], "properties": {"a": {}}},
            {"allOf": [{"$ref": "#/components/schemas/Other"}], "required": ["a"], "properties": {"a": {}}},
        ),
    ],
)
def test_a_new_all_of_keeps_the_reference_validator_content(document: Any, before: Any, after: Any) -> None:
    """It refuses `required` beside `allOf` when it finds no such property, which is no rule of 3.0."""
    other = {"type": "object", "properties": {"x": {"type": "string"}}}
    content = convert(document(components={"schemas": {"S": before, "Other": other}})).document.content
    assert content["components"]["schemas"]["S"] == after
    assert [error.message for error in OpenAPIV30SpecValidator(content).iter_errors()] == []


def test_a_choice_that_gets_wider_keeps_its_discriminator(converted_schema: Convert) -> None:
    discriminator = {"propertyName": "k"}
    schema, _ = converted_schema({"oneOf": [A, {"contains": A}], "discriminator": discriminator})
    assert schema == {"anyOf": [A, {}], "discriminator": discriminator}


@pytest.mark.parametrize(
    ("before", "after", "construct", "effect"), [row[1:] for row in CHANGED], ids=[row[0] for row in CHANGED]
)
def test_reports_what_is_lost_where_it_is_lost(
    converted_schema: Convert, before: Any, after: Any, construct: str, effect: str
) -> None:
    schema, report = converted_schema(before)
    assert schema == after
    found = {(entry["pointer"].split("/")[3], entry["construct"], entry["effect"]) for entry in report["entries"]}
    assert ("S", construct, effect) in found
    assert report["counts"][construct] >= 1


def test_a_negation_of_a_wider_schema_is_found_through_references(document: Any) -> None:
    schemas = {
        "S": {"not": {"$ref": "#/components/schemas/T"}},
        "T": {"properties": {"a": {"contains": {"type": "null"}}}},
    }
    content = convert(document(components={"schemas": schemas})).document.content
    assert content["components"]["schemas"]["S"] == {}
