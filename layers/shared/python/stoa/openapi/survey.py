"""What a 3.1 document contains that a rule must know before it starts: references, names, losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stoa.openapi.document import Node, escape
from stoa.openapi.grammar import Grammar
from stoa.openapi.inspection import Inspection, Ref
from stoa.openapi.refusal import INVALID, SpecRefused

LOSSY = frozenset(
    {
        "contains",
        "propertyNames",
        "unevaluatedProperties",
        "unevaluatedItems",
        "patternProperties",
        "prefixItems",
        "$dynamicRef",
    }
)
"""Schema keywords whose translation may accept more than the original."""


class Survey:
    """The result of the first walk; `visit` extends it to parts the first walk could not reach."""

    def __init__(self, content: Node, grammar: Grammar) -> None:
        self.resources: dict[str, str] = {}
        self.anchors: dict[str, list[str]] = {}
        self.definitions: list[str] = []
        self.lossy: list[str] = []
        watchers = {"schema": self._schema, "discriminator": self._discriminator}
        self._inspection = Inspection(grammar, strict=False, watchers=watchers).run(content)
        self._refuse_wrong_shapes()

    @property
    def mendable(self) -> bool:
        """Whether some part has another shape than it should have and is clear all the same."""
        return any(finding.mendable for finding in self._inspection.findings)

    @property
    def refs(self) -> list[Ref]:
        """All references in schema and object positions; grows with `visit`."""
        return self._inspection.refs

    def visit(self, node: Any, kind: str, pointer: str) -> None:
        """Walk one more object; no one mends what lies outside the document's grammar."""
        known = len(self._inspection.findings)
        self._inspection.visit(node, kind, pointer)
        for finding in self._inspection.findings[known:]:
            raise SpecRefused(INVALID, finding.detail, pointer=finding.pointer)

    def _refuse_wrong_shapes(self) -> None:
        for finding in self._inspection.findings:
            if finding.mendable:
                continue
            raise SpecRefused(INVALID, finding.detail, pointer=finding.pointer)

    def _schema(self, node: Node, pointer: str, inspection: Inspection) -> None:
        if not LOSSY.isdisjoint(node):
            self.lossy += [f"{pointer}/{key}" for key in LOSSY.intersection(node)]
        if "$id" in node:
            self.resources[pointer] = node["$id"]
        for key in ("$anchor", "$dynamicAnchor"):
            if isinstance(node.get(key), str):
                self.anchors.setdefault(node[key], []).append(pointer)
        if isinstance(node.get("$dynamicRef"), str):
            inspection.refs.append(Ref(f"{pointer}/$dynamicRef", node["$dynamicRef"], "schema"))
        for key in ("$defs", "definitions"):
            if isinstance(node.get(key), dict):
                self.definitions += [f"{pointer}/{key}/{escape(name)}" for name in node[key]]

    def _discriminator(self, node: Node, pointer: str, inspection: Inspection) -> None:
        mapping = node.get("mapping")
        for name, value in mapping.items() if isinstance(mapping, dict) else ():
            if isinstance(value, str) and value.startswith("#"):
                inspection.refs.append(Ref(f"{pointer}/mapping/{escape(name)}", value, "schema"))


class Losses:
    """Whether the schema at a pointer, or anything it refers to, is translated with loss.

    Where a wider part makes the whole narrower (`not`, `if`, a branch of `oneOf`) a rule must know
    this before it decides.
    """

    def __init__(self, lossy: list[str], targets: Mapping[str, str]) -> None:
        sites: dict[str, list[str]] = {}
        for site, target in targets.items():
            sites.setdefault(target, []).append(site)
        self._tainted: set[str] = set()
        waiting = list(lossy)
        while waiting:
            pointer = waiting.pop()
            while pointer and (pointer := pointer.rpartition("/")[0]) not in self._tainted:
                self._tainted.add(pointer)
                waiting += sites.get(pointer, ())

    def under(self, pointer: str) -> bool:
        """True when the translation of this schema may accept more than the original."""
        return pointer in self._tainted
