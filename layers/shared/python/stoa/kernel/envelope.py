"""CloudEvents 1.0 in Kafka's binary mode, and the record a Lambda event source hands out.

Source: CloudEvents Kafka protocol binding 1.0.2; AWS Lambda "Using Lambda with self-managed Kafka".
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from stoa.kernel import ids
from stoa.kernel.clock import iso
from stoa.kernel.errors import Refused

REQUIRED_HEADERS = ("ce_id", "ce_type", "ce_source", "ce_time", "ce_subject")


@dataclass(frozen=True)
class Event:
    """A message to publish. `data` is the value; `generation` counts the subject; `partition_key`, where it is not the
    key, decides the partition."""

    topic: str
    key: str
    type: str
    subject: str
    tenant: str
    actor: str
    trace_id: str
    time: datetime
    data: Mapping[str, Any]
    generation: int = 0
    id: str = field(default_factory=ids.event_id)
    partition_key: str | None = None

    def headers(self) -> dict[str, str]:
        return {
            "content-type": "application/json",
            "ce_specversion": "1.0",
            "ce_id": self.id,
            "ce_type": self.type,
            "ce_source": "stoa/control-plane",
            "ce_time": iso(self.time),
            "ce_subject": self.subject,
            "ce_partitionkey": self.partition_key or self.key,
            "ce_generation": str(self.generation),
            "ce_tenant": self.tenant,
            "ce_actor": self.actor,
            "ce_traceparent": ids.traceparent(self.trace_id),
        }

    def value(self) -> bytes:
        body = {"event_id": self.id, **self.data}
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True)
class Position:
    """Where a record stands in the log."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True)
class Message:
    """A record as a consumer sees it. `data` is the parsed value, `time` when it was committed (ISO 8601)."""

    position: Position
    key: str
    id: str
    type: str
    subject: str
    tenant: str
    actor: str
    trace_id: str
    generation: int
    data: dict[str, Any]
    time: str = ""


def position(record: Mapping[str, Any]) -> Position:
    return Position(record["topic"], record["partition"], record["offset"])


def headers(record: Mapping[str, Any]) -> dict[str, str]:
    """Header values arrive as arrays of byte integers, which may be signed; the last of a name wins."""
    found = {}
    for entry in record.get("headers") or ():
        for name, value in entry.items():
            found[name] = bytes(byte & 0xFF for byte in value).decode("utf-8", "replace")
    return found


def decode(record: Mapping[str, Any]) -> Message:
    """The message in one record of a Lambda Kafka event. Raises Refused when it is none of ours."""
    found = headers(record)
    missing = [name for name in REQUIRED_HEADERS if not found.get(name)]
    if missing:
        raise Refused("NOT_A_CLOUDEVENT", f"headers are missing: {', '.join(missing)}")
    parent = found.get("ce_traceparent", "").split("-")
    return Message(
        position=position(record),
        key=_text(record.get("key"), "key"),
        id=found["ce_id"],
        type=found["ce_type"],
        subject=found["ce_subject"],
        tenant=found.get("ce_tenant", ""),
        actor=found.get("ce_actor", ""),
        trace_id=f"trc-{parent[1]}" if len(parent) == 4 else "",
        generation=_number(found.get("ce_generation", "0")),
        data=_value(record.get("value")),
        time=found["ce_time"],
    )


def _text(encoded: object, what: str) -> str:
    if not isinstance(encoded, str):
        raise Refused("BAD_RECORD", f"the record has no {what}")
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except ValueError as error:
        raise Refused("BAD_RECORD", f"the {what} is not base64 of UTF-8 text") from error


def _value(encoded: object) -> dict[str, Any]:
    try:
        data = json.loads(_text(encoded, "value"))
    except (ValueError, RecursionError) as error:  # ValueError also for a number of more than 4300 digits
        raise Refused("BAD_RECORD", "the value is not JSON") from error
    if not isinstance(data, dict):
        raise Refused("BAD_RECORD", "the value is not a JSON object")
    return data


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Refused("BAD_RECORD", "ce_generation is not a number")
    return int(text)
