"""Single schema keywords of 3.1: constants, examples, bounds, content, and those 3.0 cannot say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from stoa.openapi.document import Node
from stoa.openapi.null_rules import add_all_of
from stoa.openapi.report import Ledger

KeywordRule: TypeAlias = Callable[[Node, str, Ledger], None]


def constant(schema: Node, _: str, ledger: Ledger) -> None:
    """`const` is an `enum` of one."""
    value = schema.pop("const")
    ledger.count("const")
    only: Node = {"enum": [value]}
    if value is None and "type" not in schema:
        only["nullable"] = True
    if "enum" in schema:
        add_all_of(schema, only)
    else:
        schema.update(only)


def empty_enum(schema: Node, _: str, ledger: Ledger) -> None:
    """An empty `enum` accepts nothing; 3.0 forbids it."""
    if schema["enum"] == []:
        del schema["enum"]
        add_all_of(schema, {"not": {}})
        ledger.count("empty-enum")


def empty_required(schema: Node, _: str, ledger: Ledger) -> None:
    """An empty `required` asks for nothing; 3.0 forbids it."""
    if schema["required"] == []:
        del schema["required"]
        ledger.count("empty-required")


def examples(schema: Node, pointer: str, ledger: Ledger) -> None:
    """The first of several examples stays an example, the others move to an extension."""
    written = schema.pop("examples")
    values = written if isinstance(written, list) else None
    if values and "example" not in schema:
        schema["example"] = values[0]
        values = values[1:]
        ledger.count("examples")
    rest = values if values is not None else written
    if rest:
        schema["x-examples"] = rest
        detail = "3.0 has one example; the others are in `x-examples`"
        ledger.add(pointer, "examples", "x-examples", "annotation", detail)


def bound(keyword: str, exclusive: str, stricter: Callable[[float, float], bool]) -> KeywordRule:
    """The rule for one of the numeric exclusive bounds."""

    def apply(schema: Node, pointer: str, ledger: Ledger) -> None:
        limit = schema[exclusive]
        if isinstance(limit, bool):
            if keyword not in schema:
                del schema[exclusive]
            ledger.add(pointer, exclusive, "kept", "none", "a boolean bound is 3.0, not 3.1; read as 3.0 reads it")
            return
        ledger.count(exclusive)
        if keyword in schema and stricter(schema[keyword], limit):
            del schema[exclusive]
            return
        schema[keyword] = limit
        schema[exclusive] = True

    return apply


def content_encoding(schema: Node, pointer: str, ledger: Ledger) -> None:
    """Encoded and binary strings become a `format` where 3.0 has one."""
    encoding, media_type = schema.get("contentEncoding"), schema.get("contentMediaType")
    if "format" not in schema and encoding == "base64":
        schema["format"] = "byte"
        del schema["contentEncoding"]
        ledger.count("contentEncoding")
    elif "format" not in schema and (encoding == "binary" or media_type == "application/octet-stream"):
        schema["format"] = "binary"
        detail = "3.0 says this as `format: binary`"
        for keyword, value in (("contentEncoding", "binary"), ("contentMediaType", "application/octet-stream")):
            if schema.get(keyword) == value:
                del schema[keyword]
                ledger.add(pointer, keyword, "format", "annotation", detail)
    for keyword in ("contentEncoding", "contentMediaType", "contentSchema"):
        if keyword in schema:
            schema[f"x-{keyword}"] = schema.pop(keyword)
            ledger.add(pointer, keyword, f"x-{keyword}", "annotation", "3.0 cannot say it; kept as an extension")


def drop_silently(keyword: str) -> KeywordRule:
    """The rule for a keyword that says nothing about values."""

    def apply(schema: Node, _: str, ledger: Ledger) -> None:
        del schema[keyword]
        ledger.count(keyword)

    return apply


def drop_assertion(keyword: str, detail: str) -> KeywordRule:
    """The rule for a keyword that restricts values in a way 3.0 cannot."""

    def apply(schema: Node, pointer: str, ledger: Ledger) -> None:
        if schema.pop(keyword) == {}:
            ledger.count(keyword)
        else:
            ledger.add(pointer, keyword, "dropped", "widened", detail)

    return apply


def _rules() -> dict[str, KeywordRule]:
    silent = ("$schema", "$comment", "$vocabulary", "$id", "$anchor", "$dynamicAnchor", "$defs", "definitions")
    assertions: Mapping[str, Any] = {
        "contains": "an item that must be among the others is no longer asked for",
        "minContains": "it counted the items that match `contains`",
        "maxContains": "it counted the items that match `contains`",
        "propertyNames": "names of properties are no longer restricted",
        "unevaluatedProperties": "properties that no part of the schema mentions are accepted",
        "unevaluatedItems": "items that no part of the schema mentions are accepted",
    }
    return {
        **{keyword: drop_silently(keyword) for keyword in silent},
        "const": constant,
        "enum": empty_enum,
        "required": empty_required,
        "examples": examples,
        "exclusiveMinimum": bound("minimum", "exclusiveMinimum", lambda limit, exclusive: limit > exclusive),
        "exclusiveMaximum": bound("maximum", "exclusiveMaximum", lambda limit, exclusive: limit < exclusive),
        **{keyword: drop_assertion(keyword, detail) for keyword, detail in assertions.items()},
        "contentEncoding": content_encoding,
        "contentMediaType": content_encoding,
        "contentSchema": content_encoding,
    }


KEYWORD_RULES: Mapping[str, KeywordRule] = _rules()
"""Keyword to rule, in the order in which they apply."""
