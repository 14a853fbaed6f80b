"""Creates the topics of cdk/wiring.py. Existing ones are left as they are."""

from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import TopicAlreadyExistsError

from cdk.wiring import Topic, topics_with_dlq

DAY_MS = 86_400_000


def create_topics(bootstrap: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap, bootstrap_timeout_ms=5_000)
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
