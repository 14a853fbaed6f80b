"""The on-failure target: a topic that gets each dropped record with the story of its failure."""

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from local.runtime import payload
from local.runtime.mapping import Mapping
from local.runtime.partition_queue import Dropped

SEND_LIMIT_S = 5.0


class OnFailureTarget:
    """Writes to `mapping.on_failure`; without one, dropped records are gone."""

    def __init__(self, mapping: Mapping, bootstrap: str) -> None:
        self._mapping = mapping
        self._bootstrap = bootstrap
        self._producer: Producer | None = None

    def deliver(self, dropped: Iterable[Dropped]) -> None:
        """Returns when the broker has acknowledged all of them. Raises KafkaException when it did not."""
        topic = self._mapping.on_failure
        if topic is None:
            return
        self._producer = producer = self._producer or self._connected()
        failed: list[KafkaError] = []

        def ended(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                failed.append(error)

        for one in dropped:
            value = json.dumps(message(self._mapping, self._bootstrap, one)).encode()
            producer.produce(topic, value, one.record.key, headers=list(one.record.headers), on_delivery=ended)
        producer.flush()  # as long as a record may take
        if failed:
            raise KafkaException(failed[0])

    def close(self) -> None:
        """`deliver` leaves nothing under way."""
        self._producer = None

    def _connected(self) -> Producer:
        """librdkafka, as in membership.py."""
        limit_ms = int(SEND_LIMIT_S * 1000)
        settings = {"bootstrap.servers": self._bootstrap, "enable.idempotence": True, "message.timeout.ms": limit_ms}
        return Producer({**settings, "linger.ms": 0, "log_level": 3})


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
