"""Real documents are seldom flawless: what has one remedy is put right and said, the rest is refused with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from stoa.openapi import Converted, SpecRefused, convert, gateway_profile, lint, parse, to_bytes

OK = {"200": {"description": "ok"}}
TEXT = {"type": "string"}
ID = {"name": "id", "in": "path", "required": True, "schema": TEXT}
HEAD = "openapi: 3.1.0\ninfo: {title: T, version: '1'}\n"


def _convert(source: dict[str, Any] | str) -> Converted:
    text = source if isinstance(source, str) else json.dumps(source)
    return convert(parse(text.encode(), name="x"))


def _valid(result: Converted) -> dict[str, Any]:
    """The content, which both checkers accept, also in its form for the gateway."""
    for document in (result.document, gateway_profile(result.document, server_url="https://a.example").document):
        assert [finding for finding in lint(document) if finding.severity == "error"] == []
        assert [error.message for error in OpenAPIV30SpecValidator(json.loads(to_bytes(document))).iter_errors()] == []
    return result.document.content


def _said(result: Converted) -> dict[str, str]:
    return {f"{entry.pointer} {entry.construct}": entry.action for entry in result.report.entries}


def _with_paths(version: str, paths: dict[str, Any]) -> dict[str, Any]:
    return {"openapi": version, "info": {"title": "T", "version": "1"}, "paths": paths}


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
@pytest.mark.parametrize(
    ("item", "after", "said"),
    [
        (
            {"get": {"responses": OK}},
            {"get": {"responses": OK, "parameters": [ID]}},
            {"/paths/~1a~1{id}/get path-parameter-missing": "added as a string"},
        ),
        (
            {"get": {"parameters": [{"name": "id", "in": "path", "schema": TEXT}], "responses": OK}},
            {"get": {"parameters": [ID], "responses": OK}},
            {"/paths/~1a~1{id}/get/parameters/0 path-parameter-optional": "made required"},
        ),
        (
            {"parameters": [ID, {**ID, "name": "other"}], "get": {"responses": OK}, "put": {"responses": OK}},
            {"parameters": [ID], "get": {"responses": OK}, "put": {"responses": OK}},
            {
                "/paths/~1a~1{id}/get path-parameter-unused": "dropped",
                "/paths/~1a~1{id}/put path-parameter-unused": "dropped",
            },
        ),
        (
            {"get": {"parameters": [{**ID, "name": "ID"}, {**ID, "name": "ID"}], "responses": OK}},
            {"get": {"parameters": [ID], "responses": OK}},
            {
                "/paths/~1a~1{id}/get/parameters/1 parameter-twice": "dropped",
                "/paths/~1a~1{id}/get path-parameter-missing": "added as a string",
                "/paths/~1a~1{id}/get path-parameter-unused": "dropped",
            },
        ),
        (
            {"get": {"parameters": [ID, {"name": "q", "in": "query"}], "responses": OK}},
            {"get": {"parameters": [ID, {"name": "q", "in": "query", "schema": {}}], "responses": OK}},
            {"/paths/~1a~1{id}/get/parameters/1 schema-missing": "filled in"},
        ),
        (
            {"parameters": [{**ID, "example": "a", "examples": {"b": {"value": "b"}}}], "get": {"responses": OK}},
            {"parameters": [{**ID, "examples": {"b": {"value": "b"}}}], "get": {"responses": OK}},
            {"/paths/~1a~1{id}/parameters/0 two-kinds-of-example": "`example` dropped"},
        ),
        (
            {"parameters": [ID], "get": {"responses": {"200": {}}}},
            {"parameters": [ID], "get": {"responses": {"200": {"description": ""}}}},
            {"/paths/~1a~1{id}/get/responses/200 missing-field": "filled in"},
        ),
    ],
)
def test_sins_around_parameters_and_responses(version: str, item: Any, after: Any, said: dict[str, str]) -> None:
    result = _convert(_with_paths(version, {"/a/{id}": item}))
    assert _valid(result)["paths"]["/a/{id}"] == after
    assert _said(result) == said


def test_a_name_of_an_operation_that_is_taken_gets_a_number() -> None:
    names = ["list", "list", "list_2"]
    paths = {f"/{index}": {"get": {"operationId": name, "responses": OK}} for index, name in enumerate(names)}
    result = _convert(_with_paths("3.0.3", paths))
    made = [item["get"]["operationId"] for item in _valid(result)["paths"].values()]
    assert made == ["list", "list_3", "list_2"]
    assert _said(result) == {"/paths/~11/get/operationId operation-id-twice": "numbered"}


def test_a_parameter_behind_a_percent_encoded_reference_is_found() -> None:
    ref = {"$ref": "#/paths/~1a~1%7Bid%7D/get/parameters/0"}
    paths = {"/a/{id}": {"get": {"parameters": [ID], "responses": OK}, "put": {"parameters": [ref], "responses": OK}}}
    result = _convert(_with_paths("3.0.3", paths))
    assert result.report.entries == ()
    shaped = gateway_profile(result.document, server_url=None).document.content
    assert shaped["paths"]["/a/{id}"]["put"]["parameters"] == [{"$ref": "#/paths/~1a~1{id}/get/parameters/0"}]


def test_schemas_of_3_0_that_say_nothing_or_say_it_twice() -> None:
    schema = {
        "required": [],
        "properties": {
            "a": {"required": ["x", "x"]},
            "b": {"enum": []},
            "c": {"exclusiveMinimum": True},
            "d": {"enum": ["a", 1, True, {"x": 1}, "a", {"x": 1}]},
        },
    }
    source = {**_with_paths("3.0.3", {"/a": {"get": {"responses": {}}}}), "components": {"schemas": {"S": schema}}}
    result = _convert(source)
    assert _valid(result)["components"]["schemas"]["S"] == {
        "properties": {"a": {"required": ["x"]}, "b": {}, "c": {}, "d": {"enum": ["a", 1, True, {"x": 1}]}}
    }
    assert [entry.effect for entry in result.report.entries].count("widened") == 1
    assert len(result.report.entries) == 6


def test_a_3_0_document_with_words_of_3_1_is_read_as_3_1_where_it_uses_them() -> None:
    schema = {
        "properties": {
            "a": {"type": ["string", "null"], "const": "x"},
            "b": {"type": "string", "nullable": True},
            "c": {"type": "number", "minimum": 1, "exclusiveMinimum": True},
            "d": {"$ref": "#/components/schemas/S", "description": "beside"},
        },
        "faker": "name",
    }
    source = {**_with_paths("3.0.1", {"/a": {"get": {"responses": OK}}}), "components": {"schemas": {"S": schema}}}
    result = _convert(source)
    assert _valid(result)["components"]["schemas"]["S"] == {
        "properties": {
            "a": {"type": "string", "nullable": True, "enum": ["x"]},
            "b": {"type": "string", "nullable": True},
            "c": {"type": "number", "minimum": 1, "exclusiveMinimum": True},
            "d": {"$ref": "#/components/schemas/S", "description": "beside"},
        },
        "x-dropped-faker": "name",
    }
    assert _said(result)["/openapi newer-version"] == "3.0.3"


def test_mutual_tls_in_a_3_0_document_stops_as_in_3_1() -> None:
    source = _with_paths("3.0.3", {"/a": {"get": {"responses": OK}}})
    source["components"] = {"securitySchemes": {"m": {"type": "mutualTLS"}}}
    with pytest.raises(SpecRefused) as caught:
        _convert({**source, "security": [{"m": []}]})
    assert caught.value.code == "SPEC_SECURITY_WEAKENED"


@pytest.mark.parametrize(
    ("written", "path", "read"),
    [
        ("info: {title: 2024, version: 1.10}", ["info"], {"title": "2024", "version": "1.10"}),
        ("info: {title: T, version: '1', description: }", ["info"], {"title": "T", "version": "1"}),
        (
            "servers: [{url: 'https://a:{p}', variables: {p: {default: 8443, enum: [443, 8443]}}}]",
            ["servers", "0", "variables", "p"],
            {"default": "8443", "enum": ["443", "8443"]},
        ),
        ("components: {schemas: {S: {type: [string, null]}}}", ["S"], {"type": "string", "nullable": True}),
        ("components: {schemas: {S: {type: null}}}", ["S"], {"nullable": True, "enum": [None]}),
        (
            "components: {schemas: {S: {$ref: '#/components/schemas/T', type: null}, T: {}}}",
            ["S"],
            {"nullable": True, "enum": [None], "allOf": [{"$ref": "#/components/schemas/T"}]},
        ),
        ("components: {schemas: {S: {maxLength: 5.0, minLength: '1'}}}", ["S"], {"maxLength": 5, "minLength": 1}),
        ("components: {schemas: {S: {required: true, deprecated: 'True'}}}", ["S"], {"deprecated": True}),
        (
            "components: {schemas: {S: {type: array, items: [{type: string}], additionalItems: false}}}",
            ["S"],
            {"type": "array", "items": {"type": "string"}, "maxItems": 1},
        ),
    ],
)
def test_values_of_another_kind_are_read_as_they_were_meant(written: str, path: list[str], read: Any) -> None:
    head = (
        "openapi: 3.1.0\npaths: {/a: {get: {}}}\n" if written.startswith("info") else HEAD + "paths: {/a: {get: {}}}\n"
    )
    result = _convert(head + written)
    content: Any = _valid(result)
    node = content["components"]["schemas"] if path == ["S"] else content
    for step in path:
        node = node[int(step)] if isinstance(node, list) else node[step]
    assert node == read
    assert result.report.entries


def test_swagger_2_fields_that_it_does_not_have_are_put_aside() -> None:
    text = (
        "swagger: 2.0\ninfo: {title: T, version: 1}\nhost: a.example\nschemes: https\npaths:\n  /a/{id}:\n    get:\n"
        "      parameters: [{name: q, in: query, type: string, example: x}]\n      responses: {200: {description: }}\n"
        "definitions: {S: {type: string, nullable: true}}\n"
    )
    result = _convert(text)
    content = result.document.content
    assert content["swagger"] == "2.0"
    assert content["schemes"] == ["https"]
    assert content["definitions"]["S"] == {"type": "string", "x-dropped-nullable": True}
    parameters = content["paths"]["/a/{id}"]["get"]["parameters"]
    assert parameters[0] == {"name": "q", "in": "query", "type": "string", "x-dropped-example": "x"}
    assert parameters[1] == {"name": "id", "in": "path", "required": True, "type": "string"}
    assert gateway_profile(result.document, server_url=None).document.content["host"] == "a.example"


@pytest.mark.parametrize(
    ("written", "pointer"),
    [
        ("components: {schemas: {S: {type: uuid}}}", "/components/schemas/S/type"),
        ("components: {schemas: {S: {allOf: {}}}}", "/components/schemas/S/allOf"),
        ("components: {schemas: {S: {pattern: []}}}", "/components/schemas/S/pattern"),
        ("components: {schemas: {S: {maxLength: 1.5}}}", "/components/schemas/S/maxLength"),
        ("components: {schemas: {S: {maxLength: many}}}", "/components/schemas/S/maxLength"),
        ("components: {schemas: {S: }}", "/components/schemas/S"),
        ("x-a: {type: null}\ncomponents: {schemas: {S: {$ref: '#/x-a'}}}", "/x-a/type"),
        ("security: [{nobody: []}]", "/security/0/nobody"),
        ("paths: {users: {}}", "/paths/users"),
        ("paths: {/a: {get: {responses: {ok: {description: d}}}}}", "/paths/~1a/get/responses/ok"),
    ],
)
def test_what_only_the_author_can_decide_is_refused_with_its_place(written: str, pointer: str) -> None:
    with pytest.raises(SpecRefused) as caught:
        _convert(HEAD + written)
    assert (caught.value.code, caught.value.pointer) == ("SPEC_INVALID", pointer)
    assert caught.value.detail


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"paths": {"/a?x={x}": {}}}, "path-unreachable"),
        ({"paths": {}}, "no-paths"),
        ({"components": {"schemas": {"S": {"type": "integer", "default": "1"}}}}, "default-refused"),
        ({"components": {"schemas": {"S": {"type": "integer", "default": True}}}}, "default-refused"),
        ({"components": {"schemas": {"S": {"enum": ["a"], "default": "b"}}}}, "default-refused"),
        ({"components": {"schemas": {"S": {"type": ["integer", "null"], "default": None}}}}, ""),
        ({"components": {"schemas": {"S": {"type": "integer", "default": 1.0}}}}, ""),
    ],
)
def test_what_is_of_no_use_to_a_gateway_is_kept_and_said(document: Any, fields: Any, rule: str) -> None:
    said = [(entry.construct, entry.action) for entry in convert(document(**fields)).report.entries]
    assert said == ([(rule, "kept")] if rule else [])
