"""`/metrics` as Prometheus reads it: what logs and sources say, whatever happens to them."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from cdk.wiring import FUNCTIONS
from local import gauges
from local.consumer_lag import READ_S
from local.emf import FunctionMetrics, Tail, exported_name
from local.metrics import Exporter
from local.parts.ports import free_port
from local.runtime.counters import Counters
from local.topics import create_topics
from stoa.kernel.metrics import DURATION, METRICS, PROCESSED, TICKS

TOPIC = {"function": "deploy_requests_to_awx", "topic": "deploy-requests"}
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Scrape:
    url: str

    def __call__(self) -> "Scraped":
        return Scraped(urllib.request.urlopen(self.url, timeout=30).read().decode())  # noqa: S310


class Scraped:
    def __init__(self, text: str) -> None:
        families = list(text_string_to_metric_families(text))
        self.names = {family.name + ("_total" if family.type == "counter" else "") for family in families}
        samples = [sample for family in families for sample in family.samples]
        self._values = {(s.name, tuple(sorted(s.labels.items()))): s.value for s in samples}
        assert len(self._values) == len(samples), "a series that is told twice is refused by Prometheus"

    def get(self, name: str, **labels: str) -> float | None:
        return self._values.get((name, tuple(sorted(labels.items()))))


def emf(function: str, **values: Any) -> bytes:
    metrics = [{"Name": name} for name, value in values.items() if isinstance(value, list)]
    line = {"_aws": {"CloudWatchMetrics": [{"Metrics": metrics}]}, "function": function, "service": "stoa", **values}
    return json.dumps(line).encode() + b"\n"


@pytest.fixture
def start(kafka: Any, tmp_path: Path, monkeypatch: Any) -> Iterator[Callable[..., Scrape]]:
    monkeypatch.setattr(gauges, "FRESH_S", 0.0)
    monkeypatch.setattr(gauges, "PATIENCE_S", 30.0)
    create_topics(kafka.bootstrap)
    started: list[Exporter] = []

    def make(database_url: str, bootstrap: str = kafka.bootstrap) -> Scrape:
        exporter = Exporter(bootstrap, database_url, tmp_path, FUNCTIONS, free_port())
        exporter.start()
        started.append(exporter)
        return Scrape(exporter.url)

    yield make
    for exporter in started:
        exporter.stop()


def test_the_sources_are_asked_and_every_name_is_there(
    start: Callable[..., Scrape], kafka: Any, database_url: str, tmp_path: Path
) -> None:
    scrape = start(database_url)
    before = scrape().get("stoa_topic_records_total", topic="deploy-requests.dlq")
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all")
    an_hour_ago = int(time.time() - 3600) * 1000
    for topic in ("deploy-requests.dlq", "deploy-requests", "deploy-requests"):
        sent = producer.send(topic, b"{}", partition=2, timestamp_ms=an_hour_ago).get(10)
    producer.close()
    commit(kafka.bootstrap, sent.offset)
    fill(database_url)
    source = f"{TOPIC['function']}.{TOPIC['topic']}"
    Counters(polled=3, dropped=1, polling_errors=2).write(tmp_path / f"{source}.counters.json")
    Counters(polled=4).write(tmp_path / f"{source}#1.counters.json")
    found = scrape()
    assert {name for name in (*gauges.FAMILIES, *map(exported_name, METRICS))} <= found.names
    assert [found.get("stoa_up", part=part) for part in ("kafka", "postgresql", "event_sources")] == [1, 1, 1]
    assert (found.get("stoa_consumer_lag", **TOPIC) or 0) >= 1
    assert 3500 < (found.get("stoa_consumer_oldest_seconds", **TOPIC) or 0)
    assert (found.get("stoa_scrape_seconds", part="kafka") or 0) < READ_S, "each age was found: consumers stand apart"
    after = found.get("stoa_topic_records_total", topic="deploy-requests.dlq")
    assert (after or 0) - (before or 0) == 1
    assert (found.get("stoa_outbox_waiting"), found.get("stoa_outbox_set_aside")) == (1, 1)
    assert 200 < (found.get("stoa_outbox_oldest_seconds") or 0) < 300
    assert (found.get("stoa_parked_keys", **TOPIC), found.get("stoa_busy_lanes")) == (2, 1)
    assert found.get("stoa_deployments_unfinished", state="running") == 1
    assert 100 < (found.get("stoa_busy_lane_oldest_seconds") or 0) < 200
    failed = {
        code: found.get("stoa_deployments_failed_last_hour", tenant="acme", code=code) for code in ("LINT", "other")
    }
    assert failed == {"LINT": 1, "other": 3}, "no failure is missing from the sum"
    assert found.get("stoa_event_source_records_total", what="polled", **TOPIC) == 7, "both members"
    assert found.get("stoa_event_source_errors_total", what="polling", **TOPIC) == 2


def commit(bootstrap: str, offset: int) -> None:
    """What is on the shared topic before ours is done."""
    group = f"{TOPIC['function']}.{TOPIC['topic']}"
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    consumer.commit({TopicPartition(TOPIC["topic"], 2): OffsetAndMetadata(offset, "", -1)})
    consumer.close()


def fill(database_url: str) -> None:
    """One of each thing that waits, with an age."""
    deployment = (
        "INSERT INTO deployments (id, tenant, api, environment, action, generation, state, project_id, commit_sha,"
        " trigger, requested_by, trace_id, requested_at, finished_at, error)"
        " VALUES (%s, 'acme', 'a', 'dev', 'deploy', %s, %s, 1, 'c', 't', 'w', 't', now(), %s, %s)"
    )
    new, old = gauges.first_id(gauges.datetime.now(gauges.UTC)), "dep-0000000000"
    with psycopg.connect(database_url) as connection:
        for event, refused in (("e1", None), ("e2", "EVENT_TOO_LARGE")):
            connection.execute(
                "INSERT INTO outbox (event_id, topic, key, headers, value, created_at, refused)"
                " VALUES (%s, 't', 'k', '{}', '', now() - interval '250 seconds', %s)",
                (event, refused),
            )
        for number, key in enumerate("aab"):
            connection.execute(
                "INSERT INTO parked (consumer, key, topic, partition, record_offset, record)"
                " VALUES ('deploy_requests_to_awx.deploy-requests', %s, 't', 0, %s, '{}')",
                (key, number),
            )
        connection.execute(deployment, (f"{new}1", 1, "running", None, None))
        an_hour = gauges.datetime.now(gauges.UTC)
        connection.execute(deployment, (f"{new}2", 2, "failed", an_hour, '{"code": "LINT"}'))
        for number in range(4, 4 + gauges.TOP_CODES + 2):
            error = json.dumps({"code": f"RARE_{number:02}"})
            connection.execute(deployment, (f"{new}{number:02}", number, "failed", an_hour, error))
        connection.execute(deployment, (old, 3, "failed", an_hour - gauges.timedelta(hours=2), '{"code": "LINT"}'))
        connection.execute(
            "INSERT INTO deployment_steps (tenant, deployment_id, name, status, started_at)"
            " VALUES ('acme', %s, 'awx_trigger', 'success', now() - interval '150 seconds')",
            (f"{new}1",),
        )
        connection.execute(
            "INSERT INTO lanes (tenant, api, environment, deployment_id) VALUES ('acme', 'a', 'dev', %s),"
            " ('acme', 'b', 'dev', NULL)",
            (f"{new}1",),
        )


def test_a_part_that_is_down_is_said_to_be_and_the_rest_is_there(
    start: Callable[..., Scrape], database_url: str, tmp_path: Path
) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    begun = time.monotonic()
    without_kafka = start(database_url, nobody)()
    assert [without_kafka.get("stoa_up", part=part) for part in ("kafka", "postgresql")] == [0, 1]
    assert (without_kafka.get("stoa_consumer_lag", **TOPIC), without_kafka.get("stoa_outbox_waiting")) == (None, 0)
    without_either = start("postgresql://127.0.0.1:1/x", nobody)()
    assert [without_either.get("stoa_up", part=part) for part in ("kafka", "postgresql")] == [0, 0]
    assert (without_either.get("stoa_outbox_waiting"), without_either.get("stoa_parked_keys", **TOPIC)) == (None, None)
    assert without_either.get("stoa_ticks_total", function="awx_reconciler", outcome="done") == 0
    assert time.monotonic() - begun < 60


def test_a_frozen_part_is_said_to_be_down_and_takes_no_other_answers_away(
    start: Callable[..., Scrape], tmp_path: Path, monkeypatch: Any
) -> None:
    """A port that accepts and never answers stands for it."""
    monkeypatch.setattr(gauges, "PATIENCE_S", 2.0)
    (tmp_path / "deploy_requests_to_awx.deploy-requests.counters.json").write_text('{"polled": 7, "of_long_ago": 1}')
    with socket.socket() as frozen:
        frozen.bind(("127.0.0.1", 0))
        frozen.listen()
        scrape = start(f"postgresql://127.0.0.1:{frozen.getsockname()[1]}/x")
        for _ in range(2):
            begun = time.monotonic()
            found = scrape()
            assert time.monotonic() - begun < 30
            assert [found.get("stoa_up", part=part) for part in ("postgresql", "event_sources")] == [0, 1]
            assert found.get("stoa_event_source_records_total", what="polled", **TOPIC) == 7


def test_counters_go_on_over_half_lines_garbage_truncation_and_new_files(tmp_path: Path) -> None:
    log = tmp_path / "deploy_requests_to_awx.log"
    log.write_bytes(emf("deploy_requests_to_awx", topic="deploy-requests", records_processed=[9]))
    metrics, registry = FunctionMetrics(tmp_path, FUNCTIONS), CollectorRegistry()
    registry.register(metrics)

    def processed() -> float | None:
        return registry.get_sample_value(exported_name(PROCESSED), TOPIC)

    assert processed() == 0, "what was there before is not counted, and the first increase will be seen"
    whole = emf("deploy_requests_to_awx", topic="deploy-requests", records_processed=[2], records_waiting=[1])
    with log.open("ab") as file:
        file.write(
            b'{"level": "INFO"}\n{"_aws": not json}\n\xff"_aws"\n' + emf("x", unheard_of=[1]) + whole + whole[:40]
        )
    assert processed() == 2
    with log.open("ab") as file:
        file.write(whole[40:])
    assert processed() == 4
    log.write_bytes(whole)
    assert processed() == 6, "cut and written anew"
    log.unlink()
    assert processed() == 6
    log.write_bytes(whole + whole + b"x" * 1000)
    assert processed() == 10, "another file"


def test_milliseconds_become_a_histogram_of_seconds(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    registry.register(FunctionMetrics(tmp_path, FUNCTIONS))
    registry.get_sample_value("x")
    line = emf("deploy_results_to_status", status="success", deployment_duration=[900, 61_000])
    (tmp_path / "deploy_results_to_status.log").write_bytes(line)
    where = {"function": "deploy_results_to_status", "status": "success"}
    name = exported_name(DURATION)
    assert registry.get_sample_value(f"{name}_sum", where) == 61.9
    assert registry.get_sample_value(f"{name}_bucket", {**where, "le": "60.0"}) == 1
    ticks = {"function": "awx_reconciler", "outcome": "waits"}
    assert registry.get_sample_value(exported_name(TICKS), ticks) == 0


def test_a_tail_begins_at_the_end_and_waits_for_a_file_that_is_not_there(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "log")
    assert list(tail.lines()) == []
    (tmp_path / "log").write_bytes(b"one\ntwo\n")
    assert list(tail.lines()) == [b"one\n", b"two\n"]
    assert list(Tail(tmp_path / "log").lines()) == []


def test_prometheus_scrapes_it_and_its_alerts_fire(
    start: Callable[..., Scrape], database_url: str, tmp_path: Path
) -> None:
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("there is no prometheus")
    fill(database_url)
    port, rules = free_port(), ROOT / "cdk" / "observability" / "alerts.yaml"
    target = start(database_url).url.removeprefix("http://").removesuffix("/metrics")
    settings = {
        "global": {"scrape_interval": "5s", "scrape_timeout": "5s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [{"job_name": "stoa", "static_configs": [{"targets": [target]}]}],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(settings))
    address = f"127.0.0.1:{port}"
    command = [binary, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/tsdb"]
    with (tmp_path / "prometheus.log").open("wb") as log:
        server = subprocess.Popen([*command, f"--web.listen-address={address}"], stdout=log, stderr=log)
    wanted, firing = {"KeysParked", "OutboxStuck", "OutboxSetAside", "AwxSilent"}, set()
    try:
        deadline = time.monotonic() + 120
        while not wanted <= firing and time.monotonic() < deadline:
            time.sleep(0.5)
            firing = alerts(address)
    finally:
        server.terminate()
        server.wait()

    assert wanted <= firing, (tmp_path / "prometheus.log").read_text()[-3000:]
    assert "FailedDeployments" not in firing


def alerts(address: str) -> set[str]:
    try:
        answer = json.load(urllib.request.urlopen(f"http://{address}/api/v1/alerts", timeout=5))  # noqa: S310
    except OSError:
        return set()
    return {alert["labels"]["alertname"] for alert in answer["data"]["alerts"] if alert["state"] == "firing"}
