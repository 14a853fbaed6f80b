"""Two documents compared for those who call the API: the table of rules, and oasdiff's judgement of the same edits."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stoa.openapi import Comparison, Document, compare, convert, parse
from stoa.openapi.change_rules import RULES
from tests.openapi.shop import BREAKING, OURS, SAFE, WARNINGS, Edit, edited, shop

ROOT = Path(__file__).resolve().parents[2]
LARGE = 400_000
OASDIFF = ROOT / "build/bin/oasdiff"
TABLE = [("breaking", *one) for one in BREAKING.items()]
TABLE += [("warning", *one) for one in WARNINGS.items()] + [("safe", *one) for one in SAFE.items()]
NAMES = [f"{severity} {rule}" for severity, rule, _edit in TABLE]


def compared(old: dict[str, Any], new: dict[str, Any]) -> Comparison:
    return compare(Document(copy.deepcopy(old)), Document(copy.deepcopy(new)))


def rules(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    return {change.rule for change in compared(old, new).changes}


@pytest.mark.parametrize(("severity", "rule", "edit"), TABLE, ids=NAMES)
def test_an_edit_is_what_the_table_calls_it(severity: str, rule: str, edit: Edit) -> None:
    found = compared(shop(), edited(edit))
    assert rule in {change.rule for change in found.changes}
    assert found.changes[0].severity == severity == RULES[rule]
    assert found.complete


@pytest.mark.parametrize("rule", sorted(OURS))
def test_what_only_we_judge(rule: str) -> None:
    severity, edit = OURS[rule]
    (change,) = compared(shop(), edited(edit)).changes
    assert (change.rule, change.severity) == (rule, severity)


@pytest.mark.skipif(not OASDIFF.exists(), reason="no build/bin/oasdiff: `make check` builds it, which needs Go")
def test_oasdiff_calls_the_same_edits_breaking(tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text(json.dumps(shop()))
    wrong = []
    for severity, rule, edit in TABLE:
        new = tmp_path / "new.json"
        new.write_text(json.dumps(edited(edit)))
        done = subprocess.run([OASDIFF, "breaking", old, new, "--fail-on", "ERR"], capture_output=True, text=True)
        assert done.returncode in (0, 1), done.stderr
        if (done.returncode == 1) != (severity == "breaking"):
            wrong.append((rule, severity, done.stdout))
    assert wrong == []


def test_the_place_says_which_operation_and_where_in_it() -> None:
    found = compared(shop(), edited(BREAKING["response-property-became-optional"])).changes
    assert [(one.method, one.path, one.place) for one in found] == [
        ("GET", "/orders", "response 200, application/json, /items/state"),
        ("GET", "/orders/{id}", "response 200, application/json, /state"),
    ], "once where it is nearest, though an order refers to its parent"


def test_who_calls_does_not_see_names_of_path_parameters_and_of_schemes() -> None:
    new = json.loads(json.dumps(shop()).replace("{id}", "{orderId}").replace('"id", "in"', '"orderId", "in"'))
    new["components"]["securitySchemes"] = {"other": new["components"]["securitySchemes"].pop("key")}
    new["paths"]["/orders"]["post"]["security"] = [{"other": []}]
    assert rules(shop(), new) == set()


def test_one_that_is_gone_after_a_deprecation_is_a_warning() -> None:
    old = edited(lambda c: c["paths"]["/orders/{id}"]["delete"].update(deprecated=True))
    assert rules(old, edited(BREAKING["operation-removed"])) == {"operation-removed-after-deprecation"}


def test_what_is_sent_one_way_only_counts_there_only() -> None:
    both = edited(lambda c: c["paths"]["/orders"]["post"]["requestBody"]["content"].update(
        {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}))  # fmt: skip
    new = copy.deepcopy(both)
    new["components"]["schemas"]["Order"]["properties"]["id"]["enum"] = ["1"]
    assert rules(both, new) == {"response-enum-narrowed"}


def test_a_required_property_with_a_default_may_stay_away() -> None:
    new = edited(lambda c: c["components"]["schemas"]["New"]["properties"]["count"].update(default=1),
                 BREAKING["request-property-became-required"])  # fmt: skip
    assert rules(shop(), new) == set()


def test_swagger_two_is_compared_with_itself_and_with_three() -> None:
    def old_style(*needed: str) -> dict[str, Any]:
        fields = [{"name": "q", "in": "query", "type": "string", "enum": ["a", "b"]},
                  {"name": "b", "in": "body", "schema": {"$ref": "#/definitions/New"}}]  # fmt: skip
        responses = {"200": {"description": "-", "schema": {"type": "string"}}}
        return {"swagger": "2.0", "info": {"title": "T", "version": "1"},
                "definitions": {"New": {"properties": {"a": {"type": "string"}}, "required": list(needed)}},
                "paths": {"/a": {"post": {"parameters": fields, "responses": responses}}}}  # fmt: skip

    assert rules(old_style(), old_style()) == set()
    assert rules(old_style(), old_style("a")) == {"request-property-became-required"}
    new = {"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": {"/a": {"post": {
        "parameters": [{"name": "q", "in": "query", "schema": {"type": "string", "enum": ["a"]}}],
        "requestBody": {"content": {"application/json": {"schema": {"properties": {"a": {"type": "string"}}}}}},
        "responses": {"200": {"description": "-", "content": {"application/json": {"schema": {"type": "string"}}}}},
    }}}}  # fmt: skip
    assert rules(old_style(), new) == {"request-enum-narrowed"}


def test_what_is_too_much_is_said_to_be_incomplete() -> None:
    many = edited(lambda c: c["components"]["schemas"]["New"].update(
        properties={f"p{n}": {"type": "string"} for n in range(1500)}, required=[]))  # fmt: skip
    found = compared(many, shop())
    assert (len(found.changes), found.complete) == (1000, False)


def test_a_schema_that_refers_to_itself_from_two_sides_ends() -> None:
    """Its property is what two parts say together, which is the same one level down."""
    ref = {"$ref": "#/components/schemas/New"}
    other = {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/Card"}}}
    new = edited(lambda c: c["components"]["schemas"].update(
        New={"properties": {"a": ref}, "allOf": [{"properties": {"a": ref}}, other]},
        Card={"properties": {"a": ref}, "allOf": [ref]}))  # fmt: skip
    assert compared(new, new) == Comparison((), True)


def test_junk_in_a_document_breaks_nothing() -> None:
    junk = {"openapi": "3.0.3", "paths": {"/a": {"get": {
        "parameters": [None, {"$ref": "#/nowhere"}, {"in": "query", "name": 1, "schema": {"enum": 3, "type": 4}}],
        "responses": {"200": {"content": {"a/b": {"schema": {"$ref": "#/paths/~1a/get/responses/200/content"}}}}},
        "security": {"a": 1}, "requestBody": {"$ref": "http://elsewhere"}}, "put": 3}, "/b": None}}  # fmt: skip
    assert rules(junk, junk) == set()
    compared(junk, shop())
    compared(shop(), junk)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(list(SAFE.values())), max_size=6))
def test_nothing_that_is_safe_breaks_with_others_and_a_document_is_like_itself(edits: list[Edit]) -> None:
    new = edited(*edits)
    found = compared(shop(), new).changes
    assert {change.severity for change in found} <= {"safe"}
    assert compared(new, new) == Comparison((), True)


_SCHEMAS = st.recursive(
    st.fixed_dictionaries({}, optional={
        "type": st.sampled_from(["string", "integer", "number", "boolean"]), "nullable": st.booleans(),
        "enum": st.lists(st.integers(0, 3), min_size=1, max_size=3), "maximum": st.integers(0, 9),
        "minLength": st.integers(0, 9), "pattern": st.sampled_from(["a", "b"])}),
    lambda inner: st.fixed_dictionaries({"type": st.just("object")}, optional={
        "properties": st.dictionaries(st.sampled_from("abc"), inner), "required": st.lists(st.sampled_from("abc")),
        "additionalProperties": st.booleans() | inner, "allOf": st.lists(inner, max_size=2),
        "oneOf": st.lists(inner, min_size=1, max_size=2), "items": inner})
    | st.just({"$ref": "#/components/schemas/S"}),
    max_leaves=8,
)  # fmt: skip


def _with(schema: dict[str, Any]) -> dict[str, Any]:
    return edited(lambda c: c["components"]["schemas"].update(S=schema, New=schema, Order=schema))


@settings(max_examples=80, deadline=None)
@given(_SCHEMAS, st.sampled_from("xyz"), _SCHEMAS)
def test_any_schema_is_like_itself_and_an_optional_property_more_never_breaks(
    schema: dict[str, Any], name: str, added: dict[str, Any]
) -> None:
    old = _with(schema)
    assert compared(old, old) == Comparison((), True)
    outer = {"type": "object", "properties": {"s": schema}}
    more = {"type": "object", "properties": {"s": schema, name: added}}
    assert {one.severity for one in compared(_with(outer), _with(more)).changes} <= {"safe"}


@settings(max_examples=80, deadline=None)
@given(_SCHEMAS, _SCHEMAS)
def test_what_allows_less_one_way_allows_more_the_other_way(one: dict[str, Any], other: dict[str, Any]) -> None:
    forth, back = rules(_with(one), _with(other)), rules(_with(other), _with(one))
    assert forth | back <= set(RULES)
    mirrored = {rule.replace("narrowed", "WIDENED").replace("widened", "narrowed").lower() for rule in back}
    ways = ("narrowed", "widened")
    assert {rule for rule in forth if rule.endswith(ways)} == {rule for rule in mirrored if rule.endswith(ways)}


def test_a_real_document_is_like_itself_and_without_a_path_it_is_not(real_file: Path) -> None:
    if real_file.stat().st_size > LARGE:
        pytest.skip("it takes seconds, and says no more than the smaller ones")
    old = convert(parse(real_file.read_bytes(), name=real_file.name)).document.content
    assert compared(old, old) == Comparison((), True)
    new = copy.deepcopy(old)
    gone = next(iter(new["paths"]))
    del new["paths"][gone]
    assert {one.path for one in compared(old, new).changes} == {gone}
