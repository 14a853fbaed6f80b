"""What was acknowledged survives a killed broker: all of it, in order, in its partition."""

import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from local.parts.kafka import Kafka
from local.topics import create_topics

TOPIC = "deploy-requests"
PARTITIONS = 6


class Writer(threading.Thread):
    """Writes rising numbers to every partition, acks=all, and notes what was acknowledged, until it is told to end."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(daemon=True)
        self.acknowledged: dict[int, list[int]] = defaultdict(list)
        self._servers = bootstrap
        self._over = threading.Event()
        self._next = 0
        self.start()

    @property
    def count(self) -> int:
        return sum(len(numbers) for numbers in list(self.acknowledged.values()))

    def run(self) -> None:
        while not self._over.is_set():
            try:
                producer = KafkaProducer(
                    bootstrap_servers=self._servers, bootstrap_timeout_ms=2_000, acks="all", enable_idempotence=True,
                    linger_ms=0, request_timeout_ms=4_000, delivery_timeout_ms=5_000, max_block_ms=2_000,
                )  # fmt: skip
            except KafkaError:
                continue
            try:
                while not self._over.is_set():
                    self._write_a_few(producer)
            except KafkaError:
                pass  # as our own producer does: drop what is not acknowledged, connect anew
            finally:
                with suppress(KafkaError):
                    producer.close(timeout=6)  # its records end 5 s after they were handed over; before, it stays open

    def end(self) -> None:
        self._over.set()
        self.join(20)

    def _write_a_few(self, producer: KafkaProducer) -> None:
        sent = []
        for _ in range(60):
            sent.append((self._next, producer.send(TOPIC, value=b"%d" % self._next, partition=self._next % PARTITIONS)))
            self._next += 1
        for number, future in sent:
            # the first that fails ends the client; what is not waited for any more is not counted as acknowledged
            future.get(timeout=6)
            self.acknowledged[number % PARTITIONS].append(number)


def stored(bootstrap: str) -> dict[int, list[int]]:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    partitions = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(partitions)
    found: dict[int, list[int]] = defaultdict(list)
    deadline = time.monotonic() + 120
    while any(consumer.position(p) < ends[p] for p in partitions):
        assert time.monotonic() < deadline, "the topic could not be read within two minutes"
        for partition, records in consumer.poll(timeout_ms=200).items():
            found[partition.partition] += [int(record.value) for record in records]
    consumer.close()
    return found


def kill_under_writes(broker: Kafka, times: int) -> list[float]:
    """Kills and starts the broker while somebody writes; the seconds each start took."""
    create_topics(broker.bootstrap)
    writer = Writer(broker.bootstrap)
    try:
        seconds = [kill_once(broker, writer) for _ in range(times)]
        more_are_acknowledged(writer)
    finally:
        writer.end()
    found = stored(broker.bootstrap)
    for partition, numbers in sorted(writer.acknowledged.items()):
        wanted = set(numbers)
        kept = [n for n in found[partition] if n in wanted]
        assert kept == numbers, f"partition {partition}: every acknowledged record once and in order"
    report(broker, seconds, writer.count, sum(len(numbers) for numbers in found.values()))
    return seconds


def kill_once(broker: Kafka, writer: Writer) -> float:
    more_are_acknowledged(writer)
    broker.kill()
    begun = time.monotonic()
    broker.start()
    return time.monotonic() - begun


def more_are_acknowledged(writer: Writer) -> None:
    before = writer.count
    wait_until(lambda: writer.count > before + 300, "records are acknowledged")


def wait_until(true: Callable[[], bool], what: str, limit_s: float = 120.0) -> None:
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, f"not within {limit_s:.0f} s: {what}"
        time.sleep(0.02)


def report(broker: Kafka, seconds: list[float], acknowledged: int, stored: int) -> None:
    rss = psutil.Process(broker.pid).memory_info().rss / 2**20
    print(  # noqa: T201  what the slow lane is run for; -s or -rP shows it
        f"\n{len(seconds)} kills: ready again after {min(seconds):.1f} / {statistics.median(seconds):.1f} /"
        f" {max(seconds):.1f} s (min / median / max); {acknowledged} records acknowledged, all kept in order,"
        f" {stored} stored; resident memory {rss:.0f} MiB"
    )


def test_nothing_acknowledged_is_lost_when_the_broker_is_killed_twice(broker: Kafka) -> None:
    kill_under_writes(broker, 2)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_when_the_broker_is_killed_twenty_times(broker: Kafka) -> None:
    seconds = kill_under_writes(broker, 20)
    assert max(seconds) < 30, "after a kill the old lease has to lapse, 3 s, and the log is read again"
