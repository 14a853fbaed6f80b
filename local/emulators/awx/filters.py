"""Query strings to SQL, as the field look-ups of AWX: `name__icontains`, `or__`, `not__`, `organization__name`."""

import re
from dataclasses import dataclass, field
from typing import Any

from local.emulators.awx.answers import detail
from local.emulators.awx.fields import KINDS, Kind

RESERVED = {
    "page", "page_size", "format", "order", "order_by", "search", "type", "host_filter", "count_disabled",
    "no_truncate", "limit",
}  # fmt: skip
COMPARE = {"exact": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
TEXT = {
    "contains": "instr({0}, ?) > 0",
    "icontains": "instr(lower({0}), lower(?)) > 0",
    "startswith": "substr({0}, 1, length(?)) = ?",
    "istartswith": "substr(lower({0}), 1, length(?)) = lower(?)",
    "endswith": "substr({0}, -length(?)) = ?",
    "iendswith": "substr(lower({0}), -length(?)) = lower(?)",
    "regex": "{0} REGEXP ?",
    "iregex": "{0} REGEXP ?",
    "iexact": "lower({0}) = lower(?)",
}
LOOKUPS = {*COMPARE, *TEXT, "in", "isnull"}
TRUE, FALSE = {"true", "t", "yes", "y", "1", "on"}, {"false", "f", "no", "n", "0", "off"}


@dataclass
class Condition:
    """SQL over the alias `t`, with its values."""

    sql: str = "1"
    values: list[Any] = field(default_factory=list)

    def also(self, other: "Condition", word: str = "AND") -> "Condition":
        return Condition(f"({self.sql}) {word} ({other.sql})", [*self.values, *other.values])


def conditions(kind: Kind, query: list[tuple[str, str]]) -> Condition:
    """Raises Refusal 400 for an unknown field or a bad value, 403 for a field that may not be searched."""
    found, either = Condition(), None
    for key, value in query:
        if key in RESERVED:
            continue
        name = key.removeprefix("chain__")
        plain = name.removeprefix("or__")
        one = _lookup(kind, plain.removeprefix("not__"), value)
        if plain.startswith("not__"):
            one = Condition(f"NOT coalesce({one.sql}, 0)", one.values)
        if plain == name:
            found = found.also(one)
        else:
            either = either.also(one, "OR") if either else one
    found = _of_types(kind, query, found)
    return found.also(either) if either else found


def order(kind: Kind, text: str) -> str:
    """The ORDER BY of `order_by=-finished,id`. Raises Refusal 400 for an unknown field."""
    parts = []
    for name in filter(None, (text or kind.order).split(",")):
        column = name.strip().removeprefix("-")
        if column not in kind.fields or column in kind.hidden:
            raise detail(400, f"Cannot resolve keyword '{column}' into field.")
        parts.append(f"{_expression(kind, column)} {'DESC' if name.strip().startswith('-') else 'ASC'}")
    return ", ".join([*parts, "t.id"])


def _of_types(kind: Kind, query: list[tuple[str, str]], found: Condition) -> Condition:
    types = [value for key, value in query if key == "type"]
    return found if not types or kind.type in types[-1].split(",") else Condition("0")


def _lookup(kind: Kind, key: str, value: str) -> Condition:
    path, _, last = key.rpartition("__")
    lookup = last if path and last in LOOKUPS else "exact"
    parts = (path if path and last in LOOKUPS else key).split("__")
    return _path(kind, parts, lookup, value, "t")


def _path(kind: Kind, parts: list[str], lookup: str, value: str, alias: str) -> Condition:
    name, rest = parts[0], parts[1:]
    many, targets = dict(kind.many), dict(kind.targets)
    if name in kind.hidden:
        raise detail(403, f"Filtering on {name} is not allowed.")
    if name in many:
        inner = _path(KINDS[many[name]], rest or ["id"], lookup, value, "m")
        sql = f"{alias}.id IN (SELECT l.owner FROM links l JOIN {many[name]} m ON m.id = l.target"
        return Condition(
            f"{sql} WHERE l.owner_kind = '{kind.table}' AND l.name = '{name}' AND {inner.sql})", inner.values
        )
    if name not in kind.fields and name != "pk":
        raise detail(400, f"{kind.model} has no field named '{name}'")
    if rest and name not in targets:
        raise detail(400, f"No related model for field {rest[0]}.")
    if rest:
        deeper = alias + "r"
        inner = _path(KINDS[targets[name]], rest, lookup, value, deeper)
        own = _expression(kind, name, alias)
        return Condition(f"{own} IN (SELECT {deeper}.id FROM {targets[name]} {deeper} WHERE {inner.sql})", inner.values)
    type_of = "integer" if name == "pk" else kind.fields[name]
    return _compare(_expression(kind, name, alias), name, type_of, lookup, value)


def _expression(kind: Kind, name: str, alias: str = "t") -> str:
    if name in ("id", "pk"):
        return f"{alias}.id"
    return f"'{kind.type}'" if name == "type" else f"json_extract({alias}.body, '$.{name}')"


def _compare(sql: str, name: str, type_of: str, lookup: str, value: str) -> Condition:
    if lookup == "isnull":
        return Condition(f"{sql} IS {'NULL' if _boolean(value) else 'NOT NULL'}")
    if lookup == "in":
        if not value:
            raise detail(400, "cannot provide empty value for __in")
        values = [_value(name, type_of, item) for item in value.split(",")]
        return Condition(f"{sql} IN ({', '.join('?' * len(values))})", values)
    if lookup in COMPARE:
        typed = _value(name, type_of, value)
        return Condition(f"{sql} IS NULL") if typed is None else Condition(f"{sql} {COMPARE[lookup]} ?", [typed])
    if "regex" in lookup:
        value = ("(?i)" if lookup == "iregex" else "") + _pattern(value)
    shape = TEXT[lookup]
    return Condition(shape.format(sql), [value] * shape.count("?"))


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise detail(400, error.msg) from error
    return value


def _value(name: str, type_of: str, text: str) -> Any:
    if type_of == "boolean":
        return int(_boolean(text))
    if type_of == "id" and text.lower() in ("none", "null"):
        return None
    if type_of in ("integer", "id"):
        try:
            return int(text)
        except ValueError as error:
            said = f"Field '{name}' expected a number but got '{text}'."
            raise detail(400, said if type_of == "integer" else f"Invalid {name} id: {text}") from error
    return text


def _boolean(text: str) -> bool:
    if text.lower() in TRUE:
        return True
    if text.lower() in FALSE:
        return False
    raise detail(400, f'Unable to convert "{text}" to boolean')
