"""References into other files of the API's folder become components; nothing else is reachable."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stoa.openapi import SpecRefused, convert, parse

ROOT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Orders", "version": "1"},
    "paths": {
        "/orders": {
            "get": {
                "responses": {
                    "200": {
                        "description": "ok",
                        "content": {"application/json": {"schema": {"$ref": "schemas/order.yaml#/Order"}}},
                    },
                    "404": {"$ref": "./responses.json#/NotFound"},
                }
            }
        }
    },
}


def _parse(content: dict[str, Any], files: dict[str, str]) -> dict[str, Any]:
    as_bytes = {name: text.encode() for name, text in files.items()}
    return parse(json.dumps(content).encode(), name="openapi.json", files=as_bytes).content


def test_moves_the_objects_of_other_files_into_components() -> None:
    files = {
        "schemas/order.yaml": "Order:\n  type: object\n  properties:\n    line: {$ref: 'line.yaml'}\n"
        "    next: {$ref: '#/Order'}\n",
        "schemas/line.yaml": "type: [string, 'null']\n",
        "responses.json": '{"NotFound": {"description": "none"}}',
    }
    content = _parse(ROOT, files)
    operation = content["paths"]["/orders"]["get"]["responses"]
    assert operation["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Order"}
    assert operation["404"] == {"$ref": "#/components/responses/NotFound"}
    assert content["components"]["schemas"] == {
        "Order": {
            "type": "object",
            "properties": {
                "line": {"$ref": "#/components/schemas/line"},
                "next": {"$ref": "#/components/schemas/Order"},
            },
        },
        "line": {"type": ["string", "null"]},
    }
    bundled = parse(json.dumps(content).encode(), name="x")
    assert convert(bundled).document.content["components"]["schemas"]["line"] == {"type": "string", "nullable": True}


def test_an_existing_component_keeps_its_name() -> None:
    content = {**ROOT, "components": {"schemas": {"Order": {"type": "integer"}}}}
    files = {"schemas/order.yaml": "Order: {type: string}", "responses.json": '{"NotFound": {"description": "none"}}'}
    schemas = _parse(content, files)["components"]["schemas"]
    assert schemas == {"Order": {"type": "integer"}, "Order_2": {"type": "string"}}


def test_a_path_item_of_another_file_is_put_in_place() -> None:
    content = {**ROOT, "paths": {"/orders": {"$ref": "paths.yaml#/orders", "summary": "ours"}}}
    files = {
        "paths.yaml": "orders:\n  summary: theirs\n  get:\n    responses: {200: {$ref: '#/ok'}}\nok: {description: y}\n"
    }
    bundled = _parse(content, files)
    assert bundled["paths"]["/orders"] == {
        "summary": "ours",
        "get": {"responses": {"200": {"$ref": "#/components/responses/ok"}}},
    }


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("../other/openapi.yaml#/X", "SPEC_EXTERNAL_REF"),
        ("schemas/../../x.yaml", "SPEC_EXTERNAL_REF"),
        ("%2e%2e/x.yaml", "SPEC_EXTERNAL_REF"),
        ("/etc/passwd", "SPEC_EXTERNAL_REF"),
        ("%2Fetc/passwd", "SPEC_EXTERNAL_REF"),
        ("file:///etc/passwd", "SPEC_EXTERNAL_REF"),
        ("http://example.com/x.yaml", "SPEC_EXTERNAL_REF"),
        ("//example.com/x.yaml", "SPEC_EXTERNAL_REF"),
        ("..\\x.yaml", "SPEC_EXTERNAL_REF"),
        ("nowhere.yaml", "SPEC_EXTERNAL_REF"),
        ("here.yaml#/nothing", "SPEC_REF_UNRESOLVED"),
        ("here.yaml#anchor", "SPEC_EXTERNAL_REF"),
        ("here.yaml#/text", "SPEC_REF_UNRESOLVED"),
    ],
)
def test_refuses_references_that_leave_the_folder_or_point_at_nothing(reference: str, code: str) -> None:
    content = {"openapi": "3.1.0", "components": {"schemas": {"S": {"$ref": reference}}}}
    with pytest.raises(SpecRefused) as caught:
        _parse(content, {"here.yaml": "text: x\n"})
    assert (caught.value.code, caught.value.pointer) == (code, "/components/schemas/S")


def test_path_items_in_a_circle_are_refused() -> None:
    circle = "a:\n  get:\n    callbacks: {c: {u: {$ref: '#/a'}}}\n"
    content = {"openapi": "3.1.0", "paths": {"/a": {"$ref": "p.yaml#/a"}}}
    with pytest.raises(SpecRefused) as caught:
        _parse(content, {"p.yaml": circle})
    assert caught.value.code == "SPEC_REF_UNRESOLVED"


def test_a_long_chain_of_files_does_not_exhaust_the_stack() -> None:
    chain = {f"s{i}": {"properties": {"next": {"$ref": f"#/s{i + 1}"}}} for i in range(3000)}
    files = {"chain.json": json.dumps({**chain, "s3000": {"type": "string"}})}
    content = {"openapi": "3.1.0", "components": {"schemas": {"S": {"$ref": "chain.json#/s0"}}}}
    assert len(_parse(content, files)["components"]["schemas"]) == 3002


def test_without_other_files_a_foreign_reference_is_refused_on_conversion() -> None:
    content = {**ROOT, "components": {"schemas": {"S": {"$ref": "https://example.com/s.json"}}}}
    with pytest.raises(SpecRefused) as caught:
        convert(parse(json.dumps(content).encode(), name="x"))
    assert caught.value.code == "SPEC_EXTERNAL_REF"
    assert "fetched" in caught.value.detail
