"""Types and null: in 3.1 null is a type, in 3.0 a flag that works only beside `type`."""

from __future__ import annotations

from typing import Any

from stoa.openapi.document import Node
from stoa.openapi.report import Ledger

_ANNOTATIONS = frozenset({"title", "description", "default", "example", "deprecated", "readOnly", "writeOnly"})
_COMPOSED = frozenset({"$ref", "allOf", "anyOf", "oneOf", "not", "nullable", "discriminator"})


def null_schema() -> Node:
    """The 3.0 schema that accepts null and nothing else."""
    return {"nullable": True, "enum": [None]}


def place(schema: Node, keyword: str, value: Any) -> None:
    """Add an `anyOf` (or `not`) without disturbing one that is there already."""
    if keyword in schema or "discriminator" in schema:
        add_all_of(schema, {keyword: value})
    else:
        schema[keyword] = value


def add_all_of(schema: Node, member: Node) -> None:
    """Append to `allOf`; earlier members keep their index, so pointers to them stay true."""
    schema["allOf"] = [*schema.get("allOf", ()), member]


def nullable_means_nothing(schema: Node, pointer: str, ledger: Ledger) -> None:
    """3.1 has no `nullable`; kept as it is, it would start to accept null."""
    schema["x-nullable"] = schema.pop("nullable")
    detail = '`nullable` has no meaning in 3.1, null was not accepted; write a type list with "null" to accept it'
    ledger.add(pointer, "nullable", "x-nullable", "annotation", detail)


def type_list(schema: Node, pointer: str, ledger: Ledger) -> None:
    """Type lists and `null`, section 3 of the conversion rules."""
    written = schema["type"]
    if written == "array":
        _give_items(schema, ledger)
        return
    if isinstance(written, str) and written != "null":
        return
    names = list(dict.fromkeys([written] if isinstance(written, str) else written))
    real = [name for name in names if name != "null"]
    if not real:
        _only_null(schema, ledger)
    elif len(real) == 1:
        _one_type(schema, real[0], len(real) < len(names), ledger)
    else:
        _several_types(schema, real, len(real) < len(names), ledger)


def _give_items(schema: Node, ledger: Ledger) -> None:
    if "items" not in schema and "prefixItems" not in schema:
        schema["items"] = {}
        ledger.count("array-without-items")


def _only_null(schema: Node, ledger: Ledger) -> None:
    del schema["type"]
    if "enum" in schema:
        add_all_of(schema, null_schema())
    else:
        schema.update(null_schema())
    ledger.count("null-type")


def _one_type(schema: Node, name: str, nullable: bool, ledger: Ledger) -> None:
    schema["type"] = name
    if nullable:
        schema["nullable"] = True
    if name == "array":
        _give_items(schema, ledger)
    ledger.count("type-null" if nullable else "type-list")


def _several_types(schema: Node, names: list[str], nullable: bool, ledger: Ledger) -> None:
    del schema["type"]
    branches: list[Node] = [{"type": name, "items": {}} if name == "array" else {"type": name} for name in names]
    if nullable:
        branches[0] = {"type": names[0], "nullable": True, **branches[0]}
    place(schema, "anyOf", branches)
    ledger.count("type-list")


def null_branch(keyword: str, schema: Node, ledger: Ledger) -> None:
    """Merge `anyOf: [A, null]` into a nullable A where that means the same; else leave the strict form.

    The branches are converted already, so the null branch is an `enum` of null here.
    """
    branches = schema.get(keyword)
    if not isinstance(branches, list) or null_schema() not in branches:
        return
    ledger.count("null-branch")
    others = [branch for branch in branches if branch != null_schema()]
    if len(branches) != 2 or len(others) != 1 or not _mergeable(schema, keyword, others[0]):
        return
    branch = others[0]
    del schema[keyword]
    outer = dict(schema)
    schema.clear()
    schema.update({**branch, "nullable": True, **outer})
    if "enum" in schema and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]


def _mergeable(schema: Node, keyword: str, branch: Node) -> bool:
    """A plain typed branch below nothing but annotations; anything else would meet other keywords."""
    outer = schema.keys() - {keyword}
    plain = all(key in _ANNOTATIONS or key.startswith("x-") for key in outer)
    return plain and "type" in branch and _COMPOSED.isdisjoint(branch) and outer.isdisjoint(branch)
