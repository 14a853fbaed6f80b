"""The gateway profile (conversion rules, section 6): what the webMethods gateway can import."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stoa.openapi import Converted, SpecRefused, convert, gateway_profile, parse

OK = {"200": {"description": "ok"}}
R = "#/components/schemas/Other"
NULL = {"nullable": True, "enum": [None]}


def _profile(document: Any, server_url: str | None = None, **fields: Any) -> Converted:
    return gateway_profile(convert(document(**fields)).document, server_url=server_url)


def _schema(document: Any, schema: Any) -> tuple[Any, list[tuple[str, Any]]]:
    result = _profile(document, components={"schemas": {"S": schema, "Other": {"type": "string"}}})
    reported = [(entry.construct, entry.effect) for entry in result.report.entries]
    return result.document.content["components"]["schemas"]["S"], reported


@pytest.mark.parametrize(
    ("before", "after", "reported"),
    [
        ({"additionalProperties": True}, {}, []),
        ({"additionalProperties": False}, {}, [("closed-object-opened", "widened")]),
        ({"additionalProperties": {"type": "string"}}, {"additionalProperties": {"type": "string"}}, []),
        (
            {"anyOf": [{"$ref": R}, NULL]},
            {"nullable": True, "allOf": [{"$ref": R}]},
            [("null-tightened", "tightened")],
        ),
        (
            {"anyOf": [{"$ref": R}, NULL], "allOf": [{"title": "x"}]},
            {"nullable": True, "allOf": [{"title": "x"}, {"$ref": R}]},
            [("null-tightened", "tightened")],
        ),
        (
            {"oneOf": [{"$ref": R}, {"$ref": R}, NULL]},
            {"nullable": True, "oneOf": [{"$ref": R}, {"$ref": R}]},
            [("null-tightened", "tightened")],
        ),
        (
            {"anyOf": [{"$ref": R}, {"type": "integer"}, NULL]},
            {"anyOf": [{"$ref": R}, {"type": "integer", "nullable": True}]},
            [],
        ),
        (
            {"oneOf": [{"type": "object", "additionalProperties": False}, {"type": "object"}]},
            {"oneOf": [{"type": "object"}, {"type": "object"}]},
            [("closed-object-opened", "widened"), ("closed-object-opened", "tightened")],
        ),
    ],
)
def test_schemas_take_the_form_the_gateway_accepts(
    document: Any, before: Any, after: Any, reported: list[tuple[str, str]]
) -> None:
    written = json.loads(json.dumps(before).replace(json.dumps(NULL), '{"type": "null"}'))
    schema, found = _schema(document, written)
    assert schema == after
    assert found == reported


def test_entries_are_marked_with_their_stage(document: Any) -> None:
    result = _profile(document, externalDocs={"url": "https://docs.example"}, tags=[])
    report = result.report.to_dict()
    assert "externalDocs" not in result.document.content
    assert [entry["stage"] for entry in report["entries"]] == ["gateway"]
    assert report["sha256_in"] != report["sha256_out"]


def test_nested_external_docs_stay(document: Any) -> None:
    tags = [{"name": "t", "externalDocs": {"url": "https://docs.example"}}]
    assert _profile(document, tags=tags).document.content["tags"] == tags


@pytest.mark.parametrize(
    ("servers", "url", "expected"),
    [
        ([{"url": "/api/v3"}], "https://orders.example/v1", [{"url": "https://orders.example/v1"}]),
        ([{"url": "https://a.example"}], None, [{"url": "https://a.example"}]),
        (
            [{"url": "/v1"}, {"url": "https://b.example"}, {"url": "https://c.example"}],
            None,
            [{"url": "https://b.example"}],
        ),
        (
            [
                {
                    "url": "https://{region}.example/{v}",
                    "variables": {"region": {"default": "eu"}, "v": {"default": "1"}},
                }
            ],
            None,
            [{"url": "https://eu.example/1"}],
        ),
        ([{"url": "https://a.example/{merchant}/sync"}, {"url": "<local-terminal-IP-address>"}], None, None),
        ([{"url": "/v1"}], None, None),
    ],
)
def test_one_absolute_server_is_left_or_none(document: Any, servers: Any, url: str | None, expected: Any) -> None:
    result = _profile(document, url, servers=servers)
    assert result.document.content.get("servers") == expected
    changed = expected != servers
    assert [entry.construct for entry in result.report.entries] == (["servers"] if changed else [])


def test_servers_of_paths_and_operations_are_dropped(document: Any) -> None:
    own = [{"url": "https://other.example"}]
    paths = {"/a": {"servers": own, "get": {"servers": own, "responses": OK}}}
    result = _profile(document, "https://a.example", paths=paths)
    assert "other.example" not in json.dumps(result.document.content)
    assert {entry.pointer for entry in result.report.entries} == {
        "/servers",
        "/paths/~1a/servers",
        "/paths/~1a/get/servers",
    }


@pytest.mark.parametrize("url", ["orders.example", "/v1", "ftp://a.example", "https://{host}/", "https://"])
def test_a_server_url_that_is_not_absolute_is_a_mistake_of_the_caller(document: Any, url: str) -> None:
    with pytest.raises(ValueError, match="absolute"):
        _profile(document, url)


def test_a_3_1_document_must_be_converted_first(document: Any) -> None:
    with pytest.raises(SpecRefused) as caught:
        gateway_profile(document(), server_url=None)
    assert caught.value.code == "SPEC_VERSION_UNSUPPORTED"


def test_swagger_2_responses_are_inlined_and_the_address_is_set() -> None:
    source = {
        "swagger": "2.0",
        "info": {"title": "T", "version": "1"},
        "paths": {"/a": {"get": {"responses": {"404": {"$ref": "#/responses/None"}}}}},
        "responses": {"None": {"description": "none", "schema": {"additionalProperties": False}}},
    }
    before = convert(parse(json.dumps(source).encode(), name="x")).document
    content = gateway_profile(before, server_url="http://orders.example:8080/v1").document.content
    assert content["paths"]["/a"]["get"]["responses"]["404"] == {"description": "none", "schema": {}}
    assert (content["host"], content["basePath"], content["schemes"]) == ("orders.example:8080", "/v1", ["http"])
    again = gateway_profile(before, server_url=None)
    assert [entry.construct for entry in again.report.entries if entry.construct == "servers"] == ["servers"]


def test_path_items_of_a_3_0_document_are_put_where_they_are_referred_to() -> None:
    parameter = {"name": "c", "in": "path", "required": True, "schema": {}}
    source = {
        "openapi": "3.0.3",
        "info": {"title": "T", "version": "1"},
        "paths": {
            "/a/{c}": {"$ref": "#/paths/~1b~1%7Bc%7D", "summary": "ours"},
            "/b/{c}": {"parameters": [parameter], "get": {"operationId": "b", "responses": OK}},
        },
    }
    before = convert(parse(json.dumps(source).encode(), name="x")).document
    paths = gateway_profile(before, server_url="https://a.example").document.content["paths"]
    operation = {"operationId": "b_2", "responses": OK}
    assert paths["/a/{c}"] == {
        "parameters": [parameter],
        "get": {"operationId": "b", "responses": OK},
        "summary": "ours",
    }
    assert paths["/b/{c}"]["get"] == operation


def test_path_items_in_a_circle_are_refused_for_the_gateway_too() -> None:
    def item(other: str) -> dict[str, object]:
        return {"get": {"responses": OK, "callbacks": {"c": {"u": {"$ref": f"#/paths/~1{other}"}}}}}

    source = {"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": {"/a": item("b"), "/b": item("a")}}
    with pytest.raises(SpecRefused) as caught:
        gateway_profile(convert(parse(json.dumps(source).encode(), name="x")).document, server_url=None)
    assert caught.value.code == "SPEC_REF_UNRESOLVED"
