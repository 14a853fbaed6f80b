"""Our producer and a real broker: what is too large is named, and everything else arrives."""

import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.admin import NewTopic

from local.parts.kafka import Kafka
from stoa.adapters.kafka import CUT, LARGEST, Producer
from stoa.kernel.errors import Transient
from stoa.kernel.outbox import Row, TooLarge


@pytest.fixture
def producer(kafka: Any) -> Iterator[Producer]:
    made = Producer(kafka.bootstrap)
    yield made
    made.close()


def topic_of(kafka: Any, suffix: str = "", **settings: str) -> str:
    name = f"t-{uuid.uuid4().hex[:12]}{suffix}"
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    admin.create_topics([NewTopic(name, 1, 1, topic_configs=settings)])
    admin.close()
    return name


def row(topic: str, seq: int, value: bytes = b"{}", **headers: str) -> Row:
    return Row(seq, topic, "k", headers, value)


def arrived(kafka: Any, topic: str, count: int) -> list[Any]:
    consumer = KafkaConsumer(
        topic, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=60_000
    )
    found = [record for _, record in zip(range(count), consumer, strict=False)]
    consumer.close()
    return found


@pytest.mark.parametrize(
    ("settings", "size"),
    [({}, LARGEST), ({"max.message.bytes": "50000"}, 60_000)],
    ids=["for our client", "for the topic"],
)
def test_a_record_that_is_too_large_is_refused_alone(
    kafka: Any, producer: Producer, settings: dict[str, str], size: int
) -> None:
    topic = topic_of(kafka, **settings)
    with pytest.raises(TooLarge) as refused:
        producer.send([row(topic, 1, b"1"), row(topic, 2, b"x" * size), row(topic, 3, b"3")])
    assert [one.seq for one in refused.value.rows] == [2]
    producer.send([row(topic, 4, b"4")])
    assert [record.value for record in arrived(kafka, topic, 3)] == [b"1", b"3", b"4"]


def test_a_dead_letter_that_would_not_fit_is_cut_and_says_so(kafka: Any, producer: Producer) -> None:
    topic = topic_of(kafka, ".dlq")
    value = b"x" * (LARGEST - 300)
    large, many = {"ce_id": "e1", "dlq_reason": "r" * 500}, {"other": "h" * LARGEST, "dlq_code": "C"}
    producer.send([row(topic, 1, value, **large), row(topic, 2, value, **many), row(topic, 3, b"small")])
    first, second, third = (dict(record.headers) | {"": record.value} for record in arrived(kafka, topic, 3))
    assert first[CUT] == second[CUT] == str(len(value)).encode()
    assert (first["ce_id"], second["dlq_code"]) == (b"e1", b"C")
    assert 0.9 * LARGEST < len(first[""]) < len(value)
    assert third == {"": b"small"}


def test_a_killed_broker_is_transient_every_time_and_leaves_no_client_behind(broker: Kafka) -> None:
    topic = topic_of(broker)
    producer = Producer(broker.bootstrap)
    producer.send([row(topic, 1, b"1")])
    before = threading.active_count()
    broker.kill()
    for _ in range(3):
        begun = time.monotonic()
        with pytest.raises(Transient):
            producer.send([row(topic, 2, b"2"), row(topic, 3, b"3")])
        assert time.monotonic() - begun < 10, "a publisher holds a transaction all that time"
    assert threading.active_count() <= before
    broker.start()
    producer.send([row(topic, 2, b"2"), row(topic, 3, b"3")])
    producer.close()
    assert [record.value for record in arrived(broker, topic, 3)][:3] == [b"1", b"2", b"3"]
