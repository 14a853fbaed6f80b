"""Authentication never gets weaker unless the exact place was accepted."""

from __future__ import annotations

from typing import Any

import pytest

from stoa.openapi import SpecRefused, convert

OK = {"200": {"description": "ok"}}
SCHEMES: dict[str, dict[str, Any]] = {
    "cert": {"type": "mutualTLS"},
    "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "login": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://t.example", "scopes": {"r": ""}}}},
}
SCHEME = "/components/securitySchemes/cert"


def _document(document: Any, root: Any = None, own: Any = None, schemes: Any = None) -> Any:
    operation = {"responses": OK, **({"security": own} if own is not None else {})}
    fields = {"security": root} if root is not None else {}
    return document(paths={"/a": {"get": operation}}, components={"securitySchemes": schemes or SCHEMES}, **fields)


def test_mutual_tls_stops_the_conversion_and_names_every_place(document: Any) -> None:
    with pytest.raises(SpecRefused) as caught:
        convert(_document(document, root=[{"cert": []}], own=[{"cert": [], "key": []}]))
    assert caught.value.code == "SPEC_SECURITY_WEAKENED"
    assert set(caught.value.pointers) == {SCHEME, "/security", "/paths/~1a/get/security/0"}


def test_accepting_only_some_places_is_not_enough(document: Any) -> None:
    with pytest.raises(SpecRefused) as caught:
        convert(_document(document, own=[{"cert": []}]), accept_weaker_security=frozenset({SCHEME}))
    assert caught.value.pointers == ("/paths/~1a/get/security",)
    assert "becomes public" not in caught.value.detail


def test_accepted_places_are_removed_and_reported(document: Any) -> None:
    accepted = frozenset({SCHEME, "/security", "/paths/~1a/get/security/0"})
    result = convert(
        _document(document, root=[{"cert": []}], own=[{"cert": [], "key": []}]), accept_weaker_security=accepted
    )
    content = result.document.content
    assert set(content["components"]["securitySchemes"]) == {"key", "login"}
    assert content["security"] == []
    assert content["paths"]["/a"]["get"]["security"] == [{"key": []}]
    weakened = {entry.pointer for entry in result.report.entries if entry.effect == "security-weakened"}
    assert weakened == accepted


def test_one_of_several_alternatives_may_go_without_making_anything_public(document: Any) -> None:
    result = convert(_document(document, own=[{"cert": []}, {"key": []}]), accept_weaker_security=frozenset({SCHEME}))
    assert result.document.content["paths"]["/a"]["get"]["security"] == [{"key": []}]
    assert [entry.effect for entry in result.report.entries if entry.pointer.startswith("/paths")] == ["tightened"]


def test_a_scheme_behind_a_reference_is_found(document: Any) -> None:
    schemes = {**SCHEMES, "alias": {"$ref": "#/components/securitySchemes/cert"}}
    with pytest.raises(SpecRefused) as caught:
        convert(_document(document, own=[{"alias": []}], schemes=schemes))
    assert "/components/securitySchemes/alias" in caught.value.pointers


def test_role_names_of_an_api_key_are_emptied_and_reported(document: Any) -> None:
    result = convert(
        _document(document, own=[{"key": ["admin"], "login": ["r"]}], schemes={k: SCHEMES[k] for k in ("key", "login")})
    )
    assert result.document.content["paths"]["/a"]["get"]["security"] == [{"key": [], "login": ["r"]}]
    (entry,) = result.report.entries
    assert (entry.pointer, entry.construct) == ("/paths/~1a/get/security/0/key", "security-roles")
    assert "admin" in entry.detail


def test_a_requirement_without_its_scheme_is_refused(document: Any) -> None:
    with pytest.raises(SpecRefused) as caught:
        convert(_document(document, own=[{"nobody": []}], schemes={"key": SCHEMES["key"]}))
    assert (caught.value.code, caught.value.pointer) == ("SPEC_INVALID", "/paths/~1a/get/security/0/nobody")


def test_fields_of_another_type_of_scheme_become_extensions(document: Any) -> None:
    schemes = {"key": {**SCHEMES["key"], "bearerFormat": "JWT"}}
    result = convert(_document(document, own=[{"key": []}], schemes=schemes))
    assert result.document.content["components"]["securitySchemes"]["key"]["x-dropped-bearerFormat"] == "JWT"


def test_renamed_schemes_are_renamed_in_requirements(document: Any) -> None:
    result = convert(_document(document, own=[{"my key": []}], schemes={"my key": SCHEMES["key"]}))
    assert result.document.content["paths"]["/a"]["get"]["security"] == [{"my_key": []}]
