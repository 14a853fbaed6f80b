"""Kafka producer: idempotent, acknowledged by all, one per container, made at first use."""

import json
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError
from kafka.partitioner import murmur2

from stoa.kernel.errors import Transient
from stoa.kernel.outbox import Row, TooLarge
from stoa.kernel.settings import Secret

BOOTSTRAP_MS = 2_000
DELIVERY_MS = 5_000
CLOSE_S = 2.0  # records end DELIVERY_MS after they were handed over, so hardly more is left to wait for
LARGEST = 1_000_000
DEAD_LETTERS = ".dlq"
ROOM = 1_000  # for what Kafka writes around a record, and for the header below
CUT = "dlq_value_cut_from_bytes"


@dataclass(frozen=True)
class Scram:
    """SCRAM-SHA-512 over TLS. Both secrets are JSON as Lambda's event source mapping wants it: {"username", "password"}
    and {"certificate": PEM of the brokers' CA}; they are read anew for each connection."""

    credentials: Secret
    ca: Secret

    def settings(self) -> dict[str, Any]:
        """For a client of kafka-python. Raises Transient for a secret that is none of the kind."""
        try:
            login, authority = json.loads(self.credentials.reveal()), json.loads(self.ca.reveal())
            found = {"sasl_plain_username": login["username"], "sasl_plain_password": login["password"]}
            context = ssl.create_default_context(cadata=authority["certificate"])
        except (ValueError, LookupError, TypeError, ssl.SSLError):
            # without its cause, which may repeat a part of it
            raise Transient("kafka", "the secret with its login or its CA is malformed", alarm=True) from None
        return {"security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", "ssl_context": context, **found}


class Producer:
    """Sends rows in the order given. Raises Transient unless Kafka settled every one of them, and TooLarge with
    those that it will never take when it acknowledged all others. Without a `login` it speaks without TLS."""

    def __init__(self, bootstrap: str, login: Scram | None = None) -> None:
        self._bootstrap = bootstrap
        self._login = login
        self._producer: KafkaProducer | None = None

    def send(self, rows: Sequence[Row]) -> None:
        try:
            # a broker refuses a whole batch, so that each of its records is asked about by itself
            refused = [row for row in self._not_taken(rows) if self._not_taken([row])]
        except KafkaError as error:
            self.close()
            raise Transient("kafka", type(error).__name__) from error
        if refused:
            raise TooLarge(refused)

    def _not_taken(self, rows: Sequence[Row]) -> list[Row]:
        """The rows that are too large, or were in a batch with one. Raises KafkaError."""
        producer = self._connected()
        sent = [(row, _hand_over(producer, shortened(row))) for row in rows]
        found = [row for row, future in sent if not _acknowledged(future)]
        if found:
            self.close()  # after such an answer kafka-python 3.0.12 fails every record with the same error
        return found

    def close(self) -> None:
        """Drops what is not acknowledged yet: the outbox still has it."""
        producer, self._producer = self._producer, None
        if producer is not None:
            # kafka-python first waits for its records, and raises, still connected, if they do not end in time
            with suppress(KafkaError):
                producer.close(timeout=CLOSE_S)

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
                max_request_size=LARGEST,
                **(self._login.settings() if self._login else {}),
            )
        return self._producer


def shortened(row: Row) -> Row:
    """A dead letter carries more headers than its record had, so one of the largest size would never fit: its
    value is cut and a header says so. The record itself stays readable where the other headers point."""
    room = LARGEST - ROOM - len(row.key.encode()) - _bytes(row.headers)
    if not row.topic.endswith(DEAD_LETTERS) or len(row.value) <= room:
        return row
    headers = row.headers
    if room < 0:
        headers = {name: value for name, value in headers.items() if name.startswith("dlq_")}
        room = LARGEST - ROOM - len(row.key.encode()) - _bytes(headers)
    return replace(row, headers={**headers, CUT: str(len(row.value))}, value=row.value[: max(0, room)])


def _bytes(headers: dict[str, str]) -> int:
    return sum(len(name.encode()) + len(value.encode()) + 10 for name, value in headers.items())


def _hand_over(producer: KafkaProducer, row: Row) -> Any:
    """The future of a record; None when the client knows that it is too large."""
    headers = [(name, value.encode()) for name, value in row.headers.items()]
    try:
        return producer.send(
            row.topic, key=row.key.encode(), value=row.value, headers=headers, partition=_partition(producer, row)
        )
    except MessageSizeTooLargeError:
        return None


def _partition(producer: KafkaProducer, row: Row) -> int | None:
    """None leaves it to the key; where the partition key is another one, it decides, by the same hash."""
    partition_key = row.headers.get("ce_partitionkey", row.key)
    if partition_key == row.key or row.topic.endswith(DEAD_LETTERS):
        return None
    count = len(producer.partitions_for(row.topic))
    return int((murmur2(partition_key.encode()) & 0x7FFFFFFF) % count)


def _acknowledged(future: Any) -> bool:
    """False when the record, or the batch it went in, is too large. Raises KafkaError."""
    if future is None:
        return False
    try:
        future.get(timeout=DELIVERY_MS / 1000)
    except MessageSizeTooLargeError:
        return False
    return True
