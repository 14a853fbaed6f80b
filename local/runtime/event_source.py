"""Runs one member of a Kafka event source mapping as Lambda does: poll, invoke, judge, commit.

One thread owns the consumer; invocations run beside it (slots.py). What travels next is decided in
dispatch.py and partition_queue.py, both pure. An offset is committed only when everything before it is
done, so a crash anywhere brings records again and never loses one.
"""

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from local.runtime import answers, dispatch, filters, membership, payload
from local.runtime.counters import Counters
from local.runtime.mapping import Mapping, Partition
from local.runtime.on_failure import OnFailureTarget
from local.runtime.partition_queue import PartitionQueue
from local.runtime.slots import Finished, Slots
from local.runtime.worker import FunctionSpec

log = logging.getLogger(__name__)

BUFFERED_RECORDS = 1000
IDLE_POLL_S = 0.25
BUSY_POLL_S = 0.01
FULL_WAIT_S = 0.1
RETRY_S = 0.25
COMMIT_LIMIT_MS = 2000
CLOSE_LIMIT_MS = 3000
REPORT_EVERY_S = 0.2


@dataclass(frozen=True)
class Surroundings:
    """Where a member runs. `scale` > 1 makes waits that much shorter; `report` is the counters' file."""

    bootstrap: str
    member: int = 0
    scale: float = 1.0
    session_s: float = 6.0
    grace_s: float = 5.0
    report: Path | None = None


class EventSource:
    """`run` works until `stop` is called, from another thread or a signal handler."""

    def __init__(self, mapping: Mapping, spec: FunctionSpec, where: Surroundings) -> None:
        self.mapping = mapping
        self.where = where
        self.counters = Counters()
        self._slots = Slots(spec, mapping.concurrency)
        self._target = OnFailureTarget(mapping, where.bootstrap)
        self._membership = membership.Membership()
        self._queues: dict[Partition, PartitionQueue] = {}
        self._committed: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        self._no_commit_before = 0.0
        self._no_delivery_before = 0.0
        self._next_report = 0.0
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Invocations under way may finish within the grace time; the rest comes again later."""
        self._stopping.set()

    def run(self) -> None:
        """Blocks. Lets what it cannot wait for pass: a fenced member or an unknown group setting."""
        self._slots.warm_up()
        consumer = self._connect()
        if consumer is None:
            return
        consumer.subscribe([self.mapping.topic], listener=self._membership)
        try:
            while not self._stopping.is_set():
                self._turn(consumer)
            self._drain(consumer)
        finally:
            self._slots.close()
            self._target.close()
            consumer.close(autocommit=False, timeout_ms=CLOSE_LIMIT_MS)
            self._report(force=True)

    def _connect(self) -> KafkaConsumer | None:
        while not self._stopping.is_set():
            try:
                return membership.consumer(
                    self.mapping, self.where.bootstrap, self.where.member, self.where.session_s
                )
            except KafkaError as error:
                self._note_polling_error(error)
        return None

    def _turn(self, consumer: KafkaConsumer) -> None:
        self._poll(consumer)
        self._settle(self._slots.finished())
        self._deliver()
        self._commit(consumer)
        self._dispatch()
        self._throttle(consumer)
        self._report()

    def _poll(self, consumer: KafkaConsumer) -> None:
        """Fetches, and keeps the membership alive; waits as long as nothing else is to be done."""
        wait_s = self._wait_s()
        if self._slots.free == 0:
            self._settle(self._slots.finished(FULL_WAIT_S))
            wait_s = 0.0
        try:
            fetched = consumer.poll(timeout_ms=int(wait_s * 1000))
        except KafkaError as error:
            if not error.retriable and not isinstance(error, OSError):
                raise
            self._note_polling_error(error)
            fetched = {}
        self._follow_membership(consumer)
        now = time.monotonic()
        for records in fetched.values():
            self._take_in(records, now)

    def _wait_s(self) -> float:
        due = dispatch.next_due(self._queues, self.mapping, self.where.scale)
        longest = BUSY_POLL_S if self._slots.busy else IDLE_POLL_S
        return longest if due is None else min(max(due - time.monotonic(), 0.0), longest)

    def _take_in(self, records: Iterable[object], now: float) -> None:
        for fetched in records:
            record = membership.record(fetched)
            queue = self._queues.get((record.topic, record.partition))
            if queue is None:
                continue
            wanted = filters.wanted(record, self.mapping.filters)
            self.counters.polled += 1
            self.counters.filtered += not wanted
            queue.add(record, now, wanted=wanted)

    def _follow_membership(self, consumer: KafkaConsumer) -> None:
        """A partition that was taken away is forgotten at once, with the result of its running batch."""
        for change in self._membership.changes():
            for partition in change.partitions:
                self._queues.pop(partition, None)
                self._committed.pop(partition, None)
                self._paused.discard(partition)
                if change.given:
                    self._queues[partition] = PartitionQueue(self.mapping, self.where.scale)
                    self._begin(consumer, TopicPartition(*partition))

    def _begin(self, consumer: KafkaConsumer, partition: TopicPartition) -> None:
        """Pins a first start that is not the beginning, so that a restart before a commit skips nothing."""
        start = self.mapping.start
        if start == "TRIM_HORIZON" or consumer.committed(partition) is not None:
            return
        if isinstance(start, int):
            found = consumer.offsets_for_times({partition: start})[partition]
            offset = found.offset if found else consumer.end_offsets([partition])[partition]
            consumer.seek(partition, offset)
        else:
            offset = consumer.position(partition)
        consumer.commit({partition: OffsetAndMetadata(offset, "", -1)}, timeout_ms=COMMIT_LIMIT_MS)
