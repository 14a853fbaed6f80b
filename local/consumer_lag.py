"""How far each consumer of cdk/wiring.py is behind its topic, partition by partition, and since when."""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError

from cdk.wiring import FUNCTIONS, Function

NOT_YET = (CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError)
READ_S = 5.0
BOOTSTRAP_MS, REQUEST_MS = 2_000, 5_000
FETCH_BYTES = 16_384  # one record of a partition is enough, and the broker sends a larger one whole

At = tuple[TopicPartition, int]


@dataclass(frozen=True)
class Lag:
    """`behind` counts records; `oldest_s` is the age of the first one that is not done, None when there is none."""

    group: str
    topic: str
    partition: int
    behind: int
    oldest_s: float | None


def lags(bootstrap: str, functions: Sequence[Function] = FUNCTIONS) -> list[Lag]:
    """One per consumer group and partition, in a few seconds at most. Raises KafkaError.

    An age that could not be read in `READ_S` is unknown, thus None.
    """
    groups = {f"{f.name}.{source.topic}": source.topic for f in functions for source in f.sources}
    done = _committed(bootstrap, groups)
    consumer = _consumer(bootstrap)
    try:
        starts, ends = _reach(consumer, groups.values())
        at: dict[tuple[str, TopicPartition], int] = {}
        for group, topic in groups.items():
            for partition in sorted(p for p in ends if p.topic == topic):
                # what retention has removed is not waited for any more
                at[group, partition] = max(done[group].get(partition, 0), starts[partition])
        born = _born(consumer, {(p, offset) for (_, p), offset in at.items() if offset < ends[p]})
    finally:
        consumer.close()
    return [_lag(group, p, offset, ends[p], born.get((p, offset))) for (group, p), offset in at.items()]


def record_counts(bootstrap: str, topics: Iterable[str]) -> dict[str, int]:
    """How many records each of these topics ever got. Raises KafkaError."""
    consumer = _consumer(bootstrap)
    try:
        _, ends = _reach(consumer, topics)
    finally:
        consumer.close()
    counts: dict[str, int] = {}
    for partition, end in ends.items():
        counts[partition.topic] = counts.get(partition.topic, 0) + end
    return counts


def _consumer(bootstrap: str) -> KafkaConsumer:
    return KafkaConsumer(
        bootstrap_servers=bootstrap,
        bootstrap_timeout_ms=BOOTSTRAP_MS,
        request_timeout_ms=REQUEST_MS,
        enable_auto_commit=False,
        max_partition_fetch_bytes=FETCH_BYTES,
    )


def _committed(bootstrap: str, groups: Iterable[str]) -> dict[str, dict[TopicPartition, int]]:
    admin = KafkaAdminClient(
        bootstrap_servers=bootstrap, bootstrap_timeout_ms=BOOTSTRAP_MS, request_timeout_ms=REQUEST_MS
    )
    try:
        return {group: _committed_by(admin, group) for group in groups}
    finally:
        admin.close()


def _committed_by(admin: KafkaAdminClient, group: str) -> dict[TopicPartition, int]:
    """By itself, since not every broker answers for several groups at once. One that has just started needs a moment
    to know who coordinates which group."""
    until = time.monotonic() + READ_S
    while True:
        try:
            found = admin.list_group_offsets(group).get(group, {})
            return {partition: said.offset for partition, said in found.items()}
        except NOT_YET:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _reach(
    consumer: KafkaConsumer, topics: Iterable[str]
) -> tuple[Mapping[TopicPartition, int], Mapping[TopicPartition, int]]:
    """The first offset of each partition, and the one after its last."""
    partitions = [TopicPartition(t, n) for t in sorted(set(topics)) for n in consumer.partitions_for_topic(t) or ()]
    return consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)


def _born(consumer: KafkaConsumer, wanted: Collection[At]) -> dict[At, float]:
    """When the records there were written (Unix time), those that answer in time. Each round asks all partitions
    at once, for one offset each; by hand assigned, so that no group notices."""
    found: dict[At, float] = {}
    deadline = time.monotonic() + READ_S
    left = set(wanted)
    while left and time.monotonic() < deadline:
        asked = dict(sorted(left))
        consumer.assign(list(asked))
        consumer.resume(*asked)  # of the round before, which `assign` remembers
        for partition, offset in asked.items():
            consumer.seek(partition, offset)
        while asked and time.monotonic() < deadline:
            for partition, records in consumer.poll(timeout_ms=200).items():
                if partition in asked:
                    found[partition, asked.pop(partition)] = float(records[0].timestamp) / 1000
                    consumer.pause(partition)
        left -= set(found)
    return found


def _lag(group: str, partition: TopicPartition, offset: int, end: int, born: float | None) -> Lag:
    oldest = None if born is None else max(0.0, time.time() - born)
    return Lag(group, partition.topic, partition.partition, max(0, end - offset), oldest)
