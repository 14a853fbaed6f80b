"""What Slack takes as a message: the payload of an incoming webhook and the limits of Block Kit."""

from collections.abc import Callable
from typing import Any

TEXT = 40_000
BLOCKS, ATTACHMENTS = 50, 100
HEADER, SECTION, FIELD = 150, 3_000, 2_000
FIELDS, ELEMENTS = 10, 10
BLOCK_ID = 255

KEYS = {
    "header": {"type", "block_id", "text"},
    "section": {"type", "block_id", "text", "fields", "expand"},
    "context": {"type", "block_id", "elements"},
    "divider": {"type", "block_id"},
}
TEXT_KEYS = {"plain_text": {"type", "text", "emoji"}, "mrkdwn": {"type", "text", "verbatim"}}


def refusal(payload: object) -> str | None:
    """Slack's word for what is wrong with a message, or None."""
    if not isinstance(payload, dict) or not isinstance(payload.get("text", ""), str):
        return "invalid_payload"
    if len(payload.get("text", "")) > TEXT:
        return "invalid_payload"
    blocks, attachments = payload.get("blocks", []), payload.get("attachments", [])
    if not isinstance(attachments, list) or len(attachments) > ATTACHMENTS:
        return "too_many_attachments"
    if not isinstance(blocks, list) or len(blocks) > BLOCKS or not all(map(_is_block, blocks)):
        return "invalid_blocks"
    return None if payload.get("text") or blocks or attachments else "no_text"


def _is_block(block: object) -> bool:
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        return False
    known, check = KEYS.get(block["type"], set()), CHECKS.get(block["type"])
    named = isinstance(block.get("block_id", ""), str) and len(block.get("block_id", "")) <= BLOCK_ID
    return check is not None and block.keys() <= known and named and check(block)


def _is_text(found: object, longest: int, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> bool:
    if not isinstance(found, dict) or found.get("type") not in kinds or not isinstance(found.get("text"), str):
        return False
    return found.keys() <= TEXT_KEYS[found["type"]] and 1 <= len(found["text"]) <= longest and _flags(found)


def _flags(found: dict[str, Any]) -> bool:
    return all(isinstance(value, bool) for key, value in found.items() if key in ("emoji", "verbatim"))


def _is_header(block: dict[str, Any]) -> bool:
    return _is_text(block.get("text"), HEADER, ("plain_text",))


def _is_section(block: dict[str, Any]) -> bool:
    fields = block.get("fields")
    if "text" not in block and fields is None:
        return False
    good = "text" not in block or _is_text(block["text"], SECTION)
    if fields is None:
        return good
    return good and isinstance(fields, list) and 1 <= len(fields) <= FIELDS and all(_is_text(f, FIELD) for f in fields)


def _is_context(block: dict[str, Any]) -> bool:
    elements = block.get("elements")
    return isinstance(elements, list) and 1 <= len(elements) <= ELEMENTS and all(_is_text(e, SECTION) for e in elements)


CHECKS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "header": _is_header,
    "section": _is_section,
    "context": _is_context,
    "divider": lambda _: True,
}
