"""Which definitions an import takes, and which it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.emulators.webmethods.documents import ParserCrash, checked
from local.emulators.webmethods.model import to_document, to_model
from local.emulators.webmethods.multipart import parts_of
from local.emulators.webmethods.schemas import Invalid

REFUSED_SCHEMAS: dict[str, Any] = {
    "type list": {"type": ["string", "null"]},
    "type null": {"type": "null"},
    "const": {"const": 1},
    "examples": {"examples": [1]},
    "numeric bound": {"type": "integer", "exclusiveMinimum": 5},
    "boolean property": {"type": "object", "properties": {"a": True}},
    "boolean items": {"type": "array", "items": False},
    "definitions inside": {"$defs": {"A": {}}},
    "pattern properties": {"patternProperties": {"^x": {}}},
    "condition": {"if": {}, "then": {}},
    "encoding": {"type": "string", "contentEncoding": "base64"},
    "comment": {"$comment": "why"},
    "properties as a list": {"properties": []},
    "composition as an object": {"allOf": {}},
    "enum as an object": {"enum": {}},
    "missing target": {"$ref": "#/components/schemas/Gone"},
    "target elsewhere": {"$ref": "other.json"},
    "closed object": {"type": "object", "additionalProperties": False},
    "open object": {"type": "object", "additionalProperties": True},
}
GOOD = {"responses": {"200": {"description": "fine"}}}
REFUSED_DOCUMENTS: dict[str, Any] = {
    "3.1": {"openapi": "3.1.0"},
    "no version": {"openapi": None},
    "no paths": {"paths": None},
    "paths as a list": {"paths": []},
    "path without slash": {"paths": {"orders": {"get": GOOD}}},
    "operation as a list": {"paths": {"/a": {"get": []}}},
    "no responses": {"paths": {"/a": {"get": {}}}},
    "responses as a list": {"paths": {"/a": {"get": {"responses": []}}}},
    "parameters as an object": {"paths": {"/a": {"get": {**GOOD, "parameters": {}}}}},
    "webhooks": {"webhooks": {}},
    "dialect": {"jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema"},
    "shared path items": {"components": {"pathItems": {}}},
    "mutual TLS": {"components": {"securitySchemes": {"a": {"type": "mutualTLS"}}}},
    "summary": {"info": {"title": "a", "version": "1", "summary": "b"}},
    "licence identifier": {"info": {"title": "a", "version": "1", "license": {"name": "x", "identifier": "MIT"}}},
    "components as a list": {"components": []},
}


def in_schema(kit: Any, schema: Any) -> Any:
    return kit.document(components={"schemas": {"A": schema}})


@pytest.mark.parametrize("case", REFUSED_SCHEMAS)
def test_refuses_a_schema_that_openapi_3_0_does_not_have(kit: Any, case: str) -> None:
    response = kit.send(in_schema(kit, {"properties": {"deep": REFUSED_SCHEMAS[case]}}))

    assert response.status_code == 400
    assert "input openapi file is not valid" in response.json()["errorDetails"]


@pytest.mark.parametrize("case", REFUSED_DOCUMENTS)
def test_refuses_a_document_that_is_not_openapi_3_0(kit: Any, case: str) -> None:
    assert kit.send({**kit.document(), **REFUSED_DOCUMENTS[case]}).status_code == 400


def test_a_name_or_data_that_looks_like_a_keyword_is_not_one(kit: Any) -> None:
    schema = {
        "type": "object",
        "properties": {"const": {"type": "string"}, "type": {"type": "string"}, "not": {"type": "string"}},
        "example": {"type": ["string", "null"], "const": 1},
        "default": {"if": {}},
        "enum": [{"$defs": 1}],
        "x-note": {"const": 1},
        "unknown": True,
    }

    assert kit.send(in_schema(kit, schema)).status_code == 201


def test_a_python_dictionary_printed_out_is_refused(kit: Any) -> None:
    assert kit.send(str(kit.document()).encode()).status_code == 400


def test_yaml_is_taken_and_its_number_keys_become_texts(kit: Any) -> None:
    text = (
        "openapi: 3.0.3\ninfo: {title: a, version: '1'}\nservers: [{url: 'http://a.test'}]\n"
        "paths:\n  /a:\n    get:\n      responses:\n        200: {description: fine}\n"
    )

    made = kit.send(text.encode()).json()["apiResponse"]["api"]

    document = kit.admin.get(f"/apis/{made['id']}", params={"format": "openapi"}).json()
    assert document["paths"]["/a"]["get"]["responses"] == {"200": {"description": "fine"}}


def test_the_type_must_be_the_one_of_the_document(kit: Any) -> None:
    assert kit.send(kit.document(), type="swagger").status_code == 400
    assert kit.send(kit.document(), type="").status_code == 400


def test_swagger_is_taken_with_its_host_as_the_native_endpoint(kit: Any) -> None:
    swagger = {"swagger": "2.0", "info": {"title": "a", "version": "1"}, "host": "a.test", "basePath": "/v2"}
    swagger |= {"schemes": ["https"], "paths": {"/a": {"get": GOOD}}}

    made = kit.send(swagger, type="swagger").json()["apiResponse"]["api"]

    assert made["nativeEndpoint"][0]["uri"] == "https://a.test/v2"


def test_a_reference_in_the_responses_of_a_swagger_document_crashes_the_parser(kit: Any) -> None:
    responses = {"200": {"$ref": "#/responses/Fine"}}
    swagger = {
        "swagger": "2.0",
        "info": {"title": "a", "version": "1"},
        "paths": {"/a": {"get": {"responses": responses}}},
    }
    swagger["responses"] = {"Fine": {"description": "fine"}}

    assert kit.send(swagger, type="swagger").status_code == 500


def test_closed_objects_pass_by_variant(kit: Any) -> None:
    with kit.variant(boolean_additional_properties=201):
        assert kit.send(in_schema(kit, REFUSED_SCHEMAS["closed object"])).status_code == 201


def test_a_relative_server_is_kept_verbatim_and_routes_nowhere(kit: Any) -> None:
    record = kit.api(kit.document(servers=[{"url": "/api/v3"}]), active=True)

    assert record["nativeEndpoint"][0]["uri"] == "/api/v3"
    assert kit.call(record).status_code == 502


def test_name_and_version_default_to_the_title_and_version_of_the_document(kit: Any) -> None:
    name = kit.name()
    document = kit.document(info={"title": name, "version": "7.1"})
    files = {"file": ("a.json", json.dumps(document).encode())}

    made = kit.admin.post("/apis", data={"type": "openapi"}, files=files).json()["apiResponse"]["api"]

    assert (made["apiName"], made["apiVersion"]) == (name, "7.1")


def test_a_name_with_other_characters_is_refused(kit: Any) -> None:
    assert kit.send(kit.document(), name="two words").status_code == 400
    with kit.variant(name_characters="blanks"):
        made = kit.send(kit.document(), name=f"two {kit.name()}")
    assert made.status_code == 201


def test_the_import_by_url_is_refused(kit: Any) -> None:
    body = {"apiName": kit.name(), "apiVersion": "1", "type": "openapi", "url": "https://elsewhere.test/a.json"}

    assert kit.admin.post("/apis", json=body).status_code == 400


def inline(kit: Any, **change: Any) -> Any:
    model = {**kit.document(), "type": "rest", "baseUriParameters": [], **change}
    return {"apiName": kit.name(), "apiVersion": "1.0.0", "type": "openapi", "apiDefinition": model}


def test_the_inline_form_takes_the_internal_model(kit: Any) -> None:
    assert kit.admin.post("/apis", json=inline(kit, externalDocs=[{"url": "https://a.test"}])).status_code == 201


def test_the_inline_form_refuses_lower_case_security_enums(kit: Any) -> None:
    schemes = {"key": {"type": "apiKey", "in": "header", "name": "k"}}

    assert kit.admin.post("/apis", json=inline(kit, components={"securitySchemes": schemes})).status_code == 400


def test_the_inline_form_wants_a_list_at_the_root_external_docs(kit: Any) -> None:
    assert kit.admin.post("/apis", json=inline(kit, externalDocs={"url": "https://a.test"})).status_code == 400


def test_the_inline_form_dies_of_boolean_additional_properties(kit: Any) -> None:
    components = {"schemas": {"A": {"type": "object", "additionalProperties": False}}}

    response = kit.admin.post("/apis", json=inline(kit, components=components))

    assert response.status_code == 500
    assert "no boolean-argument constructor" in response.json()["errorDetails"]


def test_the_inline_form_dies_of_a_reference_in_responses(kit: Any) -> None:
    body = inline(kit)
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}
    body["apiDefinition"]["components"] = {"schemas": {"A": {"type": "string"}}}
    body["apiDefinition"]["paths"]["/orders"]["get"]["responses"]["200"]["content"] = content

    assert kit.admin.post("/apis", json=body).status_code == 500


def test_unknown_keys_of_a_body_are_ignored(kit: Any) -> None:
    assert kit.admin.post("/apis", json={**inline(kit), "nonsense": {"a": 1}}).status_code == 201


NAMES = st.text("abcdefgh", min_size=1, max_size=4)
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
KEYS = st.sampled_from("type properties items allOf $ref responses parameters schema 200 x".split())


def nested(inner: Any) -> Any:
    return inner | st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=4)


VALUES = nested(nested(nested(LEAVES)))


@given(schemas=st.dictionaries(NAMES, VALUES), docs=st.none() | st.just({"url": "https://a.test"}), key=NAMES)
def test_the_internal_model_loses_nothing(schemas: Any, docs: Any, key: str) -> None:
    scheme = {"type": "apiKey", "in": "header", "name": "openIdConnect"}
    document = {
        "openapi": "3.0.3",
        "paths": {f"/{key}": {"get": {"responses": {}}, "parameters": []}, "x-note": 1},
        "components": {"schemas": schemas, "securitySchemes": {key: scheme, "o": {"type": "openIdConnect"}}},
    }
    document |= {"externalDocs": docs} if docs else {}

    assert to_document(to_model(document)) == document


@given(schema=VALUES, operation=VALUES)
def test_a_strange_document_is_refused_and_never_breaks_the_check(schema: Any, operation: Any) -> None:
    document = {"openapi": "3.0.3", "info": {"title": "a", "version": "1"}, "paths": {"/a": {"get": operation}}}
    document["components"] = {"schemas": {"A": schema}, "responses": schema}
    try:
        checked(document, "openapi", closed_allowed=False)
    except (Invalid, ParserCrash):
        return
    assert isinstance(operation, dict)


@given(parts=st.dictionaries(NAMES, st.binary(max_size=60), min_size=1, max_size=4))
def test_multipart_bodies_are_read_byte_by_byte(parts: dict[str, bytes]) -> None:
    lines = b""
    for name, data in parts.items():
        lines += f'--frontier\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + data + b"\r\n"

    found = parts_of("multipart/form-data; boundary=frontier", lines + b"--frontier--\r\n")

    assert {name: part.data for name, part in found.items()} == parts


def test_a_large_public_document_is_taken_and_given_back(kit: Any) -> None:
    folder = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "openapi"
    if not folder.is_dir():
        pytest.skip("no public documents beside the repository")
    document = json.loads((folder / "CheckoutService-v71.json").read_text())
    document["openapi"] = "3.0.3"
    with kit.variant(boolean_additional_properties=201):
        made = kit.api(document)

    assert kit.admin.get(f"/apis/{made['id']}", params={"format": "openapi"}).json() == document
