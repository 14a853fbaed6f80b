"""Finds the operation of a request: path templates as a tree of segments, the most literal one wins."""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

PARAMETER = re.compile(r"\{[^{}]*\}")


@dataclass
class Node:
    literals: dict[str, "Node"] = field(default_factory=dict)
    patterns: list[tuple[str, re.Pattern[str], "Node"]] = field(default_factory=list)
    template: str | None = None


class PathTree:
    """`templates` maps a path template to its methods in upper case."""

    def __init__(self, templates: dict[str, set[str]]) -> None:
        self.methods = templates
        self.root = Node()
        for template in templates:
            self._add(template)

    def _add(self, template: str) -> None:
        node = self.root
        for segment in template.lstrip("/").split("/"):
            if not PARAMETER.search(segment):
                node = node.literals.setdefault(segment, Node())
                continue
            known = next((below for text, _, below in node.patterns if text == segment), None)
            if known is None:
                known = Node()
                literals = [re.escape(part) for part in PARAMETER.split(segment)]
                node.patterns.append((segment, re.compile(".+".join(literals), re.DOTALL), known))
            node = known
        node.template = template

    def find(self, path: str) -> list[str]:
        """The templates that match the encoded `path` (without leading slash), the best first."""
        nodes = [self.root]
        for segment in map(unquote, path.split("/")):
            below: list[Node] = []
            for node in nodes:
                if segment in node.literals:
                    below.append(node.literals[segment])
                below += [inner for _, pattern, inner in node.patterns if pattern.fullmatch(segment)]
            if not below:
                return []
            nodes = below
        return [node.template for node in nodes if node.template is not None]

    def operation(self, method: str, path: str) -> tuple[str | None, bool]:
        """(template that has the method, whether any template matches the path)."""
        found = self.find(path)
        return next((template for template in found if method in self.methods[template]), None), bool(found)
