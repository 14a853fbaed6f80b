"""Where every reference points, and what it is called in the converted document."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from stoa.openapi.document import Node, escape, lookup, pointer_of, tokens_of
from stoa.openapi.grammar import SECTIONS_V3, V31
from stoa.openapi.inspection import Ref
from stoa.openapi.naming import Names, from_tokens, is_legal, legal
from stoa.openapi.refusal import EXTERNAL_REF, REF_UNRESOLVED, SpecRefused
from stoa.openapi.survey import Survey

_STABLE_IN_SCHEMA = frozenset({"properties", "items", "additionalProperties", "allOf"})
_DROPPED = frozenset({"webhooks", "pathItems"})


class Resolver:
    """Resolves reference values to JSON pointers; `$id` and `$anchor` included, the network excluded."""

    def __init__(self, content: Node, survey: Survey) -> None:
        self._content = content
        self._survey = survey
        self._uris: dict[str, str] = {}
        self._homes: dict[str, str] = {}
        self._known = 0

    def resolve(self, ref: Ref) -> str:
        """The pointer of the target; raises SpecRefused when it is external or missing."""
        value = ref.value
        if value.startswith("#/") and not self._survey.resources:
            return self._existing(unquote(value[1:]), ref)
        resource, fragment = self._locate(ref)
        if not fragment:
            return self._existing(resource, ref)
        if not fragment.startswith("/"):
            return self._anchor(resource, fragment, ref)
        try:
            return self._existing(resource + fragment, ref)
        except SpecRefused:
            # Authors write `$id` into a schema and still mean references from the document's root.
            return self._existing(fragment, ref)

    def _locate(self, ref: Ref) -> tuple[str, str]:
        """The pointer of the schema resource a reference is about, and its fragment."""
        self._index()
        home = self._enclosing(ref.pointer)
        try:
            uri, fragment = urldefrag(urljoin(self._uris.get(home, ""), ref.value))
        except ValueError:
            raise SpecRefused(EXTERNAL_REF, f"{ref.value!r} is not a reference", pointer=ref.pointer) from None
        fragment = unquote(fragment)
        if ref.value.startswith("#"):
            return home, fragment
        if uri in self._homes:
            return self._homes[uri], fragment
        detail = f"{ref.value!r} points outside the document; bundle it first, nothing is fetched"
        raise SpecRefused(EXTERNAL_REF, detail, pointer=ref.pointer)

    def _index(self) -> None:
        for pointer, name in list(self._survey.resources.items())[self._known :]:
            try:
                self._uris[pointer] = urldefrag(urljoin(self._uris.get(self._enclosing(pointer), ""), name))[0]
            except ValueError:
                raise SpecRefused(EXTERNAL_REF, f"`$id` {name!r} is not a URI", pointer=pointer) from None
            self._homes.setdefault(self._uris[pointer], pointer)
        self._known = len(self._survey.resources)

    def _enclosing(self, pointer: str) -> str:
        while pointer and (pointer := pointer.rpartition("/")[0]) not in self._uris:
            pass
        return pointer

    def _anchor(self, resource: str, name: str, ref: Ref) -> str:
        holders = self._survey.anchors.get(name, [])
        for pointer in holders:
            if pointer == resource or pointer.startswith(resource + "/"):
                return pointer
        raise SpecRefused(REF_UNRESOLVED, f"there is no anchor {name!r}", pointer=ref.pointer)

    def _existing(self, pointer: str, ref: Ref) -> str:
        pointer = pointer_of(tokens_of(pointer))
        try:
            node = lookup(self._content, pointer)
        except KeyError:
            raise SpecRefused(REF_UNRESOLVED, f"{ref.value!r} points at nothing", pointer=ref.pointer) from None
        if not pointer or not isinstance(node, dict | bool):
            raise SpecRefused(REF_UNRESOLVED, f"{ref.value!r} is not a {ref.kind}", pointer=ref.pointer)
        return pointer


class Plan:
    """New names and new reference values, decided for the whole document before it is rebuilt.

    `targets` maps each reference's pointer to the pointer it resolves to; `rewritten` to its new value
    where that differs; `renamed` has old to new component names per section; `hoisted` lists what must
    become a component of its own, as (kind, pointer, name).
    """

    def __init__(self, content: Node, survey: Survey) -> None:
        self._content = content
        self._survey = survey
        self.targets: dict[str, str] = {}
        self.rewritten: dict[str, str] = {}
        self.renamed: dict[str, dict[str, str]] = {}
        self.hoisted: list[tuple[str, str, str]] = []
        self._homes: dict[tuple[str, str], str] = {}
        self._names: dict[str, Names] = {}
        self._name_components()
        self._resolve_all()

    def _name_components(self) -> None:
        components = self._content.get("components") or {}
        for section in SECTIONS_V3.values():
            names = list(components.get(section) or {})
            taken = self._names[section] = Names(name for name in names if is_legal(name))
            self.renamed[section] = {name: taken.take(legal(name)) for name in names if not is_legal(name)}

    def _resolve_all(self) -> None:
        resolver = Resolver(self._content, self._survey)
        for pointer in list(self._survey.definitions):
            self._hoist("schema", pointer)
        done = 0
        refs = self._survey.refs
        while done < len(refs):
            ref = refs[done]
            target = self.targets[ref.pointer] = resolver.resolve(ref)
            if ref.kind != "pathItem":
                self._rewrite(ref, target)
            done += 1

    def _rewrite(self, ref: Ref, target: str) -> None:
        value = "#" + self._home(ref.kind, target)
        if value != ref.value:
            self.rewritten[ref.pointer] = value

    def _home(self, kind: str, target: str) -> str:
        """The pointer of the target in the converted document."""
        home = self._homes.get((kind, target))
        if home is None:
            tokens = tokens_of(target)
            reached = self._reach(tokens)
            # Readers disagree about a literal percent sign in a reference: a component's name has none.
            stays = reached == (kind, True) and "%" not in target
            home = self._moved(tokens) if stays else self._hoist(kind, target, reached[0] != kind)
            self._homes[(kind, target)] = home
        return home

    def _moved(self, tokens: list[str]) -> str:
        if tokens[0] == "components" and len(tokens) > 2:
            new = self.renamed.get(tokens[1], {}).get(tokens[2])
            tokens = [*tokens[:2], new or tokens[2], *tokens[3:]]
        return pointer_of(tokens)

    def _hoist(self, kind: str, target: str, unvisited: bool = False) -> str:
        section = SECTIONS_V3[kind]
        name = self._names[section].take(from_tokens(tokens_of(target)))
        home = self._homes[(kind, target)] = f"/components/{section}/{name}"
        self.hoisted.append((kind, target, name))
        if unvisited:
            self._survey.visit(lookup(self._content, target), kind, target)
        return home

    def _reach(self, tokens: list[str]) -> tuple[str, bool]:
        """The kind of object the walk finds at these tokens, and whether it keeps its place."""
        kind, stable, node, index = V31["document"], True, self._content, 0
        while index < len(tokens):
            token = tokens[index]
            field = kind.fields.get(token) or (kind.every if not token.startswith("x-") else None)
            if field is None or not field.kind:
                return "", False
            stable = stable and token not in _DROPPED and (kind.name != "schema" or _keeps_place(node, token))
            steps = 1 if field.shape in ("one", "closable") else 2
            for step in tokens[index : index + steps]:
                node = _child(node, step)
            index += steps
            kind = V31[field.kind]
        return (kind.name, stable) if index == len(tokens) else ("", False)


def _child(node: Any, token: str) -> Any:
    return lookup(node, "/" + escape(token))


def _keeps_place(node: Node, keyword: str) -> bool:
    if keyword == "items":
        return "prefixItems" not in node
    if keyword == "additionalProperties":
        return "patternProperties" not in node
    return keyword in _STABLE_IN_SCHEMA
