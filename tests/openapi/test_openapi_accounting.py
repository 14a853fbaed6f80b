"""The report against an account by another walk: nothing lost goes unsaid, and nothing is said that is not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stoa.openapi import Converted, Document, convert, parse
from stoa.openapi.document import lookup
from tests.openapi.accounting import Place, counted, lost

CONSEQUENCES = frozenset({"not", "oneOf", "if"})
"""What gets wider because something below it does; the account names the cause."""

ZOO: dict[str, Any] = {
    "const": {"const": None},
    "type": {"type": ["string", "integer", "null"]},
    "examples": {"type": "string", "examples": ["a", "b"], "contentEncoding": "base64"},
    "one example": {"examples": [{"const": 1, "prefixItems": []}], "default": {"propertyNames": 1}},
    "both": {"example": 1, "examples": [2]},
    "tuple": {"type": "array", "prefixItems": [{"type": ["string", "null"]}, True], "items": False},
    "open tuple": {"prefixItems": [{"patternProperties": {"^x": {"const": 1}}}]},
    "closed tuple": {"prefixItems": [{"const": 2}], "items": False},
    "set": {"type": "array", "contains": {"const": 1}, "minContains": 1, "maxContains": 2},
    "names": {"propertyNames": {"pattern": "^a"}, "additionalProperties": {"unevaluatedProperties": False}},
    "patterns": {"patternProperties": {"^x/~": {"unevaluatedItems": False}}, "additionalProperties": False},
    "choice": {"oneOf": [{"contains": {"const": 1}}, {"type": "null"}]},
    "denied": {"not": {"propertyNames": {"maxLength": 3}}},
    "when": {"if": {"properties": {"a": {"const": 1}}}, "then": {"required": ["b"]}},
    "unsure": {"if": {"contains": {}}, "then": False},
    "needs": {"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"c": {"contentMediaType": "image/png"}}},
    "bytes": {"type": "string", "contentEncoding": "gzip", "contentSchema": {"type": ["object", "null"]}},
    "bounds": {"exclusiveMinimum": 1, "exclusiveMaximum": 5, "maximum": 9},
    "own words": {"type": "string", "nullable": True, "faker": "name", "x-own": {"const": 1}},
    "tree": {
        "$dynamicAnchor": "node",
        "$defs": {"inner": {"type": ["string", "null"], "propertyNames": {"minLength": 1}}},
        "properties": {
            "kids": {"type": "array", "items": {"$dynamicRef": "#node"}},
            "inner": {"$ref": "#/components/schemas/Zoo/properties/tree/$defs/inner", "description": "beside"},
        },
    },
}
"""One property for each construct, named to be taken for keywords, with data that looks like keywords."""


def _zoo() -> dict[str, Any]:
    schema = {"schema": {"type": ["integer", "null"], "examples": [1, 2]}}
    parameter = {"name": "p", "in": "query", **schema, "examples": {"e": {"value": {"const": 1}}}}
    answer = {"$ref": "#/components/responses/R", "description": "beside"}
    operation = {"parameters": [parameter], "responses": {"200": answer, "404": {"$ref": "#/components/responses/R"}}}
    link = {"$ref": "#/components/links/L", "description": "beside"}
    media = {
        "schema": {"const": 1, "contains": {"type": "integer"}},
        "examples": {"e": {"$ref": "#/x", "summary": "s"}},
    }
    media["examples"]["e"]["$ref"] = "#/components/examples/E"
    return {
        "openapi": "3.1.0",
        "info": {"title": "T", "version": "1", "summary": "s", "license": {"name": "L", "identifier": "MIT OR ISC"}},
        "jsonSchemaDialect": "https://example.com/own",
        "paths": {"/a": {"get": operation}, "/b": {"$ref": "#/components/pathItems/P", "summary": "beside"}},
        "webhooks": {"sent": {"post": {"requestBody": {"content": {"a/b": {"schema": {"unevaluatedItems": False}}}}}}},
        "components": {
            "schemas": {"Zoo": {"type": "object", "properties": ZOO}},
            "pathItems": {"P": {"put": operation}},
            "responses": {"R": {"description": "r", "links": {"l": link}, "content": {"a/b": media}}},
            "links": {"L": {"operationId": "none"}},
            "examples": {"E": {"value": {"const": 1, "propertyNames": {}}}},
        },
    }


def _settle(source: Document, result: Converted) -> None:
    """The report and the account agree, place by place and number by number."""
    kept = {Place(entry.pointer, entry.construct) for entry in result.report.entries if entry.action == "kept"}
    said = {Place(entry.pointer, entry.construct) for entry in result.report.entries} - kept
    account = lost(source.content)
    assert account - said == set()
    more = said - account
    assert {place for place in more if place.construct not in CONSEQUENCES} == set()
    for place in more:
        assert place.construct in lookup(source.content, place.pointer)
    numbers = counted(source.content)
    assert {name: result.report.counts.get(name, 0) for name in numbers} == numbers


def test_every_construct_of_3_1_is_accounted_for() -> None:
    source = parse(json.dumps(_zoo()).encode(), name="x")
    result = convert(source)
    _settle(source, result)
    assert len(lost(source.content)) > 30


@pytest.mark.parametrize("name", sorted(ZOO))
def test_each_construct_alone_is_accounted_for(name: str, document: Any) -> None:
    source = document(components={"schemas": {"Zoo": {"properties": {"tree": ZOO["tree"], name: ZOO[name]}}}})
    _settle(source, convert(source))


def test_real_documents_are_accounted_for(real_file: Path) -> None:
    source = parse(real_file.read_bytes(), name="x")
    result = convert(source)
    if source.version.startswith("3.1."):
        _settle(source, result)
    else:
        assert {entry.action for entry in result.report.entries} <= {"kept"}


def test_what_fastapi_generates_is_accounted_for(fastapi_document: bytes) -> None:
    source = parse(fastapi_document, name="x")
    _settle(source, convert(source))
