"""A topic that was made anew: what was before it is in the archive alone, and a replay reads both."""

import base64
import time
import uuid
from contextlib import closing
from typing import Any

import psycopg
import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from local.replay.history import History, ends_of
from local.topics import reader
from stoa.adapters.s3 import Bucket
from stoa.archive.flows import Archive
from stoa.archive.queries import Archived
from stoa.kernel.database import Database
from stoa.kernel.settings import Secret

HOUR_MS = 3_600_000


@pytest.fixture
def topic(kafka: Any) -> str:
    """With four events of the newer history."""
    name = f"made-anew-{uuid.uuid4().hex[:8]}"
    with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap)) as admin:
        admin.create_topics([NewTopic(name, 1, 1)])
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all")
    for number in range(4):
        producer.send(name, b"{}", headers=[("ce_id", f"new-{number}".encode())]).get(10)
    producer.close()
    return name


def kept(archive: Archive, topic: str, which: str, numbers: range) -> None:
    """In objects of one event each."""
    begun = int(time.time() * 1000) - 100 * HOUR_MS
    for number in numbers:
        record = {
            "topic": topic, "partition": 0, "offset": number, "timestamp": begun + number * HOUR_MS,
            "value": base64.b64encode(b"{}").decode(), "headers": [{"ce_id": list(f"{which}-{number}".encode())}],
        }  # fmt: skip
        archive.keep([record])


def read(topic: str, bucket: Bucket, bootstrap: str) -> tuple[list[str], int]:
    """The events of the whole history, and how many are lost."""
    with closing(reader(bootstrap)) as consumer:
        history = History(Archived(bucket), consumer, ends_of(consumer, [topic]))
        found = [str(line["headers"]["ce_id"]) for lines in history.blocks(topic) for line in lines]
        return sorted(found), history.lost


def test_a_replay_reads_both_histories_of_a_partition(
    topic: str, database_url: str, bucket: Bucket, kafka: Any
) -> None:
    with closing(Database(Secret(database_url), "stoa_worker")) as database:
        archive = Archive(database, bucket)
        kept(archive, topic, "old", range(7, 13))  # those before were older than the topic's retention
        with psycopg.connect(database_url) as connection:  # as docs/runbooks.md says
            connection.execute("UPDATE archive_ledger SET history = history + 1, next_offset = 0, object_name = NULL")
        kept(archive, topic, "new", range(2))
    old, new = [f"old-{number}" for number in range(7, 13)], [f"new-{number}" for number in range(4)]
    assert read(topic, bucket, kafka.bootstrap) == (sorted([*old, *new]), 0)
    names = [name for name in bucket.names(f"events/{topic}/") if "/0/" in name]
    bucket._connected().delete_object(Bucket=bucket._name, Key=names[2])
    assert read(topic, bucket, kafka.bootstrap) == (sorted([*old[:2], *old[3:], *new]), 1), "nobody has it any more"
