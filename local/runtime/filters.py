"""Filter criteria of a mapping: patterns over the record's value, as EventBridge writes them."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local.runtime.mapping import Record

MISSING = object()
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "=": lambda a, b: a == b,
    ">=": lambda a, b: a >= b,
    ">": lambda a, b: a > b,
}


def wanted(record: Record, patterns: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one of the patterns, each `{"value": ...}`, matches; without patterns every record is wanted."""
    if not patterns:
        return True
    try:
        value = json.loads(record.value or b"")
    except ValueError:
        return False
    return any(_object(pattern, {"value": value}) for pattern in patterns)


def _object(pattern: Mapping[str, Any], found: object) -> bool:
    return all(_field(rule, found.get(name, MISSING) if isinstance(found, dict) else MISSING)
               for name, rule in pattern.items())  # fmt: skip


def _field(rule: object, found: object) -> bool:
    if isinstance(rule, dict):
        return _object(rule, found)
    if not isinstance(rule, list):
        raise ValueError(f"a filter rule is a list or an object, not {rule!r}")
    candidates = found if isinstance(found, list) else [found]
    return any(_matches(one, candidate) for one in rule for candidate in candidates)


def _matches(rule: object, found: object) -> bool:
    if not isinstance(rule, dict):
        return found is not MISSING and type(found) is type(rule) and found == rule
    ((name, operand),) = rule.items()
    if name == "exists":
        return (found is not MISSING) is operand
    if name == "anything-but":
        refused = operand if isinstance(operand, list) else [operand]
        return found is not MISSING and found not in refused
    if name == "numeric":
        return _numeric(operand, found)
    return _text(name, operand, found)


def _numeric(operand: Sequence[Any], found: object) -> bool:
    if not isinstance(found, int | float) or isinstance(found, bool):
        return False
    pairs = zip(operand[::2], operand[1::2], strict=True)
    return all(COMPARISONS[sign](found, bound) for sign, bound in pairs)


def _text(name: str, operand: str, found: object) -> bool:
    if not isinstance(found, str):
        return False
    if name == "prefix":
        return found.startswith(operand)
    if name == "suffix":
        return found.endswith(operand)
    if name == "equals-ignore-case":
        return found.lower() == operand.lower()
    raise ValueError(f"unknown filter rule {name}")
