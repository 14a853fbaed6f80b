"""What cannot be processed goes to `<topic>.dlq` as it came, with the reason in headers."""

import base64
from collections.abc import Mapping
from typing import Any

from stoa.kernel import clock
from stoa.kernel.envelope import headers, position
from stoa.kernel.errors import Refused
from stoa.kernel.log import log
from stoa.kernel.outbox import Row, Send


def send(send: Send, record: Mapping[str, Any], consumer: str, error: Refused, tries: int) -> None:
    """Raises Transient when Kafka does not take it."""
    at = position(record)
    said = {
        "dlq_topic": at.topic,
        "dlq_partition": str(at.partition),
        "dlq_offset": str(at.offset),
        "dlq_consumer": consumer,
        "dlq_code": error.code,
        "dlq_reason": error.where(),
        "dlq_tries": str(tries),
        "dlq_at": clock.iso(clock.now()),
    }
    key = _raw(record.get("key")).decode("utf-8", "replace")
    try:
        send([Row(0, f"{at.topic}.dlq", key, {**headers(record), **said}, _raw(record.get("value")))])
    except Refused as unsendable:  # a key too long for a record; its topic keeps the original while it retains
        log.error("record.not_dead_lettered", code=unsendable.code, partition=at.partition, offset=at.offset)


def _raw(encoded: object) -> bytes:
    """The bytes of a key or value; what is not base64 is kept as it came."""
    text = encoded if isinstance(encoded, str) else ""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return text.encode()
