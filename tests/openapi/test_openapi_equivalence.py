"""The converted schema accepts exactly what the original accepts, or more where the report says so."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS30Validator, OAS31Validator

from stoa.openapi import Converted, convert, parse

INSTANCES: list[Any] = [
    None, True, False, 0, 1, 2, 5, 7, -1, 0.5, 5.5, "", "a", "b", "abc", "true",
    [], [None], [1], ["a"], [1, "a"], ["a", 1], [1, 2], ["a", "b", "c"], [{}], [[]],
    {}, {"a": 1}, {"a": "x"}, {"a": None}, {"b": 1}, {"a": 1, "b": 2}, {"a": "x", "b": "y", "c": None},
    {"x1": 1}, {"x1": "s"}, {"c": {"a": 1}}, {"a": {}, "x1": 1}, {"const": 1}, {"type": "a"},
]  # fmt: skip

_types = st.sampled_from(["string", "integer", "number", "boolean", "object", "array", "null"])
_names = st.sampled_from(["a", "b", "c", "const", "type"])
_values = st.sampled_from([None, True, 0, 1, 5, "a", "b", "true", [1], {"a": 1}])
_numbers = st.sampled_from([0, 1, 2, 5, 7, 0.5])
_sizes = st.integers(0, 3)
_refs = st.sampled_from(
    [
        "#/components/schemas/A",
        "#/components/schemas/B",
        "#/components/schemas/B/anyOf/0",
        "#/components/schemas/B/$defs/inner",
        "#/components/schemas/B/$defs/inner/properties/a",
        "#/components/schemas/B/properties/a",
    ]
)


def _schemas(depth: int, refs: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    leaf: dict[str, st.SearchStrategy[Any]] = {
        "type": st.one_of(_types, st.lists(_types, min_size=1, max_size=3, unique=True)),
        "enum": st.lists(_values, max_size=3),
        "const": _values,
        "minimum": _numbers,
        "exclusiveMinimum": _numbers,
        "maximum": _numbers,
        "exclusiveMaximum": _numbers,
        "minLength": _sizes,
        "maxItems": _sizes,
        "minItems": _sizes,
        "required": st.lists(_names, max_size=2, unique=True),
        "nullable": st.booleans(),
        "examples": st.lists(_values, max_size=2),
        "dependentRequired": st.dictionaries(_names, st.lists(_names, max_size=2, unique=True), max_size=2),
        "$ref": refs,
        "minContains": _sizes,
        "contentEncoding": st.sampled_from(["base64", "binary", "gzip"]),
        "title": st.just("T"),
        "$comment": st.just("c"),
        "unknownWord": _values,
    }
    if depth == 0:
        return _some_of(leaf, 3)
    inner = st.one_of(st.booleans(), _schemas(depth - 1, refs))
    several = st.lists(st.one_of(inner, st.just({"type": "null"})), min_size=1, max_size=3)
    by_name = st.dictionaries(_names, inner, max_size=2)
    nested: dict[str, st.SearchStrategy[Any]] = {
        **{key: several for key in ("allOf", "anyOf", "oneOf", "prefixItems")},
        **{key: inner for key in ("not", "if", "then", "else", "items", "contains", "propertyNames")},
        **{key: inner for key in ("additionalProperties", "unevaluatedProperties", "unevaluatedItems")},
        **{key: by_name for key in ("properties", "dependentSchemas", "$defs")},
        "patternProperties": st.dictionaries(st.sampled_from(["^x", "^a"]), inner, max_size=2),
    }
    return _some_of({**leaf, **nested}, 4)


def _some_of(keywords: dict[str, st.SearchStrategy[Any]], most: int) -> st.SearchStrategy[Any]:
    chosen = st.lists(st.sampled_from(sorted(keywords)), max_size=most, unique=True)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: keywords[name] for name in names}))


def _no_refs() -> st.SearchStrategy[str]:
    return st.just("#/components/schemas/Leaf")


_component_b = _schemas(1, _no_refs()).map(
    lambda schema: {
        **{key: value for key, value in schema.items() if key != "$ref"},
        "$defs": {**schema.get("$defs", {}), "inner": {"properties": {"a": {"type": ["string", "null"]}}}},
        "anyOf": [{"type": "string"}, {"type": "null"}, *schema.get("anyOf", [])],
        "properties": {**schema.get("properties", {}), "a": {"contains": {"type": "string"}}},
    }
)


def _convert(schemas: dict[str, Any]) -> Converted:
    content = {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "components": {"schemas": {**schemas, "Leaf": {"type": ["integer", "null"], "prefixItems": [True]}}},
    }
    return convert(parse(json.dumps(content).encode(), name="x"))


def _accepts(validator: Any, components: dict[str, Any]) -> list[bool]:
    checker = validator({"$ref": "#/components/schemas/Root", "components": components})
    return [bool(checker.is_valid(instance)) for instance in INSTANCES]


def _check(schemas: dict[str, Any]) -> None:
    with_leaf = {**schemas, "Leaf": {"type": ["integer", "null"], "prefixItems": [True]}}
    result = _convert(schemas)
    effects = {entry.effect for entry in result.report.entries}
    before = _accepts(OAS31Validator, {"schemas": with_leaf})
    after = _accepts(OAS30Validator, result.document.content["components"])
    assert "tightened" not in effects
    for instance, old, new in zip(INSTANCES, before, after, strict=True):
        assert old == new or (new and "widened" in effects), f"{instance!r}: {old} became {new}"


@settings(max_examples=400, deadline=None)
@given(schema=_schemas(2, _no_refs()))
@example(schema={"not": {"contains": {"type": "string"}}})
@example(schema={"if": {"propertyNames": {"minLength": 2}}, "then": False})
@example(schema={"oneOf": [{"prefixItems": [{"type": "string"}]}, {"type": "array", "items": {"type": "integer"}}]})
@example(schema={"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]})
@example(schema={"oneOf": [{"type": ["string", "null"]}, {"type": "null"}]})
@example(schema={"anyOf": [{"properties": {"a": True}, "additionalProperties": False}, {"type": "null"}]})
@example(schema={"type": "string", "const": None})
@example(schema={"type": "null", "enum": ["a", None]})
@example(schema={"type": ["array", "string"], "items": {"type": "integer"}})
@example(schema={"dependentSchemas": {"a": {"type": "object"}}})
@example(schema={"properties": {"const": {"const": 1}, "type": {"type": "string"}}})
def test_a_schema_accepts_the_same_instances_or_more_where_reported(schema: Any) -> None:
    _check({"Root": schema})


@settings(max_examples=300, deadline=None)
@given(root=_schemas(1, _refs), first=_schemas(1, _refs.filter(lambda ref: "/A" not in ref)), second=_component_b)
@example(
    root={"not": {"$ref": "#/components/schemas/A"}}, first={"$ref": "#/components/schemas/B"},
    second={"anyOf": [{"type": "string"}], "$defs": {"inner": {"properties": {"a": True}}},
            "properties": {"a": {}}, "contains": {"type": "string"}},
)  # fmt: skip
def test_references_into_definitions_and_branches_keep_their_meaning(root: Any, first: Any, second: Any) -> None:
    _check({"Root": root, "A": first, "B": second})
