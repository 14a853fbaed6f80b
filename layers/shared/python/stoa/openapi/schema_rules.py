"""One Schema Object: which rules apply, and in which order."""

from __future__ import annotations

from stoa.openapi.composition_rules import COMPOSITION_RULES, Context
from stoa.openapi.document import Node, escape
from stoa.openapi.keyword_rules import KEYWORD_RULES
from stoa.openapi.null_rules import add_all_of, null_branch, nullable_means_nothing, type_list
from stoa.openapi.references import Plan

_REFERENCES = frozenset({"$ref", "$dynamicRef", "discriminator"})
_TRIGGERS = KEYWORD_RULES.keys() | COMPOSITION_RULES.keys() | _REFERENCES | {"nullable", "anyOf"}
_BOUNDS = ("exclusiveMinimum", "exclusiveMaximum")
_PLAIN_TYPES = frozenset({"string", "integer", "number", "boolean", "object"})


def convert_schema(schema: Node, pointer: str, context: Context, plan: Plan) -> None:
    """Turn one schema, whose sub-schemas are converted already, from 3.1 into 3.0 in place."""
    written = schema.get("type")
    typed = "type" in schema and not (isinstance(written, str) and written in _PLAIN_TYPES)
    if not typed and schema.keys().isdisjoint(_TRIGGERS):
        return
    ledger = context.ledger
    had_all_of = "allOf" in schema
    if "nullable" in schema and not context.nullable:
        nullable_means_nothing(schema, pointer, ledger)
    if typed:
        type_list(schema, pointer, ledger)
    null_branch("anyOf", schema, ledger)
    null_branch("oneOf", schema, ledger)
    _apply_tables(schema, pointer, context)
    if not _REFERENCES.isdisjoint(schema):
        _references(schema, pointer, context, plan)
    if "allOf" in schema and not had_all_of:
        _required_apart(schema)


def _required_apart(schema: Node) -> None:
    """Names of properties that are described elsewhere; checkers of 3.0 refuse them beside a new `allOf`."""
    required = schema.get("required")
    if isinstance(required, list) and not set(required) <= schema.get("properties", {}).keys():
        add_all_of(schema, {"required": schema.pop("required")})


def _apply_tables(schema: Node, pointer: str, context: Context) -> None:
    for keyword, rule in KEYWORD_RULES.items():
        if keyword in schema and not (context.nullable and _is_bound_of_3_0(schema, keyword)):
            rule(schema, pointer, context.ledger)
    for keyword, rewrite in COMPOSITION_RULES.items():
        if keyword in schema:
            rewrite(schema, pointer, context)


def _is_bound_of_3_0(schema: Node, keyword: str) -> bool:
    return keyword in _BOUNDS and isinstance(schema[keyword], bool)


def _references(schema: Node, pointer: str, context: Context, plan: Plan) -> None:
    if "discriminator" in schema:
        _discriminator(schema, pointer, plan)
    if "$dynamicRef" in schema:
        value = schema.pop("$dynamicRef")
        target = plan.rewritten.get(f"{pointer}/$dynamicRef", value)
        add_all_of(schema, {"$ref": target})
        detail = "resolved to its static target; a schema that extends it is not seen"
        context.ledger.add(pointer, "$dynamicRef", "$ref", "widened", detail)
    if "$ref" in schema:
        schema["$ref"] = plan.rewritten.get(f"{pointer}/$ref", schema["$ref"])
        if len(schema) > 1:
            add_all_of(schema, {"$ref": schema.pop("$ref")})
            context.ledger.count("ref-siblings")


def _discriminator(schema: Node, pointer: str, plan: Plan) -> None:
    """Follow renamed schemas in the mapping, whether it names them or refers to them."""
    discriminator = schema["discriminator"]
    mapping = discriminator.get("mapping")
    if not isinstance(mapping, dict):
        return
    renamed = plan.renamed["schemas"]
    at = f"{pointer}/discriminator/mapping/"
    followed = {
        name: plan.rewritten.get(at + escape(name), renamed.get(value, value)) if isinstance(value, str) else value
        for name, value in mapping.items()
    }
    schema["discriminator"] = {**discriminator, "mapping": followed}
