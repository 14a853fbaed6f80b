"""What is in the dead-letter topics of cdk/wiring.py: read only, the newest first."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from cdk.wiring import TOPICS
from local.topics import NoSuchTopic, reader

PATIENCE_S = 15.0


@dataclass(frozen=True)
class DeadLetter:
    """A record that could not be processed. `place` is topic/partition/offset in the dead-letter topic."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    headers: dict[str, str]

    @property
    def place(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


def newest(bootstrap: str, limit: int) -> list[DeadLetter]:
    """At most `limit` of all topics together. Raises KafkaError and NoSuchTopic."""
    found = _of_topics(bootstrap, [f"{topic.name}.dlq" for topic in TOPICS if topic.dlq], limit)
    return sorted(found, key=lambda letter: letter.headers.get("dlq_at", ""), reverse=True)[:limit]


def all_of(bootstrap: str, topic: str) -> list[DeadLetter]:
    """All letters of records of that topic, in no order. Raises KafkaError and NoSuchTopic."""
    return _of_topics(bootstrap, [f"{topic}.dlq"], sys.maxsize)


def one(bootstrap: str, topic: str, partition: int, offset: int) -> DeadLetter | None:
    """The letter at a place; None when there is none (any more)."""
    consumer = reader(bootstrap)
    try:
        if partition not in (consumer.partitions_for_topic(topic) or ()):
            return None
        at = TopicPartition(topic, partition)
        if not consumer.beginning_offsets([at])[at] <= offset < consumer.end_offsets([at])[at]:
            return None
        consumer.assign([at])
        consumer.seek(at, offset)
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            for records in consumer.poll(timeout_ms=500, max_records=1).values():
                return _letter(records[0])
        raise KafkaTimeoutError("the record was not read in time")
    finally:
        consumer.close()


def _of_topics(bootstrap: str, names: Sequence[str], limit: int) -> list[DeadLetter]:
    """At most `limit` of each partition, the newest. None of no topic would look like good news."""
    found: list[DeadLetter] = []
    consumer = reader(bootstrap)
    try:
        places = [TopicPartition(n, number) for n in names for number in sorted(consumer.partitions_for_topic(n) or ())]
        if not places:
            raise NoSuchTopic(names[0])
        for place in places:
            found += _last(consumer, place, limit)
    finally:
        consumer.close()
    return found


def _last(consumer: KafkaConsumer, partition: TopicPartition, limit: int) -> list[DeadLetter]:
    start, end = consumer.beginning_offsets([partition])[partition], consumer.end_offsets([partition])[partition]
    consumer.assign([partition])
    consumer.seek(partition, max(start, end - limit))
    found: list[DeadLetter] = []
    until = time.monotonic() + PATIENCE_S
    while consumer.position(partition) < end:
        if time.monotonic() > until:
            raise KafkaTimeoutError("the dead letters were not read in time")
        for records in consumer.poll(timeout_ms=500).values():
            found += [_letter(record) for record in records]
    return found


def _letter(record: Any) -> DeadLetter:
    headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
    key = (record.key or b"").decode("utf-8", "replace")
    return DeadLetter(record.topic, record.partition, record.offset, key, record.value or b"", headers)
