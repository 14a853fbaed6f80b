"""Every row of the document table (conversion rules, section 5), one at a time."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from stoa.openapi import SpecRefused, convert, parse, to_bytes

OK = {"200": {"description": "ok"}}


def _convert(document: Any, **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    result = convert(document(**fields))
    return result.document.content, result.report.to_dict()


def _entry(report: dict[str, Any], construct: str) -> tuple[str, str]:
    found = next(entry for entry in report["entries"] if entry["construct"] == construct)
    return found["pointer"], found["effect"]


def test_the_version_becomes_3_0_3_and_the_report_names_both(document: Any) -> None:
    content, report = _convert(document)
    assert content["openapi"] == "3.0.3"
    assert (report["source_version"], report["target_version"], report["converter"]) == ("3.1.0", "3.0.3", "1.0.0")
    assert report["entries"] == []


def test_info_summary_moves_in_front_of_the_description(document: Any) -> None:
    info = {"title": "T", "version": "1", "summary": "short", "description": "long"}
    content, report = _convert(document, info=info)
    assert content["info"] == {"title": "T", "version": "1", "description": "short\n\nlong"}
    assert _entry(report, "info.summary") == ("/info", "annotation")


def test_a_licence_identifier_becomes_an_address(document: Any) -> None:
    info = {"title": "T", "version": "1", "license": {"name": "MIT", "identifier": "MIT"}}
    content, _ = _convert(document, info=info)
    assert content["info"]["license"] == {"name": "MIT", "url": "https://spdx.org/licenses/MIT.html"}


def test_a_licence_expression_has_no_address_and_is_kept_aside(document: Any) -> None:
    info = {"title": "T", "version": "1", "license": {"name": "Both", "identifier": "MIT OR Apache-2.0"}}
    content, report = _convert(document, info=info)
    assert content["info"]["license"] == {"name": "Both", "x-identifier": "MIT OR Apache-2.0"}
    assert _entry(report, "license.identifier") == ("/info/license", "annotation")


@pytest.mark.parametrize(("dialect", "entries"), [("https://json-schema.org/draft/2020-12/schema", 0), ("urn:own", 1)])
def test_a_dialect_is_dropped_and_reported_when_it_is_not_the_default(
    document: Any, dialect: str, entries: int
) -> None:
    content, report = _convert(document, jsonSchemaDialect=dialect)
    assert "jsonSchemaDialect" not in content
    assert len(report["entries"]) == entries


def test_webhooks_are_kept_as_an_extension_and_paths_are_added() -> None:
    source = {
        "openapi": "3.1.0",
        "info": {"title": "T", "version": "1"},
        "webhooks": {"sent": {"post": {"requestBody": {"content": {"a/b": {"schema": {"const": 1}}}}}}},
    }
    result = convert(parse(json.dumps(source).encode(), name="x"))
    assert result.document.content["paths"] == {}
    body = result.document.content["x-webhooks"]["sent"]["post"]["requestBody"]
    assert body["content"]["a/b"]["schema"] == {"enum": [1]}
    assert _entry(result.report.to_dict(), "webhooks") == ("/webhooks", "annotation")


def test_an_operation_without_responses_gets_one(document: Any) -> None:
    content, _ = _convert(document, paths={"/a": {"get": {}, "put": {"responses": {}}}})
    assert content["paths"]["/a"]["get"]["responses"]["default"]["description"]
    assert content["paths"]["/a"]["put"]["responses"]["default"]["description"]


def test_path_items_are_put_where_they_are_referred_to(document: Any) -> None:
    components = {
        "pathItems": {
            "P": {"summary": "theirs", "get": {"responses": OK}},
            "Q": {"$ref": "#/components/pathItems/P"},
        }
    }
    paths = {"/a": {"$ref": "#/components/pathItems/P", "summary": "ours"}, "/b": {"$ref": "#/components/pathItems/Q"}}
    content, _ = _convert(document, paths=paths, components=components)
    assert content["paths"] == {
        "/a": {"summary": "ours", "get": {"responses": OK}},
        "/b": {"summary": "theirs", "get": {"responses": OK}},
    }
    assert "pathItems" not in content["components"]


def test_path_items_in_a_circle_are_refused(document: Any) -> None:
    components = {"pathItems": {"P": {"$ref": "#/components/pathItems/Q"}, "Q": {"$ref": "#/components/pathItems/P"}}}
    with pytest.raises(SpecRefused) as caught:
        _convert(document, paths={"/a": {"$ref": "#/components/pathItems/P"}}, components=components)
    assert caught.value.code == "SPEC_REF_UNRESOLVED"


def test_path_items_that_multiply_are_refused_before_they_fill_the_memory(document: Any) -> None:
    def level(number: int) -> dict[str, Any]:
        ref = {"$ref": f"#/components/pathItems/p{number + 1}"}
        return {"get": {"responses": OK, "callbacks": {f"c{i}": {"u": ref} for i in range(8)}}}

    items: dict[str, Any] = {f"p{number}": level(number) for number in range(8)}
    items["p8"] = {"get": {"responses": OK}}
    with pytest.raises(SpecRefused) as caught:
        _convert(document, paths={"/a": {"$ref": "#/components/pathItems/p0"}}, components={"pathItems": items})
    assert caught.value.code == "SPEC_TOO_LARGE"


def test_a_long_chain_of_path_items_is_refused_and_does_not_exhaust_the_stack(document: Any) -> None:
    def callback(number: int) -> dict[str, Any]:
        ref = {"$ref": f"#/components/pathItems/p{number + 1}"}
        return {"get": {"responses": OK, "callbacks": {"c": {"u": ref}}}}

    items: dict[str, Any] = {f"p{number}": callback(number) for number in range(300)}
    items["p300"] = {"get": {"responses": OK}}
    with pytest.raises(SpecRefused) as caught:
        _convert(document, paths={"/a": {"$ref": "#/components/pathItems/p0"}}, components={"pathItems": items})
    assert caught.value.code == "SPEC_REF_UNRESOLVED"


@pytest.mark.parametrize("keyword", ["if", "then"])
def test_conditions_that_multiply_are_refused_while_they_are_small(document: Any, keyword: str) -> None:
    nested: Any = {"type": "string"}
    for _ in range(90):
        nested = {"if": {}, "then": {}, keyword: nested}
    with pytest.raises(SpecRefused) as caught:
        _convert(document, components={"schemas": {"S": nested}})
    assert caught.value.code in ("SPEC_TOO_DEEP", "SPEC_TOO_LARGE")


def test_many_names_that_become_the_same_take_no_longer_than_others(document: Any) -> None:
    schemas: dict[str, Any] = {f"{i:b}".replace("0", "é").replace("1", "ß"): {} for i in range(20_000)}
    content, _ = _convert(document, components={"schemas": schemas})
    assert len(content["components"]["schemas"]) == 20_000


def test_summary_and_description_beside_a_reference_are_dropped_and_reported(document: Any) -> None:
    responses = {"200": {"$ref": "#/components/responses/R", "description": "d", "summary": "s"}}
    content, report = _convert(
        document,
        paths={"/a": {"get": {"responses": responses}}},
        components={"responses": {"R": {"description": "r"}}},
    )
    assert content["paths"]["/a"]["get"]["responses"]["200"] == {"$ref": "#/components/responses/R"}
    assert report["counts"]["reference-sibling"] == 2


def test_a_body_of_a_delete_is_kept_with_a_warning(document: Any) -> None:
    operation = {"requestBody": {"content": {"a/b": {}}}, "responses": OK}
    content, report = _convert(document, paths={"/a": {"delete": operation}})
    assert "requestBody" in content["paths"]["/a"]["delete"]
    assert _entry(report, "body-on-delete") == ("/paths/~1a/delete/requestBody", "none")


def test_an_empty_enum_of_a_server_variable_is_dropped(document: Any) -> None:
    servers = [{"url": "https://{h}", "variables": {"h": {"default": "a", "enum": []}}}]
    content, _ = _convert(document, servers=servers)
    assert content["servers"][0]["variables"]["h"] == {"default": "a"}


def test_illegal_component_names_are_replaced_everywhere(document: Any) -> None:
    schemas = {
        "Order[Line]": {"type": "string"},
        "Order_Line": {},
        "S": {
            "properties": {"a": {"$ref": "#/components/schemas/Order%5BLine%5D"}},
            "discriminator": {
                "propertyName": "k",
                "mapping": {"x": "#/components/schemas/Order[Line]", "y": "Order[Line]"},
            },
        },
    }
    content, report = _convert(document, components={"schemas": schemas})
    converted = content["components"]["schemas"]
    assert list(converted) == ["Order_Line_2", "Order_Line", "S"]
    assert converted["S"]["properties"]["a"] == {"$ref": "#/components/schemas/Order_Line_2"}
    assert set(converted["S"]["discriminator"]["mapping"].values()) == {
        "#/components/schemas/Order_Line_2", "Order_Line_2",
    }  # fmt: skip
    assert _entry(report, "Order[Line]")[1] == "annotation"


def test_a_reference_through_a_name_with_a_percent_sign_gets_a_component(document: Any) -> None:
    """Readers disagree whether such a reference is to be decoded."""
    answer = {"200": {"description": "ok", "content": {"a/b": {"schema": {"properties": {"p%q": {"type": "null"}}}}}}}
    schema = {"$ref": "#/paths/~1a%2520b/get/responses/200/content/a~1b/schema/properties/p%25q"}
    paths = {"/a%20b": {"get": {"responses": answer}}}
    content, _ = _convert(document, paths=paths, components={"schemas": {"S": {"items": schema}}})
    name = content["components"]["schemas"]["S"]["items"]["$ref"].removeprefix("#/components/schemas/")
    assert content["components"]["schemas"][name] == {"nullable": True, "enum": [None]}


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("#/components/schemas/Nothing", "SPEC_REF_UNRESOLVED"),
        ("#/info/title", "SPEC_REF_UNRESOLVED"),
        ("#", "SPEC_REF_UNRESOLVED"),
        ("#nowhere", "SPEC_REF_UNRESOLVED"),
        ("https://example.com/s.json", "SPEC_EXTERNAL_REF"),
        ("other.yaml#/S", "SPEC_EXTERNAL_REF"),
        ("http://[", "SPEC_EXTERNAL_REF"),
    ],
)
def test_references_to_nothing_or_elsewhere_are_refused(document: Any, reference: str, code: str) -> None:
    with pytest.raises(SpecRefused) as caught:
        _convert(document, components={"schemas": {"S": {"items": {"$ref": reference}}}})
    assert (caught.value.code, caught.value.pointer) == (code, "/components/schemas/S/items/$ref")


def test_what_is_invalid_in_both_versions_is_refused_with_every_pointer(document: Any) -> None:
    paths = {"a": {"get": {"responses": OK}}, "/b": {"get": {"responses": {"ok": {"description": "ok"}}}}}
    with pytest.raises(SpecRefused) as caught:
        _convert(document, paths=paths)
    assert caught.value.code == "SPEC_INVALID"
    assert set(caught.value.pointers) == {"/paths/a", "/paths/~1b/get/responses/ok"}


@pytest.mark.parametrize(
    "head", [{"openapi": "3.0.2"}, {"openapi": "3.0.0"}, {"swagger": "2.0"}], ids=["3.0.2", "3.0.0", "2.0"]
)
def test_older_versions_pass_through_unchanged(head: dict[str, str]) -> None:
    source = {**head, "info": {"title": "T", "version": "1"}, "paths": {"/a": {"get": {"responses": OK}}}}
    before = parse(json.dumps(source).encode(), name="x")
    result = convert(before)
    assert result.document is before
    assert result.report.sha256_in == hashlib.sha256(json.dumps(source).encode()).hexdigest()
    assert result.report.sha256_out == hashlib.sha256(to_bytes(result.document)).hexdigest()
    assert result.report.source_version == result.report.target_version
