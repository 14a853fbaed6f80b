"""Large public documents, and what FastAPI generates, through every stage."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_spec_validator import OpenAPIV30SpecValidator

from stoa.openapi import Document, convert, digest, gateway_profile, lint, parse, to_bytes

SMALL = 60_000
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
WORDS_OF_3_1 = {"const", "prefixItems", "$defs", "contentEncoding", "if", "patternProperties", "propertyNames"}


def _stages(data: bytes) -> tuple[Document, Document, Document]:
    before = parse(data, name="openapi")
    after = convert(before).document
    return before, after, gateway_profile(after, server_url=None).document


def _operations(document: Document) -> dict[tuple[str, str], Any]:
    content = document.content
    return {
        (path, method): operation.get("security", content.get("security", []))
        for path, item in content["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def _schema_words(node: Any, name_level: bool = False) -> set[str]:
    """Keywords in schema position; a rough walk of its own, not the one of the package."""
    if isinstance(node, list):
        return set().union(*map(_schema_words, node))
    if not isinstance(node, dict):
        return set()
    words: set[str] = set() if name_level else set(node)
    for key, value in node.items():
        if name_level or key not in ("example", "examples", "default", "enum", "value", "mapping"):
            names = key in ("properties", "schemas", "responses", "parameters", "headers", "paths") and not name_level
            words |= _schema_words(value, names)
    return words


def test_every_document_survives_all_stages(real_file: Path) -> None:
    data = real_file.read_bytes()
    before, after, imported = _stages(data)
    untouched = parse(data, name="openapi")
    assert before.content == untouched.content
    operations = _operations(before)
    for document in (after, imported):
        assert [finding for finding in lint(document) if finding.severity == "error"] == []
        assert _operations(document).keys() == operations.keys()
        for key, security in _operations(document).items():
            assert len(security) >= len(operations[key])
    assert not WORDS_OF_3_1 & _schema_words(after.content["components"]["schemas"], name_level=True)
    assert to_bytes(convert(parse(to_bytes(after), name="x")).document) == to_bytes(after)
    assert to_bytes(gateway_profile(imported, server_url=None).document) == to_bytes(imported)
    assert to_bytes(_stages(data)[2]) == to_bytes(imported)


def _validate(data: bytes) -> None:
    for document in _stages(data)[1:]:
        content = json.loads(to_bytes(document))
        assert [error.message for error in OpenAPIV30SpecValidator(content).iter_errors()] == []


def test_small_documents_are_valid_for_the_reference_validator(real_file: Path) -> None:
    if real_file.stat().st_size > SMALL:
        pytest.skip("large; checked by the slow test")
    _validate(real_file.read_bytes())


@pytest.mark.slow
def test_large_documents_are_valid_for_the_reference_validator(real_file: Path) -> None:
    _validate(real_file.read_bytes())


def test_a_fastapi_document_converts_and_is_valid(fastapi_document: bytes) -> None:
    before = parse(fastapi_document, name="openapi.json")
    result = convert(before)
    assert before.version.startswith("3.1")
    _validate(fastapi_document)
    line = result.document.content["components"]["schemas"]["OrderLine-Input"]["properties"]
    assert line["kind"]["nullable"] is True
    assert line["parent"]["anyOf"] == [
        {"$ref": "#/components/schemas/OrderLine-Input"},
        {"nullable": True, "enum": [None]},
    ]
    assert line["sku"]["example"] == "a-1"
    assert line["size"]["items"] == {"anyOf": [{"type": "integer"}, {"type": "string"}]}


def test_the_same_document_as_yaml_is_the_same_document(real_file: Path) -> None:
    data = real_file.read_bytes()
    as_yaml = yaml.dump(json.loads(data), Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False).encode()
    assert to_bytes(parse(as_yaml, name="x")) == to_bytes(parse(data, name="x"))


def test_the_input_is_not_changed(fastapi_document: bytes) -> None:
    before = parse(fastapi_document, name="openapi.json")
    kept = copy.deepcopy(before.content)
    gateway_profile(convert(before).document, server_url="https://a.example")
    assert before.content == kept


def test_the_digest_ignores_the_order_of_keys_and_the_bytes_keep_it() -> None:
    one, two = Document({"openapi": "3.0.3", "é": 1}), Document({"é": 1, "openapi": "3.0.3"})
    assert digest(one) == digest(two)
    assert to_bytes(one) == '{"openapi":"3.0.3","é":1}'.encode()
    assert to_bytes(one) != to_bytes(two)
