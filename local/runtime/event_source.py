"""Runs one member of a Kafka event source mapping as Lambda does: poll, invoke, judge, commit.

One thread owns the consumer; invocations run beside it (slots.py). What travels next is decided in
dispatch.py and partition_queue.py, both pure. An offset is committed only when everything before it is
done, so a crash anywhere brings records again and never loses one.
"""

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from local.runtime import answers, dispatch, filters, membership, payload
from local.runtime.counters import Counters
from local.runtime.mapping import Mapping, Partition, Record
from local.runtime.on_failure import OnFailureTarget
from local.runtime.partition_queue import PartitionQueue
from local.runtime.slots import Finished, Slots, Workers

log = logging.getLogger(__name__)

BUFFERED_RECORDS = 1000
IDLE_POLL_S = 1.0  # records end it at once; a runner with twenty quiet topics asks for each of them
BUSY_POLL_S = 0.02
FULL_WAIT_S = 0.1
RETRY_S = 0.25
POLLED_RECORDS = 1000
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

    def __init__(self, mapping: Mapping, workers: Workers, where: Surroundings) -> None:
        self.mapping = mapping
        self.where = where
        self.counters = Counters()
        self._slots = Slots(workers, mapping.concurrency)
        self._target = OnFailureTarget(mapping, where.bootstrap)
        self._queues: dict[Partition, PartitionQueue] = {}
        self._committed: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        self._committing = False
        self._lost = False
        self._no_commit_before = 0.0
        self._no_delivery_before = 0.0
        self._next_report = 0.0
        self._reported: Counters | None = None
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Invocations under way may finish within the grace time; the rest comes again later."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def run(self) -> None:
        """Blocks."""
        self._slots.warm_up()
        try:
            while not self.stopping:
                self._belong()
        finally:
            self._slots.close()
            self._target.close()

    def _belong(self) -> None:
        """To the group, as one member, until it is to stop or was lost. librdkafka 2.16 joins again by itself, but of
        ten members whose broker stood still one stays without partitions for ever."""
        where = self.where
        self._lost = self._committing = False
        consumer = membership.consumer(self.mapping, where.bootstrap, where.member, where.session_s, where.scale, self)
        try:
            while not membership.subscribe(consumer, self.mapping, self):
                if self._stopping.wait(RETRY_S):
                    return
            while not self.stopping and not self._lost:
                self._turn(consumer)
            if self.stopping:
                self._drain(consumer)
        finally:
            self._report(consumer, force=True)
            consumer.close()

    def _turn(self, consumer: Consumer) -> None:
        self._poll(consumer)
        self._settle(self._slots.finished())
        self._deliver()
        self._commit(consumer)
        self._dispatch()
        self._throttle(consumer)
        self._report(consumer)

    def _poll(self, consumer: Consumer) -> None:
        """Fetches, and keeps the membership alive; waits as long as nothing else is to be done."""
        wait_s = self._wait_s()
        if self._slots.busy:
            # an end wakes it, so that it does not look a hundred times a second
            self._settle(self._slots.finished(wait_s if self._slots.free else FULL_WAIT_S))
            wait_s = 0.0
        membership.poll(consumer, wait_s, POLLED_RECORDS, self)

    def _wait_s(self) -> float:
        due = dispatch.next_due(self._queues, self.mapping, self.where.scale)
        longest = BUSY_POLL_S if self._slots.busy else IDLE_POLL_S
        return longest if due is None else min(max(due - time.monotonic(), 0.0), longest)

    def took(self, record: Record) -> None:
        wanted = filters.wanted(record, self.mapping.filters)
        self.counters.polled += 1
        self.counters.filtered += not wanted
        self._queues[record.topic, record.partition].add(record, time.monotonic(), wanted=wanted)

    def given(self, partition: Partition, position: int | None) -> None:
        self._queues[partition] = PartitionQueue(self.mapping, self.where.scale, position)

    def taken(self, partition: Partition) -> None:
        """It is forgotten at once, with the result of its running batch."""
        self._queues.pop(partition, None)
        self._committed.pop(partition, None)
        self._paused.discard(partition)

    def lost(self) -> None:
        self._lost = True

    def committed(self, offsets: dict[Partition, int], error: object) -> None:
        self._committing = False
        if error is not None:
            self.counters.commit_errors += 1
            self._no_commit_before = time.monotonic() + RETRY_S
            log.warning("%s: not committed yet: %s", self.mapping.group, error)
            return
        held = {partition: offset for partition, offset in offsets.items() if partition in self._queues}
        self.counters.committed += sum(offset - self._committed.get(p, offset) for p, offset in held.items())
        self._committed |= held

    def troubled(self, error: object) -> None:
        self.counters.polling_errors += 1
        log.warning("%s: %s", self.mapping.group, error)

    def _settle(self, finished: Iterable[Finished]) -> None:
        """Tells each queue how its batch ended; a queue that was taken away meanwhile no longer cares."""
        for one in finished:
            records = one.payload.records
            failed = None if one.error else frozenset[answers.Identifier]()
            if one.error:
                log.warning("%s failed on %d records: %s", self.mapping.function, len(records), one.error)
            elif self.mapping.partial_batch:
                failed = answers.reported(one.answer, records)
            self.counters.failed += len(records) if failed is None else len(failed)
            shared = len(one.payload.queues) > 1
            for partition, queue in one.payload.queues.items():
                if self._queues.get(partition) is queue:
                    settle(partition, queue, failed, shared=shared)

    def _deliver(self) -> None:
        """Hands dropped records to the on-failure target; until it has them, their partition stands still."""
        waiting = [queue for queue in self._queues.values() if queue.dropped]
        if not waiting or time.monotonic() < self._no_delivery_before:
            return
        for queue in waiting:
            try:
                self._target.deliver(queue.dropped)
            except KafkaException as error:
                self.counters.delivery_errors += 1
                self._no_delivery_before = time.monotonic() + RETRY_S
                log.warning("%s: dropped records not delivered yet: %s", self.mapping.group, error)
                return
            self.counters.dropped += len(queue.dropped)
            self.counters.delivered += len(queue.dropped) if self.mapping.on_failure else 0
            log.warning("%s: %d records dropped", self.mapping.group, len(queue.dropped))
            queue.dropped.clear()

    def _commit(self, consumer: Consumer) -> None:
        if self._committing or time.monotonic() < self._no_commit_before:
            return
        done = {partition: queue.commit_position() for partition, queue in self._queues.items()}
        new = {p: offset for p, offset in done.items() if offset is not None and offset != self._committed.get(p)}
        if not new:
            return
        self._committing = True
        try:
            membership.commit(consumer, new)
        except KafkaException as error:
            self.committed(new, error)

    def _dispatch(self) -> None:
        while self._slots.free:
            now = time.monotonic()
            chosen = dispatch.compose(self._queues, self.mapping, now, time.time() * 1000, self.where.scale)
            if chosen is None:
                return
            if not chosen.records:
                # all of it was too old: what was dropped is delivered in the next turn
                continue
            self.counters.invocations += 1
            self.counters.invoked += len(chosen.records)
            self._slots.start(chosen, partial(payload.event, chosen.records, self.where.bootstrap))

    def _throttle(self, consumer: Consumer) -> None:
        """Fetches no more of a partition that has plenty waiting, while the membership stays alive."""
        for partition, queue in self._queues.items():
            at = TopicPartition(*partition)
            if len(queue) >= BUFFERED_RECORDS and partition not in self._paused:
                consumer.pause([at])
                self._paused.add(partition)
            elif len(queue) < BUFFERED_RECORDS // 2 and partition in self._paused:
                consumer.resume([at])
                self._paused.discard(partition)

    def _drain(self, consumer: Consumer) -> None:
        """Waits for what runs, and for the commit of what is done."""
        deadline = time.monotonic() + self.where.grace_s
        while self._slots.busy and time.monotonic() < deadline:
            self._settle(self._slots.finished(FULL_WAIT_S))
        self._deliver()
        consumer.pause([TopicPartition(*partition) for partition in self._queues])
        self._commit(consumer)
        while self._committing and time.monotonic() < deadline:
            membership.poll(consumer, BUSY_POLL_S, 1, self)
            self._commit(consumer)

    def _report(self, consumer: Consumer, *, force: bool = False) -> None:
        now = time.monotonic()
        if self.where.report is None or (now < self._next_report and not force):
            return
        self._next_report = now + REPORT_EVERY_S
        self.counters.partitions = sorted(number for _, number in self._queues)
        self.counters.function_pids = self._slots.pids
        self.counters.lag = sum(self._lag(consumer, partition) for partition in self._queues)
        if self.counters != self._reported:  # most mappings have nothing new to say five times a second
            self.counters.write(self.where.report)
            self._reported = replace(self.counters)

    def _lag(self, consumer: Consumer, partition: Partition) -> int:
        end = membership.lag_end(consumer, partition)
        done = self._queues[partition].commit_position()
        return max(0, end - done) if end is not None and done is not None else 0


def settle(
    partition: Partition, queue: PartitionQueue, failed: frozenset[answers.Identifier] | None, *, shared: bool
) -> None:
    """Tells one queue its part of an outcome; None is the failure of the whole payload."""
    now = time.monotonic()
    if failed is None:
        queue.fail(None, now, shared=shared)
        return
    topic, number = partition
    offsets = frozenset(offset for name, offset in failed if name == f"{topic}-{number}")
    if offsets:
        queue.fail(offsets, now)
    else:
        queue.succeed()
