"""The consumer's side of a group: its settings, and what a rebalance took or gave."""

import queue
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.structs import MemberState, OffsetAndMetadata

from local.runtime.mapping import Mapping, Partition, Record

MAX_FETCH_WAIT_MS = 1000
FULL_FETCH_BYTES = 256 * 1024
COMMIT_LIMIT_MS = 2000


@dataclass(frozen=True)
class Change:
    """Partitions that this member got, or no longer has."""

    given: bool
    partitions: tuple[Partition, ...]


class Membership(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python is untyped
    """Collects changes on the client's I/O thread, where nothing may block; the loop takes them from here."""

    def __init__(self) -> None:
        self._changes: queue.SimpleQueue[Change] = queue.SimpleQueue()
        self._stable_at = time.monotonic()

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._changes.put(Change(False, tuple((one.topic, one.partition) for one in revoked)))

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._changes.put(Change(True, tuple((one.topic, one.partition) for one in assigned)))

    def watch(self, consumer: KafkaConsumer, patience_s: float) -> bool:
        """Whether the member is still on its way into the group after so long, and should start afresh.

        kafka-python 3.0.12 forgets a join that a change of metadata began when it takes longer than one
        poll: the member then believes to be in the group, and the group has moved on without it.
        """
        now = time.monotonic()
        if consumer.group_metadata().state == MemberState.STABLE:
            self._stable_at = now
        return now - self._stable_at > patience_s

    def changes(self) -> list[Change]:
        """Everything since the last call, in order."""
        return [self._changes.get() for _ in range(self._changes.qsize())]


def consumer(mapping: Mapping, bootstrap: str, member: int, session_s: float, scale: float) -> KafkaConsumer:
    """A member of the mapping's group. Raises KafkaError while no broker answers.

    Where a batch waits for its window, the broker gathers records for a quarter of it before it answers.

    The member is static: a runner that was killed takes its partitions back when it starts again, without
    waiting for its session to lapse. Cooperative, so that a member that joins stops nobody else's work.
    """
    gather_ms = min(int(mapping.window_s / scale * 250), MAX_FETCH_WAIT_MS)
    return KafkaConsumer(
        bootstrap_servers=bootstrap,
        client_id=f"{mapping.group}-{member}",
        group_id=mapping.group,
        group_instance_id=f"{mapping.group}-{member}",
        auto_offset_reset="latest" if mapping.start == "LATEST" else "earliest",
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        isolation_level="read_committed",
        fetch_max_wait_ms=gather_ms or MAX_FETCH_WAIT_MS,
        fetch_min_bytes=FULL_FETCH_BYTES if gather_ms else 1,
        max_poll_records=1000,
        max_poll_interval_ms=60_000,
        session_timeout_ms=int(session_s * 1000),
        heartbeat_interval_ms=int(session_s * 1000 / 6),
        metadata_max_age_ms=10_000,
        reconnect_backoff_max_ms=500,
        bootstrap_timeout_ms=2000,
        partition_assignment_strategy=[CooperativeStickyAssignor],
    )


def subscribe(consumer: KafkaConsumer, mapping: Mapping, listener: Membership) -> bool:
    """Subscribes; false as long as the topic does not exist. Knowing it first avoids joining twice."""
    consumer.subscribe([mapping.topic], listener=listener)
    return mapping.topic in consumer.topics()


def record(fetched: Any) -> Record:
    """A consumer record of kafka-python as our own."""
    return Record(
        fetched.topic,
        fetched.partition,
        fetched.offset,
        fetched.timestamp,
        fetched.key,
        fetched.value,
        tuple(fetched.headers or ()),
        fetched.timestamp_type or 0,
    )


def begin(consumer: KafkaConsumer, mapping: Mapping, partition: Partition, fetched: dict[Any, list[Any]]) -> None:
    """Pins a first start that is not the beginning, so that a restart before a commit skips nothing.

    What was fetched before a start by time is taken out of `fetched`. Raises KafkaError.
    """
    at = TopicPartition(*partition)
    if mapping.start == "TRIM_HORIZON" or consumer.committed(at, timeout_ms=COMMIT_LIMIT_MS) is not None:
        return
    if isinstance(mapping.start, int):
        found = consumer.offsets_for_times({at: mapping.start}, timeout_ms=COMMIT_LIMIT_MS)[at]
        offset = found.offset if found else consumer.end_offsets([at], timeout_ms=COMMIT_LIMIT_MS)[at]
        fetched.pop(at, None)
        consumer.seek(at, offset)
    else:
        records = fetched.get(at)
        offset = records[0].offset if records else consumer.position(at, timeout_ms=COMMIT_LIMIT_MS)
    commit(consumer, {partition: offset})


def commit(consumer: KafkaConsumer, offsets: dict[Partition, int]) -> None:
    """Commits the next offset to read of each partition. Raises KafkaError when the group did not take it."""
    consumer.commit(
        {TopicPartition(*partition): OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()},
        timeout_ms=COMMIT_LIMIT_MS,
    )
