"""`stoa replay --consumer events_to_search` deletes nothing that it cannot put back."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner

from local.cli.main import app
from local.topics import create_topics
from stoa.adapters.s3 import Bucket
from stoa.archive import model
from tests.search.server import NOON, Server, audit, record, search_server

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def server(run_folder: Path) -> Iterator[Server]:
    with search_server(run_folder / "opensearch-of-replay.log") as made:
        yield made


@pytest.fixture
def run(kafka: Any, s3: str, bucket: Bucket, server: Server) -> Run:
    create_topics(kafka.bootstrap)

    def made(*arguments: str, **other: str) -> tuple[int, str, str]:
        known = {
            "STOA_DATABASE_URL": "postgresql://127.0.0.1:1/none",
            "STOA_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "STOA_ARCHIVE_BUCKET": bucket._name,
            "STOA_S3_ENDPOINT": s3,
            "STOA_OPENSEARCH_URL": server.url,
        }
        command = ["replay", "--consumer", "events_to_search", *arguments]
        done = CliRunner().invoke(app, command, env={**known, **other})
        return done.exit_code, done.stdout, done.stderr

    return made


def test_the_index_stays_while_the_history_is_not_known_to_be_whole(
    run: Run, server: Server, bucket: Bucket, kafka: Any
) -> None:
    server.look.index(index="stoa-events-2026.03", id="of-before", body={})
    code, _, said = run(STOA_ARCHIVE_BUCKET="typo")
    assert (code, "NoSuchBucket" in said, server.ids("stoa-events-*")) == (2, True, ["of-before"])
    in_the_archive_with_a_hole(bucket, kafka.bootstrap, "audit-log")  # where compaction makes such holes
    hole = in_the_archive_with_a_hole(bucket, kafka.bootstrap, "deploy-results")
    code, _, said = run()
    assert (code, f"{hole} records" in said, "--force" in said) == (2, True, True)
    assert server.ids("stoa-events-*") == ["of-before"]
    code, out, _ = run("--json", "--force")
    assert (code, json.loads(out)["lost"]) == (1, hole)
    assert server.look.exists(index="stoa-events-*", id="of-before") is False


def in_the_archive_with_a_hole(bucket: Bucket, bootstrap: str, topic: str) -> int:
    """An object of the first record of a partition and its last, as if nobody had kept those between; how many."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    last = [producer.send(topic, b"{}", key=b"%d" % n, partition=3).get(10).offset for n in range(3)][-1]
    producer.close()
    event = record(audit(NOON))
    ends = [{**event, "topic": topic, "partition": 3, "offset": offset} for offset in (0, last)]
    bucket.put_if_absent(model.object_name(ends[0]), model.packed(ends))
    return int(last) - 1
