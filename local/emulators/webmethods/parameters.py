"""The parameter tree of a policy action: `{templateKey, values:[texts]}` or `{templateKey, parameters:[...]}`."""

from collections.abc import Iterator
from typing import Any

from local.emulators.webmethods.answers import Json


def parameters_of(node: Json) -> list[Json]:
    inner = node.get("parameters")
    return [entry for entry in inner if isinstance(entry, dict)] if isinstance(inner, list) else []


def groups(node: Json, key: str) -> list[Json]:
    return [entry for entry in parameters_of(node) if entry.get("templateKey") == key]


def values(node: Json, key: str) -> list[str]:
    found = groups(node, key)
    kept: Any = found[0].get("values") if found else None
    return [str(value) for value in kept] if isinstance(kept, list) else []


def value(node: Json, key: str, default: str = "") -> str:
    found = values(node, key)
    return found[0] if found else default


def leaf(key: str, *texts: str) -> Json:
    return {"templateKey": key, "values": list(texts)}


def walk(node: Json) -> Iterator[Json]:
    """Every entry below `node`, groups before what they hold."""
    for entry in parameters_of(node):
        yield entry
        yield from walk(entry)
