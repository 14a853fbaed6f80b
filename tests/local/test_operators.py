"""`stoa lag` and `stoa dlq` against a broker; `stoa trace` is in the stories."""

import json
import uuid
from typing import Any

import confluent_kafka
import pytest
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from typer.testing import CliRunner

from local.cli.main import app
from local.topics import create_topics

GROUP = "deploy_requests_to_awx.deploy-requests"


def run(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """The exit code, the JSON lines on stdout, and stderr."""
    done = CliRunner().invoke(app, [*arguments])
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")], done.stderr


@pytest.fixture
def producer(kafka: Any) -> Any:
    create_topics(kafka.bootstrap)
    made = KafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all")
    yield made
    made.close()


def commit(bootstrap: str, partition: TopicPartition, offset: int) -> None:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=GROUP, enable_auto_commit=False)
    consumer.commit({partition: OffsetAndMetadata(offset, "", -1)})
    consumer.close()


def test_lag_counts_what_a_group_has_not_done_and_says_how_old_it_is(kafka: Any, producer: Any) -> None:
    partition = TopicPartition("deploy-requests", 4)
    last = producer.send(partition.topic, b"{}", partition=4).get(10).offset
    commit(kafka.bootstrap, partition, last + 1)
    producer.send(partition.topic, b"{}", partition=4).get(10)
    producer.send(partition.topic, b"{}", partition=4).get(10)
    code, rows, _ = run("lag", "--json", "--bootstrap", kafka.bootstrap)
    (row,) = [r for r in rows if (r["group"], r["partition"]) == (GROUP, 4)]
    assert (code, row["behind"]) == (1, 2)
    assert 0 <= row["oldest_s"] < 600
    commit(kafka.bootstrap, partition, last + 3)
    _, rows, _ = run("lag", "--json", "--bootstrap", kafka.bootstrap)
    (row,) = [r for r in rows if (r["group"], r["partition"]) == (GROUP, 4)]
    assert (row["behind"], row["oldest_s"]) == (0, None)


def test_a_dead_letter_is_listed_with_its_reason_and_shown_whole(kafka: Any, producer: Any) -> None:
    # before ours, which would not be the newest of its partition otherwise
    foreign = confluent_kafka.Producer({"bootstrap.servers": kafka.bootstrap})
    foreign.produce("deploy-requests.dlq", b"{}", headers=[("null", None)])
    assert foreign.flush(10) == 0
    key = f"tenant-a/{uuid.uuid4().hex}"
    reason = [
        ("ce_id", b"evt-1"),
        ("dlq_code", b"NOT_A_CLOUDEVENT"),
        ("dlq_reason", b"no \x1b[31mheaders"),
    ]
    at = ("dlq_at", b"2099-01-01T00:00:00.000Z")
    sent = producer.send("deploy-requests.dlq", b"\xffvalue", key=key.encode(), headers=[*reason, at]).get(10)
    _, rows, _ = run("dlq", "list", "--json", "--limit", "1", "--bootstrap", kafka.bootstrap)
    place = f"deploy-requests.dlq/{sent.partition}/{sent.offset}"
    assert [(r["place"], r["key"], r["dlq_code"]) for r in rows] == [(place, key, "NOT_A_CLOUDEVENT")]
    shown = (
        CliRunner()
        .invoke(app, ["dlq", "list", "--limit", "1", "--bootstrap", kafka.bootstrap], env={"COLUMNS": "60"})
        .stdout
    )
    assert (place in shown, "\x1b[31m" in shown) == (True, False), "to be copied, and safe to look at"
    _, (letter,), _ = run("dlq", "show", place, "--bootstrap", kafka.bootstrap)
    assert (letter["headers"]["ce_id"], letter["value"]) == ("evt-1", "\ufffdvalue")


def test_what_is_not_there_is_told_in_a_sentence(kafka: Any, producer: Any, tmp_path: Any) -> None:
    for arguments, said in (
        (("dlq", "show", "deploy-requests.dlq/0/99999", "--bootstrap", kafka.bootstrap), "there is nothing at"),
        (("dlq", "show", "deploy-requests/0/1", "--bootstrap", kafka.bootstrap), "is no place"),
        (("lag", "--home", str(tmp_path)), "`stoa up` starts one"),
        (("trace", f"trc-{'0' * 32}", "--home", str(tmp_path)), "`stoa up` starts one"),
        (("trace", "../deployments", "--home", str(tmp_path)), "is no trace id"),
        (("lag", "--home", "/etc/passwd"), "is --home its folder?"),
    ):
        code, _, error = run(*arguments)
        assert (code, said in error, error.count("\n")) == (2, True, 1), error
