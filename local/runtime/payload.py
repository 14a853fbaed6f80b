"""Records -> the event that Lambda gets from self-managed Kafka.

Its form is the example event in "Using Lambda with self-managed Apache Kafka" of the AWS Lambda guide.
"""

import base64
from collections.abc import Iterable
from typing import Any

from local.runtime.mapping import Record

TIMESTAMP_TYPES = ("CREATE_TIME", "LOG_APPEND_TIME")


def encoded(record: Record) -> dict[str, Any]:
    """One record as AWS writes it: an absent key or value is left out, header values are byte arrays."""
    entry: dict[str, Any] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "timestampType": TIMESTAMP_TYPES[record.timestamp_type],
    }
    if record.key is not None:
        entry["key"] = base64.b64encode(record.key).decode()
    if record.value is not None:
        entry["value"] = base64.b64encode(record.value).decode()
    entry["headers"] = [{name: list(value or b"")} for name, value in record.headers]
    return entry


def event(records: Iterable[Record], bootstrap: str) -> dict[str, Any]:
    """The event of one invocation; records of several partitions may share it."""
    by_partition: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        by_partition.setdefault(f"{record.topic}-{record.partition}", []).append(encoded(record))
    return {"eventSource": "SelfManagedKafka", "bootstrapServers": bootstrap, "records": by_partition}
