"""A small document, and edits of it by what they mean to callers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

Node = dict[str, Any]
Edit = Callable[[Node], object]


_SHOP: Node = {
    "openapi": "3.0.3",
    "info": {"title": "Shop", "version": "1"},
    "paths": {
        "/orders": {
            "get": {
                "operationId": "listOrders",
                "parameters": [
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
                    {"name": "sort", "in": "query", "required": True,
                     "schema": {"type": "string", "enum": ["up", "down"]}},
                ],
                "responses": {
                    "200": {"description": "-", "content": {"application/json": {"schema": {
                        "type": "array", "items": {"$ref": "#/components/schemas/Order"}}}}},
                    "404": {"description": "-"},
                },
            },
            "post": {
                "operationId": "makeOrder",
                "security": [{"key": []}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/New"}}}},
                "responses": {"201": {"description": "-", "headers": {"Location": {
                    "required": True, "schema": {"type": "string"}}}}},
            },
        },
        "/orders/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {
                "operationId": "getOrder",
                "responses": {"200": {"description": "-", "content": {"application/json": {
                    "schema": {"$ref": "#/components/schemas/Order"}}}}},
            },
            "delete": {"operationId": "dropOrder", "responses": {"204": {"description": "-"}}},
        },
    },
    "components": {
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
        "schemas": {
            "Order": {
                "type": "object",
                "required": ["id", "state"],
                "properties": {
                    "id": {"type": "string", "readOnly": True},
                    "state": {"type": "string", "enum": ["open", "done"]},
                    "note": {"type": "string", "maxLength": 50},
                    "parent": {"$ref": "#/components/schemas/Order"},
                    "total": {"allOf": [{"type": "integer"}, {"minimum": 0}]},
                    "payment": {"oneOf": [{"$ref": "#/components/schemas/Card"}]},
                },
            },
            "New": {
                "type": "object",
                "required": ["item"],
                "properties": {
                    "item": {"type": "string", "maxLength": 20},
                    "count": {"type": "integer"},
                    "kind": {"type": "string", "enum": ["a", "b"]},
                },
            },
            "Card": {"type": "object", "properties": {"number": {"type": "string"}}},
            "Cash": {"type": "object", "properties": {"till": {"type": "string"}}},
        },
    },
}  # fmt: skip


def shop() -> Node:
    return copy.deepcopy(_SHOP)


def edited(*edits: Edit) -> Node:
    made = shop()
    for edit in edits:
        edit(made)
    return made


def at(path: str, method: str) -> Callable[[Node], Node]:
    return lambda content: content["paths"][path][method]


def schema(name: str) -> Callable[[Node], Node]:
    return lambda content: content["components"]["schemas"][name]


def _property(name: str, field: str, **said: Any) -> Edit:
    return lambda content: schema(name)(content)["properties"].setdefault(field, {}).update(said)


def _parameter(index: int, **said: Any) -> Edit:
    def edit(content: Node) -> None:
        found = at("/orders", "get")(content)["parameters"][index]
        found["schema"].update(said.get("schema", {}))
        found.update({name: value for name, value in said.items() if name != "schema"})

    return edit


def _more(name: str, place: str, **said: Any) -> Edit:
    one = {"name": name, "in": place, "schema": {"type": "string"}, **said}
    return lambda content: at("/orders", "get")(content)["parameters"].append(one)


def _require(name: str, field: str) -> Edit:
    return lambda content: schema(name)(content)["required"].append(field)


def _forget(name: str, field: str) -> Edit:
    return lambda content: schema(name)(content)["properties"].pop(field, None)


def _relax(name: str, field: str) -> Edit:
    return lambda content: schema(name)(content).update(
        required=[one for one in schema(name)(content)["required"] if one != field]
    )


def _all(*edits: Edit) -> Edit:
    return lambda content: [edit(content) for edit in edits]


# by rule; oasdiff calls all of these breaking, and none of the others
BREAKING: dict[str, Edit] = {
    "path-removed": lambda c: c["paths"].pop("/orders"),
    "operation-removed": lambda c: c["paths"]["/orders/{id}"].pop("delete"),
    "request-parameter-added-required": _more("q", "query", required=True),
    "request-parameter-became-required": _parameter(0, required=True),
    "request-enum-narrowed": _parameter(1, schema={"enum": ["up"]}),
    "request-type-changed": _parameter(0, schema={"type": "boolean"}),
    "request-limit-narrowed": _parameter(0, schema={"maximum": 50}),
    "request-property-added-required": _all(_property("New", "who", type="string"), _require("New", "who")),
    "request-property-became-required": _require("New", "count"),
    "request-body-became-required": lambda c: at("/orders", "post")(c)["requestBody"].update(required=True),
    "request-media-type-removed": lambda c: at("/orders", "post")(c)["requestBody"].update(
        content={"application/xml": {"schema": {"$ref": "#/components/schemas/New"}}}
    ),
    "response-success-status-removed": lambda c: at("/orders/{id}", "delete")(c).update(
        responses={"404": {"description": "-"}}
    ),
    "response-media-type-removed": lambda c: at("/orders/{id}", "get")(c)["responses"]["200"].update(
        content={"application/xml": {"schema": {"$ref": "#/components/schemas/Order"}}}
    ),
    "request-pattern-narrowed": _property("New", "item", pattern="^a"),
    "request-format-narrowed": _property("New", "item", format="uuid"),
    "request-multiple-narrowed": _property("New", "count", multipleOf=2),
    "request-unique-narrowed": _property("New", "item", uniqueItems=True),
    "request-body-removed": lambda c: at("/orders", "post")(c).pop("requestBody"),
    "security-tightened": lambda c: at("/orders", "get")(c).update(security=[{"key": []}]),
    "response-enum-widened": _property("Order", "state", enum=["open", "done", "lost"]),
    "response-required-header-removed": lambda c: at("/orders", "post")(c)["responses"]["201"].pop("headers"),
    "response-required-property-removed": _all(_forget("Order", "state"), _relax("Order", "state")),
    "response-property-became-optional": _relax("Order", "state"),
    "response-type-changed": _property("Order", "note", type="integer"),
    "response-type-widened": _property("Order", "note", nullable=True),
    "response-limit-widened": _property("Order", "note", maxLength=80),
    "response-alternative-widened": lambda c: schema("Order")(c)["properties"]["payment"]["oneOf"].append(
        {"$ref": "#/components/schemas/Cash"}
    ),
}
WARNINGS: dict[str, Edit] = {
    "request-parameter-removed": lambda c: at("/orders", "get")(c)["parameters"].pop(0),
    "request-property-removed": _forget("New", "count"),
    "response-optional-property-removed": _forget("Order", "note"),
}
SAFE: dict[str, Edit] = {
    "operation-added": lambda c: c["paths"]["/orders"].update(patch={"responses": {"200": {"description": "-"}}}),
    "operation-deprecated": lambda c: at("/orders", "get")(c).update(deprecated=True),
    "request-parameter-added-optional": _more("q", "query"),
    "request-parameter-became-optional": _parameter(1, required=False),
    "request-enum-widened": _parameter(1, schema={"enum": ["up", "down", "none"]}),
    "request-limit-widened": _parameter(0, schema={"maximum": 200}),
    "request-type-widened": _parameter(0, schema={"type": "number"}),
    "request-property-added-optional": _property("New", "who", type="string"),
    "request-property-became-optional": _relax("New", "item"),
    "request-media-type-added": lambda c: at("/orders", "post")(c)["requestBody"]["content"].update(
        {"text/plain": {"schema": {"type": "string"}}}
    ),
    "response-status-added": lambda c: at("/orders", "get")(c)["responses"].update({"500": {"description": "-"}}),
    "response-status-removed": lambda c: at("/orders", "get")(c)["responses"].pop("404", None),
    "response-property-added": _property("Order", "colour", type="string"),
    "response-property-became-required": _require("Order", "note"),
    "response-enum-narrowed": _property("Order", "state", enum=["open"]),
    "response-limit-narrowed": _property("Order", "note", maxLength=10),
    "security-relaxed": lambda c: at("/orders", "post")(c).update(security=[]),
}
# what oasdiff says nothing of, or judges otherwise
OURS: dict[str, tuple[str, Edit]] = {
    "request-limit-narrowed": ("breaking", _property("New", "kind", maxLength=9)),
    "request-additional-narrowed": ("breaking", lambda c: schema("New")(c).update(additionalProperties=False)),
    "request-parameter-serialization-changed": ("breaking", _parameter(0, style="pipeDelimited")),
    "request-alternative-narrowed": (
        "breaking",
        lambda c: schema("New")(c).update(oneOf=[{"$ref": "#/components/schemas/Card"}]),
    ),
    "operation-id-changed": ("warning", lambda c: at("/orders", "get")(c).update(operationId="orders")),
}
