"""Schema keywords of 3.1 that 3.0 can only say with others: tuples, patterns, conditions, dependencies.

Sub-schemas are converted already when a rule sees them. A sub-schema that became wider may make the
whole narrower (below `not`, `if` and `oneOf`), so these rules ask `Losses` about the original first.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from stoa.openapi.document import Node
from stoa.openapi.null_rules import add_all_of, place
from stoa.openapi.report import Ledger
from stoa.openapi.survey import Losses


class Context(NamedTuple):
    """What a rule may ask and where it reports; `nullable` is true where that keyword has its 3.0 meaning."""

    ledger: Ledger
    losses: Losses
    nullable: bool = False


def is_never(schema: Any) -> bool:
    """True for what the boolean schema `false` becomes."""
    return schema is False or schema == {"not": {}}


def prefix_items(schema: Node, pointer: str, context: Context) -> None:
    """Positions are lost: every item may be any of the listed ones."""
    prefix = schema.pop("prefixItems")
    rest = schema.pop("items", None)
    if not prefix:
        schema["items"] = {} if rest is None else rest
        return
    if is_never(rest):
        schema["maxItems"] = min(len(prefix), schema.get("maxItems", len(prefix)))
    closed = schema.get("maxItems", len(prefix) + 1) <= len(prefix)
    choices = prefix if closed else [*prefix, rest]
    if not closed and rest is None:
        schema["items"] = {}
        detail = "the first items are no longer restricted"
    else:
        schema["items"] = choices[0] if len(choices) == 1 else {"anyOf": choices}
        detail = "position of items lost"
    if closed and len(prefix) == 1:
        context.ledger.count("prefixItems")
    else:
        context.ledger.add(pointer, "prefixItems", "items", "widened", detail)


def pattern_properties(schema: Node, pointer: str, context: Context) -> None:
    """Patterns are lost: every additional property may be what any pattern allows."""
    patterns = list(schema.pop("patternProperties").values())
    others = schema.get("additionalProperties", True)
    if not patterns:
        return
    if others is True or others == {}:
        detail = "properties that match a pattern are no longer restricted"
        context.ledger.add(pointer, "patternProperties", "dropped", "widened", detail)
        return
    choices = patterns if is_never(others) else [*patterns, others]
    schema["additionalProperties"] = choices[0] if len(choices) == 1 else {"anyOf": choices}
    context.ledger.add(pointer, "patternProperties", "additionalProperties", "widened", "patterns of names lost")


def condition(schema: Node, pointer: str, context: Context) -> None:
    """`if`, `then`, `else` as a choice of two."""
    test, then, other = schema.pop("if", None), schema.pop("then", None), schema.pop("else", None)
    if test is None or (then is None and other is None):
        context.ledger.count("if-without-effect")
        return
    then, other = {} if then is None else then, {} if other is None else other
    if context.losses.under(f"{pointer}/if"):
        place(schema, "anyOf", [then, other])
        detail = "the condition cannot be said in 3.0; either branch is accepted"
        context.ledger.add(pointer, "if", "anyOf", "widened", detail)
        return
    place(schema, "anyOf", [{"allOf": [test, then]}, {"allOf": [{"not": test}, other]}])
    context.ledger.count("if")


def dependent_required(schema: Node, _: str, context: Context) -> None:
    """Either the first property is absent or the others are there."""
    for name, needed in schema.pop("dependentRequired").items():
        context.ledger.count("dependentRequired")
        if needed:
            add_all_of(schema, {"anyOf": [{"not": {"required": [name]}}, {"required": needed}]})


def dependent_schemas(schema: Node, _: str, context: Context) -> None:
    """Either the property is absent or the schema holds; a value that is no object is not asked."""
    only_objects = schema.get("type") == "object" and schema.get("nullable") is not True
    for name, needed in schema.pop("dependentSchemas").items():
        context.ledger.count("dependentSchemas")
        present: Node = {"required": [name]} if only_objects else {"type": "object", "required": [name]}
        add_all_of(schema, {"anyOf": [{"not": present}, needed]})


def negation(schema: Node, pointer: str, context: Context) -> None:
    """A negated schema that became wider would refuse what was accepted: drop it instead."""
    if context.losses.under(f"{pointer}/not"):
        del schema["not"]
        detail = "the negated schema cannot be said exactly in 3.0"
        context.ledger.add(pointer, "not", "dropped", "widened", detail)


def exclusive_choice(schema: Node, pointer: str, context: Context) -> None:
    """Branches that became wider may overlap: then one match or more is enough."""
    if any(context.losses.under(f"{pointer}/oneOf/{index}") for index in range(len(schema["oneOf"]))):
        branches = schema.pop("oneOf")
        if "anyOf" in schema:
            add_all_of(schema, {"anyOf": branches})
        else:
            schema["anyOf"] = branches  # beside its discriminator, if it has one
        detail = "a branch became wider, so that several may match"
        context.ledger.add(pointer, "oneOf", "anyOf", "widened", detail)


COMPOSITION_RULES = {
    "prefixItems": prefix_items,
    "patternProperties": pattern_properties,
    "if": condition,
    "then": condition,
    "else": condition,
    "dependentRequired": dependent_required,
    "dependentSchemas": dependent_schemas,
    "not": negation,
    "oneOf": exclusive_choice,
}
"""Keyword to rule, in the order in which they apply."""
