"""The topics of cdk/wiring.py: made where they are missing, and read from their beginning."""

import time
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import KafkaTimeoutError, TopicAlreadyExistsError

from cdk.wiring import Topic, topics_with_dlq

DAY_MS = 86_400_000
BOOTSTRAP_MS, REQUEST_MS = 5_000, 10_000
READ_S = 30.0


class NoSuchTopic(Exception):
    """A Kafka that is not ours, or a name that is none."""

    def __init__(self, name: str) -> None:
        super().__init__(f"this Kafka has no topic {name}: is that its name, and is it the right Kafka?")


def create_topics(bootstrap: str) -> None:
    """Existing ones are left as they are."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap, bootstrap_timeout_ms=BOOTSTRAP_MS)
    try:
        known = set(admin.list_topics())
        missing = [t for t in topics_with_dlq() if t.name not in known]
        if missing:
            admin.create_topics([_new(t) for t in missing])
    except TopicAlreadyExistsError:
        pass  # somebody else made them at the same time
    finally:
        admin.close()


def _new(topic: Topic) -> NewTopic:
    settings = {"cleanup.policy": topic.cleanup, "retention.ms": str(topic.retention_days * DAY_MS)}
    return NewTopic(topic.name, topic.partitions, 1, topic_configs=settings)


def reader(bootstrap: str, **settings: Any) -> KafkaConsumer:
    """Commits nothing by itself; a broker that hangs is not waited for as long as Kafka's clients do. Raises
    KafkaError."""
    return KafkaConsumer(
        bootstrap_servers=bootstrap,
        bootstrap_timeout_ms=BOOTSTRAP_MS,
        request_timeout_ms=REQUEST_MS,
        enable_auto_commit=False,
        **settings,
    )


def records(bootstrap: str, topic: str) -> list[Any]:
    """All records of a topic that are there now. Raises KafkaError."""
    deadline = time.monotonic() + READ_S
    consumer = reader(bootstrap)
    try:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        ends, found = consumer.end_offsets(partitions), []
        while any(consumer.position(at) < ends[at] for at in partitions):
            if time.monotonic() > deadline:
                raise KafkaTimeoutError(f"{topic} could not be read within {READ_S:.0f} s")
            found += [record for some in consumer.poll(timeout_ms=500).values() for record in some]
        return found
    finally:
        consumer.close()
