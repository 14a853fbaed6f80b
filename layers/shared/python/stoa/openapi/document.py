"""A parsed OpenAPI document, its bytes, its digest and JSON pointers into it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote

if TYPE_CHECKING:
    from stoa.openapi.origin import Origin

Node: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Document:
    """An OpenAPI document as plain dicts and lists; never changed in place by this package.

    `source_sha256` is the hash of the bytes it was read from; a document that this package made
    has none and is known by the hash of its own bytes. `origin` knows the lines of what was read.
    """

    content: Node
    name: str = "openapi"
    source_sha256: str | None = field(default=None, compare=False)
    origin: Origin | None = field(default=None, compare=False, repr=False)

    @property
    def version(self) -> str:
        """The version as written: `3.1.0`, `3.0.3`, `2.0`; empty when there is none."""
        return str(self.content.get("openapi") or self.content.get("swagger") or "")

    @property
    def sha256(self) -> str:
        """Hex hash of the source bytes, or of `to_bytes` for a document made here."""
        return self.source_sha256 or self.bytes_sha256

    @cached_property
    def bytes_sha256(self) -> str:
        """Hex hash of `to_bytes`: what a reader of the published bytes compares with."""
        return hashlib.sha256(to_bytes(self)).hexdigest()


def to_bytes(document: Document) -> bytes:
    """The document as compact UTF-8 JSON; the order of keys is the order of the document."""
    return json.dumps(document.content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def digest(document: Document) -> str:
    """SHA-256 (hex) of the canonical JSON: two documents that differ in key order only are equal."""
    canonical = json.dumps(document.content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def escape(token: str) -> str:
    """One key as a JSON pointer token (RFC 6901)."""
    if "~" in token or "/" in token:
        return token.replace("~", "~0").replace("/", "~1")
    return token


def tokens_of(pointer: str) -> list[str]:
    """The unescaped tokens of a JSON pointer; the empty pointer has none."""
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def pointer_of(tokens: list[str]) -> str:
    """The JSON pointer made of these tokens."""
    return "".join("/" + escape(token) for token in tokens)


def local_target(reference: str) -> str:
    """The JSON pointer that a reference within the document holds, with percent-encoding undone."""
    return unquote(reference.removeprefix("#"))


def lookup(content: Any, pointer: str) -> Any:
    """The node at a JSON pointer; raises KeyError when there is none."""
    node = content
    for token in tokens_of(pointer):
        if isinstance(node, dict) and token in node:
            node = node[token]
        elif isinstance(node, list) and token.isascii() and token.isdigit() and int(token) < len(node):
            node = node[int(token)]
        else:
            raise KeyError(pointer)
    return node
