"""The copying walk: builds a new document from an old one, rule by rule, and changes nothing of the old."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from stoa.openapi.document import Node, escape
from stoa.openapi.grammar import Field, Grammar, Kind

Rule: TypeAlias = Callable[[Node, str], None]


class Rebuilder:
    """Copies a document in the order of its keys; data and extensions are shared, not copied.

    `rules` run on each freshly built object of their kind, after its children, and change it in place.
    Subclasses say what happens to references, boolean schemas and unknown fields.
    """

    def __init__(self, grammar: Grammar, rules: Mapping[str, tuple[Rule, ...]] | None = None) -> None:
        self.grammar = grammar
        self.rules: Mapping[str, tuple[Rule, ...]] = rules or {}

    def build(self, node: Any, kind_name: str, pointer: str) -> Any:
        """The rebuilt object at `pointer` of the source."""
        if not isinstance(node, dict):
            return self.bare(node, kind_name, pointer)
        kind = self.grammar[kind_name]
        if "$ref" in node and (kind.referable or kind_name == "pathItem"):
            replaced = self.reference(node, kind, pointer)
            if replaced is not None:
                return replaced
        return self.fields(node, kind, pointer)

    def fields(self, node: Node, kind: Kind, pointer: str) -> Node:
        """The object with every known field rebuilt and the rules of its kind applied."""
        known = kind.fields
        result: Node = {}
        for key, value in node.items():
            field = known.get(key)
            if field is not None:
                result[key] = self.field(field, value, f"{pointer}/{key}")
            elif key.startswith("x-"):
                result[key] = value
            elif kind.every is not None:
                result[key] = self.field(kind.every, value, f"{pointer}/{escape(key)}")
            else:
                self.unknown(result, key, value, pointer)
        for rule in self.rules.get(kind.name, ()):
            rule(result, pointer)
        return result

    def field(self, field: Field, value: Any, pointer: str) -> Any:
        """One field by its shape; scalars and data as they are."""
        shape = field.shape
        if shape == "one" or (shape == "closable" and not isinstance(value, bool)):
            return self.build(value, field.kind, pointer)
        if shape == "map" and isinstance(value, dict):
            return {name: self.build(item, field.kind, f"{pointer}/{escape(name)}") for name, item in value.items()}
        if shape == "list" and isinstance(value, list):
            return [self.build(item, field.kind, f"{pointer}/{index}") for index, item in enumerate(value)]
        return value

    def bare(self, node: Any, kind_name: str, pointer: str) -> Any:
        """What stands for something that is not an object."""
        return node

    def reference(self, node: Node, kind: Kind, pointer: str) -> Node | None:
        """What stands for an object with `$ref`; None to treat it as an ordinary object."""
        return node

    def unknown(self, result: Node, key: str, value: Any, pointer: str) -> None:
        """Where a field goes that the grammar does not know."""
        result[key] = value
