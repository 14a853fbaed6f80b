"""The on-failure target: a topic that gets each dropped record with the story of its failure."""

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from kafka import KafkaProducer

from local.runtime import payload
from local.runtime.mapping import Mapping
from local.runtime.partition_queue import Dropped

SEND_LIMIT_S = 5.0


class OnFailureTarget:
    """Writes to `mapping.on_failure`; without one, dropped records are gone."""

    def __init__(self, mapping: Mapping, bootstrap: str) -> None:
        self._mapping = mapping
        self._bootstrap = bootstrap
        self._producer: KafkaProducer | None = None

    def deliver(self, dropped: Iterable[Dropped]) -> None:
        """Returns when the broker has acknowledged all of them. Raises KafkaError when it did not."""
        if self._mapping.on_failure is None:
            return
        if self._producer is None:
            self._producer = KafkaProducer(
                bootstrap_servers=self._bootstrap, bootstrap_timeout_ms=2000, acks="all", enable_idempotence=True
            )
        sent = [
            self._producer.send(
                self._mapping.on_failure,
                key=one.record.key,
                value=json.dumps(message(self._mapping, self._bootstrap, one)).encode(),
                headers=list(one.record.headers),
            )
            for one in dropped
        ]
        for acknowledged in sent:
            acknowledged.get(timeout=SEND_LIMIT_S)

    def close(self) -> None:
        if self._producer is not None:
            self._producer.close(timeout=SEND_LIMIT_S)


def message(mapping: Mapping, bootstrap: str, dropped: Dropped) -> dict[str, Any]:
    """The record and its metadata, in the shape of Lambda's invocation record for a failed batch."""
    record = dropped.record
    written = datetime.fromtimestamp(record.timestamp / 1000, UTC).isoformat()
    return {
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": mapping.function,
            "condition": dropped.condition,
            "approximateInvokeCount": dropped.attempts,
        },
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(),
        "KafkaBatchInfo": {
            "batchSize": 1,
            "bootstrapServers": bootstrap,
            "payloadSize": record.payload_bytes,
            "recordInfo": {"offset": str(record.offset), "timestamp": written},
        },
        "payload": payload.event([record], bootstrap),
    }
