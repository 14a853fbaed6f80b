"""A schema of a Swagger 2.0 or OpenAPI 3.0 document as one thing: references followed, `allOf` put together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from stoa.openapi.document import Node, local_target, lookup

MAX_HOPS = 50
MAX_PARTS = 200
# what a bound does when it grows: it allows more, or less
UPPER = ("maximum", "maxLength", "maxItems", "maxProperties")
LOWER = ("minimum", "minLength", "minItems", "minProperties")
_ALTERNATIVES = ("oneOf", "anyOf")


@dataclass(frozen=True)
class View:
    """`types` and `enum` are None where everything is allowed; null is a type. `enum` holds values as JSON.

    `alternatives` are the branches of oneOf and anyOf, None where there are none; `additional` is False, or what may
    stand beside the properties.
    """

    types: frozenset[str] | None = None
    enum: frozenset[str] | None = None
    format: str | None = None
    pattern: str | None = None
    bounds: Mapping[str, float] = field(default_factory=dict)
    multiple_of: float | None = None
    unique: bool = False
    properties: Mapping[str, Node] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    additional: Node | bool = True
    items: Node | None = None
    alternatives: tuple[Node, ...] | None = None
    excluded: str | None = None
    discriminator: str | None = None
    read_only: bool = False
    write_only: bool = False
    default: str | None = None


class Schemas:
    """The schemas of one document. What points nowhere allows everything."""

    def __init__(self, content: Node) -> None:
        self._content = content
        self._views: dict[int, tuple[Node, View]] = {}
        self._together: dict[frozenset[int], Node] = {}

    def resolved(self, node: Any) -> Node:
        """The object that stands here, or that the reference here leads to."""
        for _ in range(MAX_HOPS):
            if not isinstance(node, dict):
                return {}
            reference = node.get("$ref")
            if not isinstance(reference, str):
                return node
            try:
                node = lookup(self._content, local_target(reference)) if reference.startswith("#") else {}
            except KeyError:
                return {}
        return {}

    def view(self, node: Any) -> View:
        found = self.resolved(node)
        known = self._views.get(id(found))
        if known is None:
            parts = list(self._parts(found))
            made = replace(reduce(_both, map(_own, parts)), properties=self._properties(parts))
            known = self._views[id(found)] = (found, made)  # the node is kept: its id stays its own
        return known[1]

    def _properties(self, parts: list[Node]) -> dict[str, Node]:
        found: dict[str, list[Node]] = {}
        for part in parts:
            for name, node in _object(part.get("properties")).items():
                if isinstance(node, dict):
                    found.setdefault(name, []).append(node)
        return {name: nodes[0] if len(nodes) == 1 else self._all(nodes) for name, nodes in found.items()}

    def _all(self, nodes: list[Node]) -> Node:
        """The schema of what all of these allow: one of them where it holds the others, and always the same one for
        the same, or a schema that refers to itself would never end."""
        held = [{id(part): part for part in self._parts(self.resolved(node))} for node in nodes]
        every = {key: part for parts in held for key, part in parts.items()}
        for node, parts in zip(nodes, held, strict=True):
            if len(parts) == len(every):
                return node
        return self._together.setdefault(frozenset(every), {"allOf": list(every.values())})

    def _parts(self, node: Node) -> Iterator[Node]:
        """The schema without its allOf, and what that holds, each once."""
        waiting, seen = [node], set[int]()
        while waiting and len(seen) < MAX_PARTS:
            part = self.resolved(waiting.pop(0))
            if id(part) in seen:
                continue
            seen.add(id(part))
            yield part
            below = part.get("allOf")
            waiting += below if isinstance(below, list) else []


def as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _own(node: Node) -> View:
    additional = node.get("additionalProperties", True)
    discriminator, enum, branches = node.get("discriminator"), node.get("enum"), list(_branches(node))
    name = discriminator.get("propertyName") if isinstance(discriminator, dict) else discriminator
    return View(
        types=_types(node),
        enum=frozenset(map(as_json, enum)) if isinstance(enum, list) else None,
        format=_text(node.get("format")),
        pattern=_text(node.get("pattern")),
        bounds=dict(_bounds(node)),
        multiple_of=node.get("multipleOf"),
        unique=node.get("uniqueItems") is True,
        required=frozenset(name for name in _list(node.get("required")) if isinstance(name, str)),
        additional=additional if isinstance(additional, dict | bool) else True,
        items=node["items"] if isinstance(node.get("items"), dict) else None,
        alternatives=tuple(branches) if branches else None,
        excluded=as_json(node["not"]) if "not" in node else None,
        discriminator=_text(name),
        read_only=node.get("readOnly") is True,
        write_only=node.get("writeOnly") is True,
        default=as_json(node["default"]) if "default" in node else None,
    )


def _branches(node: Node) -> Iterator[Node]:
    for key in _ALTERNATIVES:
        yield from (branch for branch in _list(node.get(key)) if isinstance(branch, dict))


def _types(node: Node) -> frozenset[str] | None:
    said = node.get("type")
    names = {said} if isinstance(said, str) else {name for name in _list(said) if isinstance(name, str)}
    if not names:
        return None
    return frozenset(names | ({"null"} if node.get("nullable") is True else set()))


def _bounds(node: Node) -> Iterable[tuple[str, float]]:
    """An exclusive bound counts as one that is a little tighter."""
    for key in (*UPPER, *LOWER):
        value = node.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            exclusive = node.get(f"exclusive{key.capitalize()}") is True
            yield key, value + (-1e-9 if key in UPPER else 1e-9) * exclusive


def _both(a: View, b: View) -> View:
    """What allows only what both allow."""
    bounds = dict(a.bounds)
    for key, value in b.bounds.items():
        tighter = min if key in UPPER else max
        bounds[key] = tighter(bounds[key], value) if key in bounds else value
    return View(
        types=_common(a.types, b.types),
        enum=_common(a.enum, b.enum),
        format=a.format or b.format,
        pattern=a.pattern or b.pattern,
        bounds=bounds,
        multiple_of=a.multiple_of or b.multiple_of,
        unique=a.unique or b.unique,
        required=a.required | b.required,
        additional=b.additional if a.additional is True else a.additional,
        items=a.items or b.items,
        alternatives=(a.alternatives or ()) + (b.alternatives or ()) or None,
        excluded=a.excluded or b.excluded,
        discriminator=a.discriminator or b.discriminator,
        read_only=a.read_only or b.read_only,
        write_only=a.write_only or b.write_only,
        default=a.default if a.default is not None else b.default,
    )


def _common(a: frozenset[str] | None, b: frozenset[str] | None) -> frozenset[str] | None:
    return b if a is None else a if b is None else a & b


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(value: Any) -> Node:
    return value if isinstance(value, dict) else {}
