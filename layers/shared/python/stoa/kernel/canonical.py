"""Canonical JSON: one text for one value, whatever its key order, number form, escapes and white space were.

Source: RFC 8785 (JSON Canonicalization Scheme). Two departures, because what is hashed may be none of I-JSON: an
integer keeps all its digits, where the RFC makes it a double, and half of a surrogate pair is written as its escape,
where the RFC refuses it.
"""

import json
import math
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

PLAIN = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))
SCALARS = frozenset({str, int, bool, type(None)})
PLAIN_KINDS = SCALARS | {dict, list}


def canonical(value: Any) -> bytes:
    """Raises ValueError for what is no JSON: NaN, an infinity, a key or a value of another type."""
    text = PLAIN.encode(value) if type(value) in {dict, list} and _is_plain(value) else _text(value)
    return text.encode("utf-8", "backslashreplace")


def _is_plain(value: Any) -> bool:
    """Whether json's own encoder, five times as fast, writes the same: without doubles and rare names."""
    if type(value) is dict:
        if not (set(map(type, value)) <= {str} and "".join(value).isascii()):
            return False
        value = list(value.values())
    if type(value) is not list:
        return type(value) in SCALARS
    kinds = set(map(type, value))
    return kinds <= SCALARS or (kinds <= PLAIN_KINDS and all(map(_is_plain, value)))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, dict):
        return "{" + ",".join([f"{encode_basestring(key)}:{_text(value[key])}" for key in _ordered(value)]) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_text, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _double(value)
    raise ValueError(f"{type(value).__name__} is no JSON")


def _ordered(value: dict[Any, Any]) -> list[str]:
    """By UTF-16 code units, which is another order than Python's where a name has letters beyond U+FFFF."""
    try:
        if "".join(value).isascii():
            return sorted(value)
    except TypeError:
        raise ValueError("a name is no text") from None
    return sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))


def _double(value: float) -> str:
    """As ECMAScript's Number.prototype.toString: the shortest digits that read back as the same double."""
    if not math.isfinite(value):
        raise ValueError("NaN and infinities are no JSON")
    if value == 0:
        return "0"
    if 1e-6 <= abs(value) < 1e21:
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    digits, _, exponent = repr(value).partition("e")
    return f"{digits}e{int(exponent):+d}"
