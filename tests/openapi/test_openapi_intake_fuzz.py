"""Whatever comes in: a document or a SpecRefused, never anything else."""

from __future__ import annotations

import json
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV30SpecValidator

from stoa.openapi import SpecRefused, convert, gateway_profile, parse, to_bytes

_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**20), st.floats(), st.text(max_size=8),
    st.sampled_from(["3.1.0", "#/components/schemas/S", "string", "object", "null", "http://x/y", "..", "#", "#a"]),
)  # fmt: skip
_keys = st.sampled_from(
    [
        "openapi", "info", "paths", "components", "schemas", "properties", "$ref", "$id", "$defs", "$anchor", "type",
        "items", "anyOf", "oneOf", "allOf", "not", "if", "then", "const", "enum", "required", "examples", "get", "/a",
        "responses", "200", "content", "application/json", "schema", "parameters", "security", "securitySchemes",
        "servers", "url", "variables", "prefixItems", "patternProperties", "additionalProperties", "dependentRequired",
        "dependentSchemas", "exclusiveMinimum", "minimum", "nullable", "discriminator", "mapping", "webhooks",
        "pathItems", "contentEncoding", "default", "x-a", "summary", "license", "identifier", "callbacks", "S", "name",
    ]
)  # fmt: skip
_data = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4), max_leaves=25
)


def _refusal(data: bytes) -> SpecRefused | None:
    try:
        result = convert(parse(data, name="x", files={"other.yaml": data}))
        to_bytes(gateway_profile(result.document, server_url=None).document)
    except SpecRefused as refused:
        return refused
    return None


def _swallow(data: bytes) -> None:
    refused = _refusal(data)
    if refused is not None and refused.pointer is not None:
        assert refused.line is not None
    if refused is not None and refused.line is not None:
        # what is missing at the end is missed after it
        assert 1 <= refused.line <= len(data.decode(errors="replace").splitlines()) + 1


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    _swallow(data)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="{}[]:,-&*!|>'\"#%@`?<~ \n\tab0.", max_size=60))
def test_random_yaml_punctuation(text: str) -> None:
    _swallow(text.encode())


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.dictionaries(_keys, _data, max_size=5), version=st.sampled_from(["3.1.0", "3.0.3"]))
def test_random_trees_of_openapi_words(data: dict[str, Any], version: str) -> None:
    content = {"info": {"title": "t", "version": "1"}, **data, "openapi": version}
    _swallow(json.dumps(content).encode())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=_data, where=st.sampled_from(["schemas", "parameters", "responses", "securitySchemes", "pathItems"]))
def test_random_components(data: Any, where: str) -> None:
    content = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "components": {where: {"S": data}}}
    _swallow(yaml.safe_dump(content).encode())


_RICH: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "t", "version": "1", "summary": "s", "license": {"name": "MIT", "identifier": "MIT"}},
    "servers": [{"url": "https://{h}/v1", "variables": {"h": {"default": "a.example", "enum": []}}}],
    "security": [{"key": []}],
    "webhooks": {"w": {"$ref": "#/components/pathItems/P"}},
    "paths": {
        "/a/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": ["string", "null"]}}],
            "delete": {
                "operationId": "o",
                "requestBody": {"content": {"a/b": {"schema": {"$ref": "#/components/schemas/S", "title": "t"}}}},
                "callbacks": {"c": {"{$url}": {"$ref": "#/components/pathItems/P"}}},
                "responses": {"200": {"$ref": "#/components/responses/R", "description": "d"}},
            },
        }
    },
    "components": {
        "pathItems": {"P": {"get": {"security": [{"key": []}]}}},
        "responses": {"R": {"description": "r", "headers": {"h": {"schema": True}}}},
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "k", "scheme": "x"}},
        "schemas": {
            "S": {
                "$id": "https://example.com/s",
                "$defs": {"d": {"$anchor": "here", "const": None}},
                "type": ["object", "null"],
                "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "b": {"$ref": "#here"}},
                "patternProperties": {"^x": {"prefixItems": [True, {"type": "integer"}], "items": False}},
                "additionalProperties": False,
                "if": {"contains": {"exclusiveMinimum": 5}},
                "then": {"dependentRequired": {"a": ["b"]}},
                "else": {"dependentSchemas": {"a": {"not": {"$ref": "#/properties/a"}}}},
                "oneOf": [{"examples": [1, 2]}, {"contentEncoding": "base64"}],
            },
            "T U": {"discriminator": {"propertyName": "p", "mapping": {"a": "#/components/schemas/S"}}},
        },
    },
}


def _places(node: Any) -> list[tuple[Any, Any]]:
    pairs = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    return [(node, key) for key, _ in pairs] + [place for _, child in pairs for place in _places(child)]


def test_the_document_that_is_damaged_below_is_whole_before() -> None:
    result = convert(parse(json.dumps(_RICH).encode(), name="x"))
    assert gateway_profile(result.document, server_url=None).document.content["servers"]


def _damaged(data: st.DataObject) -> bytes:
    content = json.loads(json.dumps(_RICH))
    for _ in range(data.draw(st.integers(1, 2))):
        places = _places(content)
        holder, key = places[data.draw(st.integers(0, len(places) - 1))]
        donor, donor_key = places[data.draw(st.integers(0, len(places) - 1))]
        deed = data.draw(st.sampled_from(["scalar", "delete", "copy", "rename"]))
        if deed == "delete":
            del holder[key]
        elif deed == "rename" and isinstance(holder, dict):
            holder[data.draw(_keys)] = holder[key]
        elif deed == "copy":
            holder[key] = json.loads(json.dumps(donor[donor_key]))
        else:
            holder[key] = data.draw(_scalars)
    return json.dumps(content).encode()


@settings(max_examples=800, deadline=None)
@given(st.data())
def test_a_good_document_with_one_or_two_places_damaged(data: st.DataObject) -> None:
    _swallow(_damaged(data))


def _without_defaults(node: Any, holder: str = "", above: str = "") -> Any:
    """The validator also checks defaults against their schemas; the linter leaves them to the author. That of a
    server's variable, whatever the damage called it, is no default of a schema."""
    if isinstance(node, list):
        return [_without_defaults(item, holder) for item in node]
    if not isinstance(node, dict):
        return node
    all_of_it = holder == "responses" or above == "variables"
    kept = node if all_of_it else {key: node[key] for key in node if key != "default"}
    return {key: _without_defaults(value, key, holder) for key, value in kept.items()}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_what_is_not_refused_is_valid_for_the_reference_validator(data: st.DataObject) -> None:
    try:
        result = convert(parse(_damaged(data), name="x")).document
    except SpecRefused:
        return
    for document in (result, gateway_profile(result, server_url=None).document):
        content = _without_defaults(json.loads(to_bytes(document)))
        assert [error.message for error in OpenAPIV30SpecValidator(content).iter_errors()] == []


@settings(max_examples=60, deadline=None)
@given(depth=st.integers(1, 400), opening=st.sampled_from(["[", "{a: ", "- ", "{not: ", "? "]))
def test_deep_nesting(depth: int, opening: str) -> None:
    _swallow(("openapi: 3.1.0\ncomponents: " + opening * depth).encode())
    _swallow((opening * depth).encode())
    nested: Any = True
    for _ in range(depth):
        nested = {"not": nested}
    _swallow(json.dumps({"openapi": "3.1.0", "components": {"schemas": {"S": nested}}}).encode())


@settings(max_examples=40, deadline=None)
@given(width=st.integers(1, 30), levels=st.integers(1, 12))
def test_alias_bombs(width: int, levels: int) -> None:
    lines = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}' if i else 'x'] * width)}]" for i in range(levels)]
    _swallow(("openapi: 3.1.0\nx-bomb:\n  " + "\n  ".join(lines)).encode())
