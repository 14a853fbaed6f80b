"""Kafka producer: idempotent, acknowledged by all, one per container, made at first use."""

from collections.abc import Sequence

from kafka import KafkaProducer
from kafka.errors import KafkaError

from stoa.kernel.errors import Transient
from stoa.kernel.outbox import Row

BOOTSTRAP_MS = 2_000
DELIVERY_MS = 5_000


class Producer:
    """Sends rows in the order given. Raises Transient unless every one of them was acknowledged."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._producer: KafkaProducer | None = None

    def send(self, rows: Sequence[Row]) -> None:
        try:
            producer = self._connected()
            futures = [
                producer.send(
                    row.topic,
                    key=row.key.encode(),
                    value=row.value,
                    headers=[(name, value.encode()) for name, value in row.headers.items()],
                )
                for row in rows
            ]
            for future in futures:
                future.get(timeout=DELIVERY_MS / 1000)
        except KafkaError as error:
            self.close()
            raise Transient("kafka", type(error).__name__) from error

    def close(self) -> None:
        """Drops what is not acknowledged yet: the outbox still has it."""
        if self._producer is not None:
            self._producer.close(timeout=0)
            self._producer = None

    def _connected(self) -> KafkaProducer:
        if self._producer is None:
            self._producer = KafkaProducer(
                bootstrap_servers=self._bootstrap.split(","),
                bootstrap_timeout_ms=BOOTSTRAP_MS,
                acks="all",
                enable_idempotence=True,
                linger_ms=0,
                max_block_ms=BOOTSTRAP_MS,
                request_timeout_ms=DELIVERY_MS - 1_000,
                delivery_timeout_ms=DELIVERY_MS,
                max_request_size=1_000_000,
            )
        return self._producer
