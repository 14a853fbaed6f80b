"""A rebuilder that puts path items where they are referred to, within limits."""

from __future__ import annotations

from collections.abc import Mapping

from stoa.openapi.bundle import MAX_INLINED
from stoa.openapi.document import Node, lookup
from stoa.openapi.grammar import Grammar, Kind
from stoa.openapi.inspection import MAX_NESTING
from stoa.openapi.rebuild import Rebuilder, Rule
from stoa.openapi.refusal import REF_UNRESOLVED, TOO_DEEP, TOO_LARGE, SpecRefused

_MAX_OBJECTS = 250_000


class Inliner(Rebuilder):
    """Path items can refer to each other through callbacks, so that a small document unfolds to a huge one."""

    def __init__(self, content: Node, grammar: Grammar, rules: Mapping[str, tuple[Rule, ...]]) -> None:
        super().__init__(grammar, rules)
        self.content = content
        self._inlining: set[str] = set()
        self._objects = 0
        self._nesting = 0

    def fields(self, node: Node, kind: Kind, pointer: str) -> Node:
        self._objects += 1
        if self._objects > _MAX_OBJECTS:
            raise SpecRefused(TOO_LARGE, "path items refer to each other too often", pointer=pointer)
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise SpecRefused(TOO_DEEP, f"objects nested more than {MAX_NESTING} deep", pointer=pointer)
        result = super().fields(node, kind, pointer)
        self._nesting -= 1
        return result

    def inline(self, node: Node, kind: Kind, pointer: str, target: str) -> Node:
        """The path item at `target`; fields beside the reference win over it."""
        if target in self._inlining or len(self._inlining) >= MAX_INLINED:
            raise SpecRefused(REF_UNRESOLVED, "path items refer to each other in a circle or chain", pointer=pointer)
        self._inlining.add(target)
        found: Node = self.build(lookup(self.content, target), "pathItem", target)
        self._inlining.discard(target)
        return {**found, **self.fields({key: node[key] for key in node if key != "$ref"}, kind, pointer)}
