"""What changed between two schemas, for what is sent (`request`) or what is answered (`response`)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Literal, NamedTuple, TypeAlias

from stoa.openapi.document import Node, escape
from stoa.openapi.schema_views import LOWER, UPPER, Schemas, View, as_json

MAX_VISITS = 50_000
MAX_SHOWN = 5
# the wider of two formats takes every value of the other
WIDER_FORMATS = frozenset({("int32", "int64"), ("float", "double")})
WAYS = {"narrowed": "allows less", "widened": "allows more"}

Direction = Literal["request", "response"]


class Difference(NamedTuple):
    """`rule` is a key of change_rules.RULES; `pointer` leads from the schema to the place; `text` is a sentence."""

    rule: str
    pointer: str
    text: str


Said: TypeAlias = Iterator[tuple[str, str]]
Key: TypeAlias = tuple[int, int, Direction]


class TooMuch(Exception):
    """The documents take more steps to compare than there is time for."""


@dataclass
class _Pair:
    """Two schemas that stand at the same place: what differs between themselves, and the pairs below, by the step that
    leads there."""

    old: Node
    new: Node
    own: list[Difference] = field(default_factory=list)
    below: list[tuple[str, Key]] = field(default_factory=list)
    done: bool = False


class SchemaComparison:
    """Compares schemas of two documents. Each pair is compared once, however many places share it and whether or not
    it refers to itself; a difference is told at the nearest place."""

    def __init__(self, old: Schemas, new: Schemas) -> None:
        self._old, self._new = old, new
        self._pairs: dict[Key, _Pair] = {}
        self._same: set[Key] = set()
        self._visits = 0

    def differences(self, old: Node, new: Node, direction: Direction) -> list[Difference]:
        """Raises TooMuch."""
        seen, found = {self._key(old, new, direction): ""}, list[Difference]()
        waiting = deque(seen)
        while waiting:
            key = waiting.popleft()
            pair, pointer = self._compared(key), seen[key]
            found += [Difference(rule, pointer + place, text) for rule, place, text in pair.own]
            for step, below in pair.below:
                if below not in seen and below not in self._same:
                    seen[below] = pointer + step
                    waiting.append(below)
            self._visits += 1
            if self._visits > MAX_VISITS:
                raise TooMuch
        if not found:
            self._same |= seen.keys()
        return found

    def _key(self, old: Node, new: Node, direction: Direction) -> Key:
        old, new = self._old.resolved(old), self._new.resolved(new)
        key = (id(old), id(new), direction)
        self._pairs.setdefault(key, _Pair(old, new))  # they are kept: their ids stay their own
        return key

    def _compared(self, key: Key) -> _Pair:
        pair, direction = self._pairs[key], key[2]
        if pair.done:
            return pair
        pair.done = True
        old, new = self._old.view(pair.old), self._new.view(pair.new)
        if _unlike(old, new):
            text = f"the type is {_types(new)} and was {_types(old)}"
            pair.own.append(Difference(f"{direction}-type-changed", "", text))
            return pair
        for rules in LOCAL:
            pair.own += [Difference(f"{direction}-{what}", "", text) for what, text in rules(old, new)]
        for name in (*old.properties, *(name for name in new.properties if name not in old.properties)):
            self._property(pair, name, old, new, direction)
        self._alternatives(pair, old, new, direction)
        if old.items is not None and new.items is not None:
            pair.below.append(("/items", self._key(old.items, new.items, direction)))
        if isinstance(old.additional, dict) and isinstance(new.additional, dict):
            pair.below.append(("/additionalProperties", self._key(old.additional, new.additional, direction)))
        return pair

    def _property(self, pair: _Pair, name: str, old: View, new: View, direction: Direction) -> None:
        before, after = old.properties.get(name), new.properties.get(name)
        if self._hidden(before, after, direction):
            return
        was, required, place = name in old.required, name in new.required, f"/{escape(name)}"
        if after is None:
            pair.own.append(Difference(_removed(direction, required=was), place, f"the property {name} is gone"))
            return
        # one that has a default may stay away
        required = required and (direction == "response" or self._new.view(after).default is None)
        if before is None:
            kind = "" if direction == "response" else "-required" if required else "-optional"
            pair.own.append(Difference(f"{direction}-property-added{kind}", place, f"the property {name} is new"))
            return
        was = was and (direction == "response" or self._old.view(before).default is None)
        if was != required:
            now = "required" if required else "optional"
            rule = f"{direction}-property-became-{now}"
            pair.own.append(Difference(rule, place, f"the property {name} became {now}"))
        pair.below.append((place, self._key(before, after, direction)))

    def _hidden(self, before: Node | None, after: Node | None, direction: Direction) -> bool:
        """Whether it is never sent that way, before and now."""
        views = [side.view(node) for side, node in ((self._old, before), (self._new, after)) if node is not None]
        return all(view.read_only if direction == "request" else view.write_only for view in views)

    def _alternatives(self, pair: _Pair, old: View, new: View, direction: Direction) -> None:
        """Branches are the same by their reference or by what they say; those that are left are paired in order."""
        if old.alternatives is None or new.alternatives is None:
            if old.alternatives != new.alternatives:
                way = "narrowed" if old.alternatives is None else "widened"
                text = f"the choice of schemas {WAYS[way]}"
                pair.own.append(Difference(f"{direction}-alternative-{way}", "", text))
            return
        before, after = ({_identity(node): node for node in side} for side in (old.alternatives, new.alternatives))
        for name in [name for name in before if name in after]:
            pair.below.append(("", self._key(before[name], after[name], direction)))
        gone = [before[name] for name in before if name not in after]
        come = [after[name] for name in after if name not in before]
        for was, now in zip_longest(gone, come):
            if was is None or now is None:
                way, node = ("narrowed", was) if now is None else ("widened", now)
                text = f"the choice {WAYS[way]}: {_identity(node)[:80]}"
                pair.own.append(Difference(f"{direction}-alternative-{way}", "", text))
            else:
                pair.below.append(("", self._key(was, now, direction)))


def _removed(direction: Direction, *, required: bool) -> str:
    if direction == "request":
        return "request-property-removed"
    return f"response-{'required' if required else 'optional'}-property-removed"


def _identity(node: Node | None) -> str:
    reference = (node or {}).get("$ref")
    return reference if isinstance(reference, str) else as_json(node)


def _unlike(old: View, new: View) -> bool:
    """No value but null is allowed by both."""
    if old.types is None or new.types is None:
        return False
    a, b = _all_types(old.types) - {"null"}, _all_types(new.types) - {"null"}
    return bool(a and b) and a.isdisjoint(b)


def _all_types(types: frozenset[str]) -> frozenset[str]:
    return types | {"integer"} if "number" in types else types


def _types(view: View) -> str:
    return " or ".join(sorted(view.types)) if view.types is not None else "any"


def _type(old: View, new: View) -> Said:
    a = _all_types(old.types) if old.types is not None else None
    b = _all_types(new.types) if new.types is not None else None
    text = f"the type is {_types(new)} and was {_types(old)}"
    if b is not None and (a is None or a - b):
        yield "type-narrowed", text
    if a is not None and (b is None or b - a):
        yield "type-widened", text


def _enum(old: View, new: View) -> Said:
    if new.enum is not None and (old.enum is None or old.enum - new.enum):
        gone = f"no more {_some(old.enum - new.enum)}" if old.enum else f"only {_some(new.enum)}"
        yield "enum-narrowed", f"the values allow less: {gone}"
    if old.enum is not None and (new.enum is None or new.enum - old.enum):
        yield "enum-widened", f"the values allow more: {_some(new.enum - old.enum) if new.enum else 'any'}"


def _some(values: frozenset[str]) -> str:
    more = f" and {len(values) - MAX_SHOWN} more" if len(values) > MAX_SHOWN else ""
    return ", ".join(value[:60] for value in sorted(values)[:MAX_SHOWN]) + more


def _format(old: View, new: View) -> Said:
    if old.format == new.format:
        return
    text = f"the format is {new.format or 'open'} and was {old.format or 'open'}"
    pair = (old.format or "", new.format or "")
    if new.format is not None and pair not in WIDER_FORMATS:
        yield "format-narrowed", text
    if old.format is not None and pair[::-1] not in WIDER_FORMATS:
        yield "format-widened", text


def _limits(old: View, new: View) -> Said:
    for key in (*UPPER, *LOWER):
        a, b = old.bounds.get(key), new.bounds.get(key)
        if a == b:
            continue
        text = f"{key} is {_number(b)} and was {_number(a)}"
        narrowed = b is not None and (a is None or (b < a) == (key in UPPER))
        yield f"limit-{'narrowed' if narrowed else 'widened'}", text


def _number(value: float | None) -> str:
    return "open" if value is None else f"{value:.9g}"


def _flags(old: View, new: View) -> Said:
    if old.unique != new.unique:
        yield f"unique-{'narrowed' if new.unique else 'widened'}", "uniqueItems changed"
    if (old.additional is False) != (new.additional is False):
        way = "narrowed" if new.additional is False else "widened"
        yield f"additional-{way}", f"what may stand beside the properties {WAYS[way]}"
    if old.multiple_of != new.multiple_of:
        yield f"multiple-{'widened' if new.multiple_of is None else 'narrowed'}", "multipleOf changed"


def _texts(old: View, new: View) -> Said:
    if old.pattern != new.pattern:
        way = "narrowed" if old.pattern is None else "widened" if new.pattern is None else "changed"
        yield f"pattern-{way}", f"the pattern is {new.pattern or 'open'} and was {old.pattern or 'open'}"[:300]
    if old.excluded != new.excluded:
        yield "not-changed", "what is excluded by `not` changed"
    if old.discriminator is not None and old.discriminator != new.discriminator:
        yield "discriminator-changed", f"the discriminator is {new.discriminator} and was {old.discriminator}"
    if old.default is not None and old.default != new.default:
        yield "default-changed", f"the default is {(new.default or 'none')[:60]} and was {old.default[:60]}"


LOCAL: tuple[Callable[[View, View], Said], ...] = (_type, _enum, _format, _limits, _flags, _texts)
