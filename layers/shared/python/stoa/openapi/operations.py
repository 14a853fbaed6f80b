"""The operations of a document as text, for people who search: no reference is followed and nothing is converted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stoa.openapi.document import Node
from stoa.openapi.intake import read_content

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
MAX_TEXT_BYTES = 32 * 2**10
MAX_LINE = 500
_NO_CONTROLS = dict.fromkeys([*range(32), 127], " ")


def operations_text(data: bytes) -> str:
    """One operation a line: method, path, operationId, summary; as many whole lines as fit into 32 KiB of UTF-8.

    A path without operations of its own is a line as well. Raises SpecRefused for what cannot be read.
    """
    text, left = [], MAX_TEXT_BYTES
    for line in _lines(read_content(data)):
        left -= len(line.encode("utf-8", "replace")) + 1
        if left < 0:
            break
        text.append(line)
    return "\n".join(text)


def _lines(content: Node) -> Iterator[str]:
    paths = content.get("paths")
    for path, item in paths.items() if isinstance(paths, dict) else ():
        if not isinstance(item, dict) or not str(path).startswith("/"):
            continue
        found = [method for method in METHODS if isinstance(item.get(method), dict)]
        for method in found:
            operation = item[method]
            yield _line(method.upper(), path, operation.get("operationId"), operation.get("summary"))
        if not found:
            yield _line(path)


def _line(*parts: Any) -> str:
    """What is no text, which a wrong document may hold, is left out; control characters are blanks."""
    texts = [part.translate(_NO_CONTROLS).strip() for part in parts if isinstance(part, str)]
    return " ".join(" ".join(text for text in texts if text).split())[:MAX_LINE]
