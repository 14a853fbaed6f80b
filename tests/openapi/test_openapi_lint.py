"""The linter names what 3.0 forbids; the reference validator agrees wherever it looks."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from stoa.openapi import Document, lint

GOOD: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "T", "version": "1"},
    "paths": {
        "/a/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {
                "operationId": "a",
                "parameters": [{"name": "q", "in": "query", "schema": {"type": "string"}}],
                "responses": {"200": {"description": "ok"}},
            },
        }
    },
    "components": {
        "schemas": {"S": {"type": "object", "properties": {"a": {"type": "string"}}}},
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "k"}},
    },
}
S = ["components", "schemas", "S"]
GET = ["paths", "/a/{id}", "get"]
SCHEME = ["components", "securitySchemes", "key"]

BOTH_REPORT: list[tuple[list[str], Any]] = [
    ([*S, "type"], ["string", "null"]),
    ([*S, "type"], "null"),
    ([*S, "type"], "file"),
    ([*S, "const"], 1),
    ([*S, "examples"], [1]),
    ([*S, "exclusiveMinimum"], 5),
    ([*S, "exclusiveMinimum"], True),
    ([*S, "$defs"], {}),
    ([*S, "$comment"], "c"),
    ([*S, "properties", "a"], True),
    ([*S, "items"], False),
    ([*S, "patternProperties"], {}),
    ([*S, "if"], {}),
    ([*S, "contentEncoding"], "base64"),
    ([*S, "required"], []),
    ([*S, "enum"], []),
    ([*S, "required"], ["a", "a"]),
    ([*S, "maxLength"], -1),
    ([*S, "multipleOf"], 0),
    ([*S, "allOf"], []),
    ([*S, "properties"], []),
    ([*S, "additionalProperties"], 1),
    ([*S, "description"], None),
    (["paths"], None),
    (["webhooks"], {}),
    (["components", "pathItems"], {}),
    (["jsonSchemaDialect"], "x"),
    (["info", "license"], {"name": "M", "identifier": "MIT"}),
    (["info", "summary"], "s"),
    (["openapi"], "3.1.0"),
    ([*SCHEME, "type"], "mutualTLS"),
    ([*SCHEME, "in"], "body"),
    ([*SCHEME, "scheme"], "x"),
    ([*GET, "responses"], {}),
    ([*GET, "responses", "ok"], {"description": "x"}),
    ([*GET, "responses", "404"], {}),
    ([*GET, "parameters"], [{"name": "q", "in": "body", "schema": {}}]),
    ([*GET, "parameters"], [{"name": "q", "in": "query"}]),
    ([*GET, "parameters"], [{"name": "q", "in": "query", "schema": {}, "style": "matrix"}]),
    ([*GET, "parameters"], [{"name": "q", "in": "query", "schema": {}, "example": 1, "examples": {}}]),
    ([*GET, "parameters"], [{"name": "q", "in": "query", "schema": {}}] * 2),
    ([*GET, "parameters"], [{"name": "x", "in": "path", "required": True, "schema": {}}]),
    ([*GET, "parameters"], [{"name": "id", "in": "path", "schema": {}}]),
    ([*GET, "unknown"], 1),
    (["paths", "/a/{id}", "parameters"], []),
    (["paths", "/a/{id}", "put"], {"operationId": "a", "responses": {"200": {"description": ""}}}),
    (["paths", "a"], {}),
    (["servers"], [{}]),
]

WE_REPORT: list[tuple[list[str], Any, str, str]] = [
    ([*S, "type"], "array", "array-without-items", "warning"),
    ([*S, "properties", "a"], {"$ref": "#/components/schemas/S", "title": "t"}, "ref-siblings", "warning"),
    (
        [*S, "properties", "a"],
        {"type": "string", "nullable": True, "enum": ["a"]},
        "nullable-enum-without-null",
        "warning",
    ),
    ([*S, "properties", "a"], {"nullable": True, "allOf": [{}]}, "nullable-without-type", "warning"),
    (["security"], [{"key": ["role"]}], "scopes-without-oauth2", "warning"),
    (["security"], [{"nobody": []}], "security-undefined", "error"),
    ([*GET, "requestBody"], {"content": {}}, "body-on-get", "warning"),
    (["components", "responses"], {"a": {"$ref": "#/components/responses/a"}}, "ref-circle", "error"),
    (["components", "schemas", "a b"], {}, "component-name", "error"),
    ([*S, "properties", "a"], {"$ref": "#/components/schemas/None"}, "ref-unresolved", "error"),
    ([*S, "properties", "a"], {"$ref": "http://e.example/x"}, "ref-external", "error"),
]


def _with(path: list[str], value: Any) -> Document:
    content = copy.deepcopy(GOOD)
    node = content
    for token in path[:-1]:
        node = node[token]
    if value is None and path == ["paths"]:
        del node["paths"]
    else:
        node[path[-1]] = value
    return Document(content)


def test_a_good_document_has_no_findings() -> None:
    assert lint(Document(GOOD)) == []


@pytest.mark.parametrize(("path", "value"), BOTH_REPORT, ids=[f"{'.'.join(p[-2:])}-{v!r}"[:50] for p, v in BOTH_REPORT])
def test_reports_what_the_reference_validator_reports(path: list[str], value: Any) -> None:
    document = _with(path, value)
    if path != ["openapi"]:  # the validator class is told the version and does not look
        assert list(OpenAPIV30SpecValidator(json.loads(json.dumps(document.content))).iter_errors())
    errors = [finding for finding in lint(document) if finding.severity == "error"]
    assert errors
    assert all(finding.pointer.startswith("/") or finding.rule == "missing-field" for finding in errors)


@pytest.mark.parametrize(("path", "value", "rule", "severity"), WE_REPORT, ids=[row[2] for row in WE_REPORT])
def test_reports_what_the_reference_validator_passes_over(
    path: list[str], value: Any, rule: str, severity: str
) -> None:
    assert (rule, severity) in {(finding.rule, finding.severity) for finding in lint(_with(path, value))}


def test_a_swagger_2_document_is_checked_by_its_own_rules() -> None:
    content = {
        "swagger": "2.0",
        "info": {"title": "T", "version": "1"},
        "paths": {"/a": {"get": {"requestBody": {}, "responses": {"200": {"description": "ok"}}}}},
        "definitions": {"S": {"properties": {"a": {"$ref": "#/definitions/None"}}}},
    }
    assert {finding.rule for finding in lint(Document(content))} == {"unknown-field", "ref-unresolved"}
