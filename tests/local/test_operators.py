"""`stoa lag` and `stoa dlq` against a broker; `stoa trace` is in the stories."""

import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import confluent_kafka
import psycopg
import pytest
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaTimeoutError
from typer.testing import CliRunner

from cdk.wiring import Function, Source, Topic
from local.cli.main import app
from local.cli.operators import print_table
from local.dead_letters import newest
from local.replay.run import Sources, Wanted, replay
from local.replay.search import replay_search
from local.topics import create_topics
from stoa.kernel.settings import Secret
from stoa.kernel.tables import PROJECTIONS

GROUP = "deploy_requests_to_awx.deploy-requests"


def run(*arguments: str, **environment: str) -> tuple[int, list[dict[str, Any]], str]:
    """The exit code, the JSON lines on stdout, and stderr."""
    done = CliRunner().invoke(app, [*arguments], env=environment)
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
        (("dlq", "show", "deploy-requests.dlq/\u0660/\u0661", "--bootstrap", kafka.bootstrap), "is no place"),
        (("lag", "--bootstrap", "127.0.0.1:1"), "no answer (Kafka: "),
        (("lag", "--home", str(tmp_path)), "`stoa up` starts one"),
        (("trace", f"trc-{'0' * 32}", "--home", str(tmp_path)), "`stoa up` starts one"),
        (("trace", "../deployments", "--home", str(tmp_path)), "is no trace id"),
        (("lag", "--home", "/etc/passwd"), "is --home its folder?"),
    ):
        code, _, error = run(*arguments)
        assert (code, said in error, error.count("\n")) == (2, True, 1), error


NOWHERE = "127.0.0.1:1"
TRACE = f"trc-{'0' * 32}"


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("lag", "--bootstrap", "127.0.0.1:abc"), {}, "127.0.0.1:abc is no address of Kafka: say it as host:port"),
        (("lag", "--bootstrap", "127.0.0.1:99999"), {}, "is no address of Kafka"),
        (("trace", TRACE, "--url", "127.0.0.1:80"), {}, "--url is no URL"),
        (("trace", TRACE, "--url", "http://[::1"), {}, "--url is no URL"),
        (("trace", TRACE, "--url", f"http://{NOWHERE}"), {"STOA_API_TOKEN": "a\nb"}, "STOA_API_TOKEN is no token"),
        (("trace", TRACE, "--url", f"http://{NOWHERE}"), {"STOA_API_TOKEN": "ä"}, "STOA_API_TOKEN is no token"),
        (
            ("dlq", "replay", "--topic", "deploy-requests", "--bootstrap", NOWHERE),
            {"STOA_DATABASE_URL": "s3cret"},
            "STOA_DATABASE_URL is no address",
        ),
    ],
)
def test_what_a_user_typed_wrongly_is_named(arguments: tuple[str, ...], environment: dict[str, str], said: str) -> None:
    code, _, error = run(*arguments, **environment)
    assert (code, said in error, error.count("\n"), "s3cret" in error) == (2, True, 1, False), error


def test_a_damaged_state_and_another_server_are_named(tmp_path: Path, other_server: str) -> None:
    (tmp_path / "ports.json").write_text("[]")
    code, _, error = run("trace", TRACE, "--home", str(tmp_path))
    assert (code, "ports.json cannot be read" in error, "is --home its folder?" in error) == (2, True, True), error
    for path, said in (
        ("json", "answers is no trace"),
        ("list", "answers is no trace"),
        ("text", "is not the STOA API"),
    ):
        code, _, error = run("trace", TRACE, "--url", f"{other_server}/{path}", STOA_API_TOKEN="t")
        assert (code, said in error, error.count("\n")) == (2, True, 1), error


TOLD = {
    "status": "success",
    "total_duration_ms": 86_400_000,
    "timeline": [
        {"name": name, "started_at": at, "of": of, "status": "success", "duration_ms": 12_345, "detail": "x" * 80}
        for name, at, of in (
            ("webhook_received", "2026-11-28T12:00:01.250Z", None),
            ("awx_running", "2026-11-29T00:00:02.500Z", "dep-0123456789abcdef0123456789abcdef"),
        )
    ],
}


def test_a_trace_shows_its_times_at_80_columns(other_server: str) -> None:
    environment = {"STOA_API_TOKEN": "t", "COLUMNS": "80"}
    shown = CliRunner().invoke(app, ["trace", TRACE, "--url", f"{other_server}/trace"], env=environment).stdout
    for part in ("webhook_received", "12:00:01.250", "11-29 00:00:02.500", "12.35 s", "2026-11-28"):
        assert part in shown, shown


@pytest.fixture
def other_server() -> Iterator[str]:
    """Answers 200 to everything, and knows nothing of us."""
    bodies = {"/json": b'{"ok": true}', "/list": b"[]", "/text": b"<html>", "/trace": json.dumps(TOLD).encode()}

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(bodies[self.path.partition("/v1")[0]])

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_what_hangs_is_not_waited_for_long() -> None:
    """A server that is stopped still takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as hangs, ThreadPoolExecutor(3) as pool:
        place = f"127.0.0.1:{hangs.getsockname()[1]}"
        never: Any = None
        sources = Sources(Secret(f"postgresql://nobody@{place}/none"), place, never)
        begun = time.monotonic()
        asked: list[Future[Any]] = [
            pool.submit(newest, place, 1),
            pool.submit(replay_search, sources, never, never),
            pool.submit(replay, sources, Wanted(PROJECTIONS), never),
        ]
        errors = [one.exception(timeout=90) for one in asked]
    assert [type(error) for error in errors] == [KafkaTimeoutError, KafkaTimeoutError, psycopg.errors.ConnectionTimeout]
    assert time.monotonic() - begun < 20


def test_another_kafka_is_no_good_news(monkeypatch: pytest.MonkeyPatch, kafka: Any, producer: Any) -> None:
    nobody = f"of-nobody-{uuid.uuid4().hex[:8]}"
    monkeypatch.setattr("local.dead_letters.TOPICS", [Topic(nobody, "none", "Of another platform")])
    code, _, error = run("dlq", "list", "--bootstrap", kafka.bootstrap)
    assert (code, f"no topic {nobody}.dlq" in error) == (2, True), error
    strange = Function("of_nobody", "of another platform", sources=(Source(nobody),))
    monkeypatch.setattr("local.consumer_lag.lags.__defaults__", ((strange,),))
    code, _, error = run("lag", "--bootstrap", kafka.bootstrap)
    assert (code, "none of the topics of STOA" in error) == (2, True), error
    print_table(("no", "rows"), [])
