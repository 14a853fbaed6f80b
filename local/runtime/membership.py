"""The consumer's side of a group: its settings, what a rebalance took or gave, and commits.

librdkafka, since a runner with twenty mappings spends several times as much CPU on the protocol in pure Python.
It calls back on the thread that polls, so that what a partition brings stands in order with what a rebalance did to it.
"""

import logging
from functools import partial
from typing import Any, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from local.runtime.mapping import Mapping, Partition, Record

log = logging.getLogger(__name__)

MAX_FETCH_WAIT_MS = 1000
# a broker that is asked more often than this by twenty quiet mappings does nothing else
MIN_GATHER_MS = 100
FULL_FETCH_BYTES = 256 * 1024
ANSWER_LIMIT_S = 2.0
QUEUED_RECORDS = 1000


class Member(Protocol):
    """Whose partitions these are. Each is called on the thread that polls, in the order in which things happened."""

    def took(self, record: Record) -> None:
        """A record came."""

    def given(self, partition: Partition, position: int | None) -> None:
        """A partition to read; `position` where a first start is not the beginning, which is to be committed."""

    def taken(self, partition: Partition) -> None:
        """The partition is another member's now."""

    def lost(self) -> None:
        """The group counts the member as dead: another consumer has to take its place."""

    def committed(self, offsets: dict[Partition, int], error: KafkaError | None) -> None:
        """A commit ended."""

    def troubled(self, error: object) -> None:
        """The broker did not answer, or not as hoped."""

    @property
    def stopping(self) -> bool: ...


def consumer(mapping: Mapping, bootstrap: str, number: int, session_s: float, scale: float, member: Member) -> Consumer:
    """A member of the mapping's group, not subscribed yet; asks for no broker.

    Where a batch waits for its window, the broker gathers records for a quarter of it before it answers; where that is
    but a moment, it answers at once to the first record instead.

    Cooperative, so that a member that joins stops nobody else's work. Not static: a static member that joins again
    after its broker stood still is fenced by its own first try.
    """
    gather_ms = min(int(mapping.window_s / scale * 250), MAX_FETCH_WAIT_MS)
    gather_ms = gather_ms if gather_ms >= MIN_GATHER_MS else 0
    settings: dict[str, object] = {
        "bootstrap.servers": bootstrap,
        "client.id": f"{mapping.group}-{number}",
        "group.id": mapping.group,
        "auto.offset.reset": "latest" if mapping.start == "LATEST" else "earliest",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "allow.auto.create.topics": False,
        "isolation.level": "read_committed",
        "fetch.wait.max.ms": gather_ms or MAX_FETCH_WAIT_MS,
        "fetch.min.bytes": FULL_FETCH_BYTES if gather_ms else 1,
        "fetch.error.backoff.ms": 100,
        "queued.min.messages": QUEUED_RECORDS,
        "max.poll.interval.ms": 60_000,
        "session.timeout.ms": int(session_s * 1000),
        "heartbeat.interval.ms": int(session_s * 1000 / 6),
        "topic.metadata.refresh.interval.ms": 10_000,
        "reconnect.backoff.max.ms": 500,
        "partition.assignment.strategy": "cooperative-sticky",
        "error_cb": member.troubled,
        "on_commit": partial(_committed, member),
        "log_level": 3,
    }
    return Consumer(settings, logger=log)


def subscribe(consumer: Consumer, mapping: Mapping, member: Member) -> bool:
    """Subscribes; false as long as the topic does not exist. Knowing it first avoids joining twice."""
    try:
        if consumer.list_topics(mapping.topic, timeout=ANSWER_LIMIT_S).topics[mapping.topic].error is not None:
            return False
    except KafkaException as error:
        member.troubled(error)
        return False

    def taken(_: Consumer, partitions: list[TopicPartition]) -> None:
        for one in partitions:
            member.taken((one.topic, one.partition))

    def lost(consumer: Consumer, partitions: list[TopicPartition]) -> None:
        taken(consumer, partitions)
        member.lost()

    consumer.subscribe([mapping.topic], on_assign=partial(_assign, mapping, member), on_revoke=taken, on_lost=lost)
    return True


def _assign(mapping: Mapping, member: Member, consumer: Consumer, partitions: list[TopicPartition]) -> None:
    while not member.stopping:
        try:
            begun = partitions if mapping.start == "TRIM_HORIZON" else _begun(consumer, mapping.start, partitions)
        except KafkaException as error:
            member.troubled(error)
            continue
        consumer.incremental_assign(begun)
        for one in begun:
            member.given((one.topic, one.partition), one.offset if one.offset >= 0 else None)
        return


def _begun(consumer: Consumer, start: str | int, partitions: list[TopicPartition]) -> list[TopicPartition]:
    """The partitions, with an offset where the group has committed none: a restart must skip nothing.

    Raises KafkaException.
    """
    return [
        one if one.offset >= 0 else TopicPartition(one.topic, one.partition, _first(consumer, start, one))
        for one in consumer.committed(partitions, timeout=ANSWER_LIMIT_S)
    ]


def _first(consumer: Consumer, start: str | int, at: TopicPartition) -> int:
    if isinstance(start, int):
        wanted = TopicPartition(at.topic, at.partition, start)
        found: int = consumer.offsets_for_times([wanted], timeout=ANSWER_LIMIT_S)[0].offset
        if found >= 0:
            return found
    end: int = consumer.get_watermark_offsets(at, timeout=ANSWER_LIMIT_S)[1]
    return end


def poll(consumer: Consumer, wait_s: float, most: int, member: Member) -> None:
    """Hands over at most so many records, waiting for the first, and whatever else happened."""
    message = consumer.poll(wait_s)
    while message is not None:
        error = message.error()
        if error is None:
            member.took(record(message))
        else:
            member.troubled(error)
        most -= 1
        message = consumer.poll(0) if most else None


def record(message: Any) -> Record:
    """A message of librdkafka as our own; its type of a timestamp is one more than the protocol's."""
    kind, timestamp = message.timestamp()
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        timestamp,
        message.key(),
        message.value(),
        tuple(message.headers() or ()),
        max(kind - 1, 0),
    )


def commit(consumer: Consumer, offsets: dict[Partition, int]) -> None:
    """Begins to commit the next offset to read of each partition; the member hears how it ended.

    Raises KafkaException.
    """
    consumer.commit(offsets=[TopicPartition(*partition, offset) for partition, offset in offsets.items()])


def _committed(member: Member, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
    failed = error or next((one.error for one in partitions if one.error is not None), None)
    member.committed({(one.topic, one.partition): one.offset for one in partitions}, failed)


def lag_end(consumer: Consumer, partition: Partition) -> int | None:
    """The end of the partition as the last fetch told it; None before."""
    end: int = consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)[1]
    return end if end >= 0 else None
