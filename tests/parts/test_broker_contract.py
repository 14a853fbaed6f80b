"""What we need of a broker, item by item: topics, producing, reading, transactions, cleaning.

Groups have a file of their own, and so has the killing of the broker. Runs against STOA_KAFKA_BOOTSTRAP if set.
"""

import asyncio
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import confluent_kafka
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import (
    InvalidConfigurationError,
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    TopicAlreadyExistsError,
)
from kafka.structs import OffsetAndMetadata

pytestmark = pytest.mark.timeout(75)

Topics = Callable[..., str]


@pytest.fixture
def producer(kafka: Any) -> Iterator[KafkaProducer]:
    client = KafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all", enable_idempotence=True)
    yield client
    client.close(timeout=5)


def reader(kafka: Any, topic: str, partitions: int = 1, **settings: Any) -> KafkaConsumer:
    consumer = KafkaConsumer(
        bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False, **settings
    )
    consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
    return consumer


def read(consumer: KafkaConsumer, count: int, limit_s: float = 60.0) -> list[Any]:
    """The next records, at least `count` of them, and those that came with the last."""
    found: list[Any] = []
    deadline = time.monotonic() + limit_s
    while len(found) < count and time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=200).values():
            found += records
    assert len(found) >= count, f"{len(found)} of {count} records within {limit_s:.0f} s"
    return found


def everything(kafka: Any, topic: str) -> list[Any]:
    """What a consumer from the beginning finds in the topic's only partition."""
    with closing(reader(kafka, topic)) as consumer:
        partition = TopicPartition(topic, 0)
        end = consumer.end_offsets([partition])[partition]
        consumer.seek_to_beginning()
        found: list[Any] = []
        deadline = time.monotonic() + 60
        while consumer.position(partition) < end and time.monotonic() < deadline:
            for records in consumer.poll(timeout_ms=200).values():
                found += records
        return found


def wait_until(true: Callable[[], bool], what: str, limit_s: float = 120.0) -> None:
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, f"not within {limit_s:.0f} s: {what}"
        time.sleep(0.1)


def setting(admin: KafkaAdminClient, topic: str, name: str) -> str:
    said = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
    value: str = said["topic"][topic][name]["value"]
    return value


def test_a_topic_is_made_changed_widened_and_deleted(admin: KafkaAdminClient, topics: Topics) -> None:
    topic = topics(2, retention_ms="60000")
    assert setting(admin, topic, "retention.ms") == "60000"
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "120000"})])
    wait_until(lambda: setting(admin, topic, "retention.ms") == "120000", "the new retention")
    admin.create_partitions({topic: 5})
    wait_until(lambda: len(admin.describe_topics([topic])[0]["partitions"]) == 5, "five partitions")
    admin.delete_topics([topic])
    wait_until(lambda: topic not in admin.list_topics(), "the topic is gone")


def test_a_topic_that_exists_a_bad_name_and_a_bad_setting_are_refused(admin: KafkaAdminClient, topics: Topics) -> None:
    with pytest.raises(TopicAlreadyExistsError):
        admin.create_topics([topics()])
    with pytest.raises(InvalidTopicError):
        admin.create_topics(["no spaces"])
    name = f"contract-{uuid.uuid4().hex[:12]}"
    with pytest.raises(InvalidConfigurationError):
        admin.create_topics({name: {"configs": {"retention.ms": "tomorrow"}}})
    assert name not in admin.list_topics()


def test_an_idempotent_producer_writes_each_record_once_and_in_order(
    kafka: Any, topics: Topics, producer: KafkaProducer
) -> None:
    topic = topics()
    sent = [producer.send(topic, value=str(n).encode()) for n in range(2_000)]
    offsets = [future.get(timeout=20).offset for future in sent]
    assert offsets == list(range(2_000))
    assert [int(r.value) for r in everything(kafka, topic)] == list(range(2_000))


def test_a_key_keeps_its_order_its_partition_and_its_headers(
    kafka: Any, topics: Topics, producer: KafkaProducer
) -> None:
    topic = topics(6)
    for n in range(300):
        producer.send(topic, key=f"key-{n % 30}".encode(), value=str(n).encode(), headers=[("n", b"%d" % n)])
    producer.flush(timeout=20)
    with closing(reader(kafka, topic, 6)) as consumer:
        records = read(consumer, 300)
    where, order = defaultdict(set), defaultdict(list)
    for record in records:
        where[record.key].add(record.partition)
        order[record.key].append(int(record.value))
        assert list(record.headers) == [("n", record.value)]
    assert {len(partitions) for partitions in where.values()} == {1}
    assert all(numbers == sorted(numbers) for numbers in order.values())
    assert len({r.partition for r in records}) == 6, "thirty keys reach all six partitions"


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
def test_compressed_records_come_back_whole(kafka: Any, topics: Topics, codec: str) -> None:
    """By confluent-kafka: it has all three codecs inside, kafka-python wants a package for each but gzip."""
    topic = topics()
    sent = [f"{n} ".encode() * 200 for n in range(100)]
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": kafka.bootstrap, "compression.type": codec, "linger.ms": 50}
    )
    for value in sent:
        producer.produce(topic, value)
    assert producer.flush(20) == 0
    assert confluent_values(kafka, topic, len(sent)) == sent


def confluent_values(kafka: Any, topic: str, count: int) -> list[bytes]:
    settings = {"bootstrap.servers": kafka.bootstrap, "group.id": uuid.uuid4().hex, "enable.auto.commit": False}
    consumer = confluent_kafka.Consumer(settings)
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    try:
        return [m.value() or b"" for m in consumer.consume(count, timeout=20) if not m.error()]
    finally:
        consumer.close()


def test_offsets_are_found_by_time_and_records_are_read_again(
    kafka: Any, topics: Topics, producer: KafkaProducer
) -> None:
    topic = topics()
    partition = TopicPartition(topic, 0)
    start = int(time.time() * 1000) - 60_000
    for n in range(10):
        producer.send(topic, value=str(n).encode(), timestamp_ms=start + n * 1_000)
    producer.flush(timeout=20)
    with closing(reader(kafka, topic)) as consumer:
        found = consumer.offsets_for_times({partition: start + 6_500})[partition]
        assert (found.offset, found.timestamp) == (7, start + 7_000)
        assert consumer.offsets_for_times({partition: start + 60_000})[partition] is None
        consumer.seek(partition, found.offset)
        assert [int(r.value) for r in read(consumer, 3)] == [7, 8, 9]
        consumer.seek_to_beginning()
        assert [int(r.value) for r in read(consumer, 10)] == list(range(10))


def test_records_below_an_offset_are_deleted(
    kafka: Any, topics: Topics, producer: KafkaProducer, admin: KafkaAdminClient
) -> None:
    topic = topics()
    for n in range(10):
        producer.send(topic, value=str(n).encode())
    producer.flush(timeout=20)
    admin.delete_records({TopicPartition(topic, 0): 6})
    assert [int(r.value) for r in everything(kafka, topic)] == [6, 7, 8, 9]


def test_900_kb_are_accepted_and_a_megabyte_and_a_half_refused(kafka: Any, topics: Topics) -> None:
    topic = topics()
    generous = KafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all", max_request_size=3_000_000)
    with closing(generous):
        assert generous.send(topic, value=b"x" * 900_000).get(timeout=20).offset == 0
        with pytest.raises(MessageSizeTooLargeError):
            generous.send(topic, value=b"x" * 1_500_000).get(timeout=20)
    assert [len(r.value) for r in everything(kafka, topic)] == [900_000]


def test_a_transaction_shows_all_its_records_and_offsets_or_none(
    kafka: Any, topics: Topics, group: str, producer: KafkaProducer
) -> None:
    source, target = TopicPartition(topics(), 0), topics()
    producer.send(source.topic, value=b"input").get(timeout=20)
    writer = KafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id=group)
    with closing(writer), closing(reader(kafka, source.topic, group_id=group)) as consumer:
        writer.init_transactions()
        for value, end in ((b"aborted", writer.abort_transaction), (b"kept", writer.commit_transaction)):
            writer.begin_transaction()
            writer.send(target, value=value)
            writer.send_offsets_to_transaction({source: OffsetAndMetadata(1, "", -1)}, group)
            writer.flush(timeout=20)
            assert consumer.committed(source) is None
            end()
        wait_until(lambda: consumer.committed(source) == 1, "the offset of the committed transaction")
    with closing(reader(kafka, target, isolation_level="read_committed")) as careful:
        assert [r.value for r in read(careful, 1)] == [b"kept"]
    assert [r.value for r in everything(kafka, target)] == [b"aborted", b"kept"]


def test_compaction_really_runs(kafka: Any, topics: Topics, producer: KafkaProducer) -> None:
    topic = topics(
        cleanup_policy="compact", segment_ms="100", min_cleanable_dirty_ratio="0.01", delete_retention_ms="100"
    )
    for n in range(50):
        producer.send(topic, key=b"the one key", value=str(n).encode()).get(timeout=20)

    def compacted() -> bool:
        producer.send(topic, key=b"another", value=b"rolls the segment").get(timeout=20)
        return len([r for r in everything(kafka, topic) if r.key == b"the one key"]) == 1

    wait_until(compacted, "one record per key")
    assert [r.value for r in everything(kafka, topic) if r.key == b"the one key"] == [b"49"]


def test_retention_really_runs(kafka: Any, topics: Topics, producer: KafkaProducer) -> None:
    topic = topics(retention_ms="500", segment_ms="100", file_delete_delay_ms="100")
    partition = TopicPartition(topic, 0)
    producer.send(topic, value=b"old").get(timeout=20)
    with closing(reader(kafka, topic)) as consumer:
        wait_until(lambda: consumer.beginning_offsets([partition])[partition] >= 1, "the old record is gone")


def test_confluent_kafka_writes_a_thousand_idempotent_records(kafka: Any, topics: Topics) -> None:
    topic = topics()
    refused: list[Any] = []
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True})
    for n in range(1_000):
        producer.produce(topic, str(n).encode(), on_delivery=lambda error, _: refused.append(error) if error else None)
    assert producer.flush(20) == 0
    assert refused == []
    assert [int(value) for value in confluent_values(kafka, topic, 1_000)] == list(range(1_000))


def test_aiokafka_produces_and_reads_in_a_group(kafka: Any, topics: Topics, group: str) -> None:
    topic = topics(3)

    async def story() -> set[bytes]:
        async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, enable_idempotence=True) as writer:
            for n in range(100):
                await writer.send_and_wait(topic, str(n).encode(), key=str(n).encode())
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=kafka.bootstrap, group_id=group, auto_offset_reset="earliest"
        )
        async with consumer:
            found: set[bytes] = set()
            while len(found) < 100:
                batch = await asyncio.wait_for(consumer.getmany(timeout_ms=500), 20)
                found |= {record.value for records in batch.values() for record in records}
            await consumer.commit()
        return found

    # asyncio.run would take the thread's own loop away, which Mangum serves requests on in later tests
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        assert runner.run(story()) == {str(n).encode() for n in range(100)}


def test_a_topic_nobody_made_is_not_made_by_writing(kafka: Any, admin: KafkaAdminClient) -> None:
    name = f"contract-{uuid.uuid4().hex[:12]}"
    hasty = KafkaProducer(bootstrap_servers=kafka.bootstrap, max_block_ms=1_500)
    with closing(hasty), pytest.raises(KafkaError):
        hasty.send(name, value=b"x").get(timeout=5)
    assert name not in admin.list_topics()
