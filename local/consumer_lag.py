"""How far each consumer of cdk/wiring.py is behind its topic, partition by partition, and since when."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from kafka import KafkaConsumer, TopicPartition

from cdk.wiring import FUNCTIONS

READ_S = 5.0


@dataclass(frozen=True)
class Lag:
    """`behind` counts records; `oldest_s` is the age of the first one that is not done, None when there is none."""

    group: str
    topic: str
    partition: int
    behind: int
    oldest_s: float | None


def lags(bootstrap: str) -> Iterator[Lag]:
    """One per consumer group and partition. Raises KafkaError."""
    for function in FUNCTIONS:
        for source in function.sources:
            group = f"{function.name}.{source.topic}"
            consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
            try:
                yield from _of_group(consumer, group, source.topic)
            finally:
                consumer.close()


def _of_group(consumer: KafkaConsumer, group: str, topic: str) -> Iterator[Lag]:
    partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
    ends, starts = consumer.end_offsets(partitions), consumer.beginning_offsets(partitions)
    for partition in partitions:
        # what retention has removed is not waited for any more
        at = max(consumer.committed(partition) or 0, starts[partition])
        behind = ends[partition] - at
        oldest = _age(consumer, partition, at) if behind > 0 else None
        yield Lag(group, topic, partition.partition, behind, oldest)


def _age(consumer: KafkaConsumer, partition: TopicPartition, offset: int) -> float | None:
    """By hand assigned, so that the group does not notice."""
    consumer.assign([partition])
    consumer.seek(partition, offset)
    deadline = time.monotonic() + READ_S
    while time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=200, max_records=1).values():
            return max(0.0, time.time() - float(records[0].timestamp) / 1000)
    return None
