"""What we need of a broker, item by item: consumer groups, their members' deaths, and the broker's own."""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from typing import Any

import confluent_kafka
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

SESSION = {
    "session_timeout_ms": 2_000,
    "heartbeat_interval_ms": 300,
    "max_poll_interval_ms": 10_000,
    "reconnect_backoff_max_ms": 500,
}
TO_BE_KILLED = """
import json, sys
from kafka import KafkaConsumer
topic, settings = sys.argv[1], json.loads(sys.argv[2])
consumer = KafkaConsumer(topic, **settings)
while True:
    for records in consumer.poll(timeout_ms=100).values():
        for record in records:
            print(record.value.decode(), flush=True)
    print("assigned", len(consumer.assignment()), flush=True)
"""


class Member(threading.Thread):
    """Reads, and commits after each batch, until it leaves. `assigned` is what it holds now."""

    def __init__(self, kafka: Any, topic: str, group: str, **settings: Any) -> None:
        super().__init__(daemon=True)
        self.values: list[int] = []
        self.assigned: set[int] = set()
        self._over = threading.Event()
        self._consumer = KafkaConsumer(topic, **group_settings(kafka, group), **settings)
        self.start()

    def run(self) -> None:
        while not self._over.is_set():
            try:
                found = self._consumer.poll(timeout_ms=100)
            except KafkaError:  # the broker is away
                continue
            self.values += [int(r.value) for records in found.values() for r in records]
            if found:
                with suppress(KafkaError):  # missed for too long, or the broker was away: it reads them again
                    self._consumer.commit()
            self.assigned = {p.partition for p in self._consumer.assignment()}
        self._consumer.close(timeout_ms=3_000)

    def close(self) -> None:
        self._over.set()
        self.join(10)


def group_settings(kafka: Any, group: str) -> dict[str, Any]:
    return {
        "bootstrap_servers": kafka.bootstrap,
        "group_id": group,
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        **SESSION,
    }


@pytest.fixture
def write(kafka: Any) -> Iterator[Callable[[str, range], None]]:
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all", enable_idempotence=True)

    def send(topic: str, numbers: range) -> None:
        for future in [producer.send(topic, key=b"%d" % n, value=b"%d" % n) for n in numbers]:
            future.get(timeout=60)

    yield send
    producer.close(timeout=5)


def wait_until(true: Callable[[], bool], what: str, limit_s: float = 120.0) -> None:
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, f"not within {limit_s:.0f} s: {what}"
        time.sleep(0.05)


def shares(members: list[Member]) -> list[int]:
    held = [p for m in members for p in m.assigned]
    return sorted(len(m.assigned) for m in members) if sorted(held) == list(range(6)) else []


def seen(*members: Member) -> Counter[int]:
    return Counter(n for m in members for n in m.values)


def test_three_members_share_six_partitions_and_see_each_record_once(
    kafka: Any, topics: Callable[..., str], group: str, write: Callable[..., None]
) -> None:
    topic = topics(6)
    with ExitStack() as stack:
        members = [stack.enter_context(closing(Member(kafka, topic, group))) for _ in range(3)]
        wait_until(lambda: shares(members) == [2, 2, 2], "two partitions each")
        write(topic, range(600))
        wait_until(lambda: len(seen(*members)) == 600, "all records")
        assert set(seen(*members).values()) == {1}
        assert all(m.values for m in members)


def test_who_leaves_hands_over_and_who_joins_takes_over(
    kafka: Any, topics: Callable[..., str], group: str, write: Callable[..., None]
) -> None:
    topic = topics(6)
    with closing(Member(kafka, topic, group)) as stays, closing(Member(kafka, topic, group)) as leaves:
        wait_until(lambda: shares([stays, leaves]) == [3, 3], "three each")
        write(topic, range(200))
        wait_until(lambda: len(seen(stays, leaves)) == 200, "the first records")
        leaves.close()
        wait_until(lambda: len(stays.assigned) == 6, "all six")
        with closing(Member(kafka, topic, group)) as joins:
            wait_until(lambda: shares([stays, joins]) == [3, 3], "three each again")
            write(topic, range(200, 400))
            wait_until(lambda: len(seen(stays, leaves, joins)) == 400, "all records")
            assert set(seen(stays, leaves, joins).values()) == {1}


def test_a_group_resumes_after_its_last_commit(
    kafka: Any, topics: Callable[..., str], group: str, write: Callable[..., None]
) -> None:
    topic = topics()
    write(topic, range(10))
    consumer = KafkaConsumer(topic, **group_settings(kafka, group))
    wait_until(lambda: bool(consumer.poll(timeout_ms=200)), "the first records")
    consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(4, "", -1)})
    consumer.close(timeout_ms=3_000)
    with closing(Member(kafka, topic, group)) as again:
        wait_until(lambda: len(again.values) == 6, "what was not committed")
        assert again.values == list(range(4, 10))


def test_an_admin_sees_the_lag_resets_the_offsets_and_deletes_the_group(
    kafka: Any, topics: Callable[..., str], group: str, write: Callable[..., None], admin: KafkaAdminClient
) -> None:
    topic = topics()
    partition = TopicPartition(topic, 0)
    write(topic, range(10))
    with closing(Member(kafka, topic, group)) as member:
        wait_until(lambda: len(member.values) == 10, "all records")
    write(topic, range(10, 15))

    def lag() -> int:
        end = admin.list_partition_offsets({partition: OffsetSpec.LATEST})[partition].offset
        return int(end - admin.list_group_offsets({group: None})[group][partition].offset)

    assert lag() == 5
    wait_until(lambda: admin.describe_groups([group])[group]["group_state"] == "Empty", "nobody is left")
    admin.reset_group_offsets(group, {partition: OffsetSpec.EARLIEST})
    assert lag() == 15
    admin.delete_groups([group])
    assert group not in {found["group_id"] for found in admin.list_groups()}


def test_a_killed_member_is_missed_and_its_partitions_are_taken_over(
    kafka: Any, topics: Callable[..., str], group: str, write: Callable[..., None]
) -> None:
    topic = topics(6)
    write(topic, range(60))
    command = [sys.executable, "-W", "ignore", "-c", TO_BE_KILLED, topic, json.dumps(group_settings(kafka, group))]
    doomed = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert doomed.stdout
    assert any(line.strip() == "assigned 6" for line in doomed.stdout)
    doomed.kill()
    doomed.wait()
    with closing(Member(kafka, topic, group)) as heir:
        wait_until(lambda: len(seen(heir)) == 60, "everything the killed one had not committed")
        wait_until(lambda: len(heir.assigned) == 6, "all six partitions")


def test_a_static_member_comes_back_to_its_partitions_without_a_rebalance(
    kafka: Any, topics: Callable[..., str], group: str, admin: KafkaAdminClient
) -> None:
    topic = topics(6)
    with closing(Member(kafka, topic, group, group_instance_id="one")) as one:
        two = Member(kafka, topic, group, group_instance_id="two")
        wait_until(lambda: shares([one, two]) == [3, 3], "three each")
        kept, mine = set(one.assigned), set(two.assigned)
        two.close()
        with closing(Member(kafka, topic, group, group_instance_id="two")) as again:
            wait_until(lambda: again.assigned == mine, "the same partitions")
            assert one.assigned == kept
            instances = {m["group_instance_id"] for m in admin.describe_groups([group])[group]["members"]}
            assert instances == {"one", "two"}


def test_three_cooperative_sticky_members_of_confluent_kafka_see_each_record_once(
    kafka: Any, topics: Callable[..., str], group: str, write: Callable[..., None]
) -> None:
    topic = topics(6)
    settings = {
        "bootstrap.servers": kafka.bootstrap,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "partition.assignment.strategy": "cooperative-sticky",
    }
    members = [confluent_kafka.Consumer(settings) for _ in range(3)]
    found: list[int] = []

    def poll() -> None:
        for member in members:
            found.extend(int(m.value() or b"-1") for m in member.consume(200, timeout=0.1) if not m.error())

    def balanced() -> bool:
        poll()
        return [len(m.assignment()) for m in members] == [2, 2, 2]

    def all_there() -> bool:
        poll()
        return len(set(found)) == 600

    try:
        for member in members:
            member.subscribe([topic])
        wait_until(balanced, "two partitions each")
        write(topic, range(600))
        wait_until(all_there, "all records")
        assert sorted(found) == list(range(600))
    finally:
        for member in members:
            member.close()


def test_a_group_goes_on_after_the_broker_was_killed(
    kafka: Any, topics: Callable[..., str], group: str, write: Callable[..., None]
) -> None:
    topic = topics(6)
    with closing(Member(kafka, topic, group)) as member:
        write(topic, range(100))
        wait_until(lambda: len(seen(member)) == 100, "the first records")
        kafka.kill()
        kafka.start()
        producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all")
        with closing(producer):
            for n in range(100, 200):
                producer.send(topic, value=b"%d" % n)
            producer.flush(timeout=20)
        wait_until(lambda: len(seen(member)) == 200, "all records")
