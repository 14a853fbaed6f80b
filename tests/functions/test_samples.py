"""Each sample in events/samples/ goes through its real handler twice: the second time changes nothing. What was
published on the way is what events/ promises."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest
from kafka import KafkaConsumer

from local.contracts import DLQ_HEADERS, asyncapi, schema
from local.runtime.worker import FunctionSpec, Worker
from local.topics import create_topics
from stoa.deployments import store
from stoa.deployments import store_lanes as lanes
from stoa.deployments.events import asked
from stoa.deployments.model import Deployment, Lane
from stoa.kernel import outbox
from stoa.kernel.database import Database
from stoa.kernel.settings import Secret
from tests.flows.thrown_away_awx import ThrownAwayAwx

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "events/samples"
# in this order: the deployment whose job ends is the one whose result follows
BEAT = "heartbeat-"
HANDLERS = {
    "gitlab-push-through-api-gateway": "api",
    "awx-notification-of-a-finished-job": "api",
    "kafka-batch-of-a-deploy-request": "deploy_requests_to_awx",
    "kafka-batch-of-a-deploy-result": "deploy_results_to_status",
    "eventbridge-tick-of-a-schedule": "outbox_relay",
}
ORDERS, PAYMENTS = "dep-01kjq3v5n00000000000000001", "dep-01kjq3v5n00000000000000002"


@dataclass
class Lab:
    """Functions in processes of their own, over one database, one broker and one AWX."""

    database_url: str
    awx: Any
    environment: dict[str, str]
    folder: Path
    workers: dict[str, Worker] = field(default_factory=dict)
    answers: dict[str, list[Any]] = field(default_factory=dict)
    states: dict[str, list[dict[str, list[str]]]] = field(default_factory=dict)

    def play(self, name: str) -> None:
        event = json.loads((SAMPLES / f"{name}.json").read_text())
        self.states[name], self.answers[name] = [self.state()], []
        for _ in range(2):
            self.answers[name].append(self.invoke(HANDLERS[name], event))
            self.states[name].append(self.state())

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        if function not in self.workers:
            target = f"functions.{function}.handler:handler"
            self.workers[function] = Worker(
                FunctionSpec(function, target, environment=self.environment, log=self.folder / f"{function}.log")
            )
        return self.workers[function].invoke(event)

    def state(self) -> dict[str, list[str]]:
        """Every row of every table, but for when a consumer was last known to work, and the heartbeat of a new minute;
        and every job of AWX."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            deadline = (
                time.monotonic() + 60
            )  # for what a request leaves to its publisher; the removal waits for its tick
            unsent = "SELECT 1 FROM outbox WHERE published_at IS NULL AND topic <> 'deploy-requests'"
            while connection.execute(unsent).fetchone():
                assert time.monotonic() < deadline, "what a sample caused is not published"
                time.sleep(0.02)
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            found = {
                table: sorted(row for row in map(str, connection.execute(f"SELECT * FROM {table}")) if BEAT not in row)
                for (table,) in tables
                if table != "consumer_progress"
            }
        return {**found, "awx": [json.dumps(job) for job in self.awx.jobs]}

    def published(self, topic: str) -> list[tuple[dict[str, str], dict[str, Any]]]:
        with psycopg.connect(self.database_url) as connection:
            rows = connection.execute("SELECT headers, value FROM outbox WHERE topic = %s", (topic,)).fetchall()
        return [(headers, json.loads(bytes(value))) for headers, value in rows]


def deployment(deployment_id: str, api: str, action: str, at: datetime) -> Deployment:
    return Deployment(
        id=deployment_id,
        lane=Lane("tenant-acme", api, "dev"),
        action=action,  # type: ignore[arg-type]
        generation=1,
        state="requested",
        project_id=41,
        commit="b2" * 20,
        trigger="gitlab-push",
        requested_by="gitlab:7",
        trace_id="trc-4bf92f3577b34da6a3ce929d0e0e4736",
        requested_at=at,
        launch_vars={} if action == "undeploy" else None,
    )


def prepare(lab: Lab) -> None:
    """One deployment whose job has ended, and one removal that was asked for and has not left the outbox."""
    database, at = Database(Secret(lab.database_url), "stoa_worker"), datetime.now(UTC) - timedelta(seconds=20)
    running, waiting = deployment(ORDERS, "orders", "deploy", at), deployment(PAYMENTS, "payments", "undeploy", at)
    with database.transaction("tenant-acme") as connection:
        for one in (running, waiting):
            store.insert(connection, one)
        lanes.lock_lane(connection, running.lane)
        lanes.hold_lane(connection, running)
        lanes.set_job(connection, ORDERS, 1)
        outbox.add(connection, [asked(waiting)])
    database.close()
    lab.awx.jobs.append({"id": 1, "skip_tags": "", "finished": at.isoformat()})
    lab.awx.end(lab.awx.jobs[0], "successful")


@pytest.fixture(scope="module")
def lab(kafka: Any, module_database: Callable[[], str], run_folder: Path) -> Iterator[Lab]:
    """All samples, each played twice."""
    create_topics(kafka.bootstrap)
    awx, url = ThrownAwayAwx(), module_database()
    environment = {
        "STOA_DATABASE_URL": url,
        "STOA_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "STOA_AWX_URL": awx.url,
        "STOA_AWX_TOKEN": "token",
        "STOA_PUBLIC_URL": "http://127.0.0.1:1",
        "STOA_WEBHOOK_SECRET": "hook-secret",
        "STOA_AWX_WEBHOOK_SECRET": "awx-secret",
    }
    made = Lab(url, awx, environment, run_folder)
    prepare(made)
    for name in HANDLERS:
        made.play(name)
    yield made
    for worker in made.workers.values():
        worker.stop()
    awx.shutdown()
    awx.server_close()


def test_every_sample_is_played() -> None:
    assert {path.stem for path in SAMPLES.glob("*.json")} == set(HANDLERS)


@pytest.mark.parametrize("name", HANDLERS)
def test_the_first_time_does_something_and_the_second_nothing(lab: Lab, name: str) -> None:
    before, once, twice = lab.states[name]
    assert once != before
    assert twice == once


def test_each_sample_has_its_effect(lab: Lab) -> None:
    push, notice, request, result, tick = (lab.answers[name] for name in HANDLERS)
    assert [json.loads(answer["body"])["status"] for answer in push] == ["accepted", "accepted"]
    assert len({answer["body"] for answer in push}) == 1
    assert [json.loads(answer["body"])["status"] for answer in notice] == ["noted", "unknown job"]
    assert [*request, *result] == [{"batchItemFailures": []}] * 4
    assert [answer["done"] for answer in tick] == [1, 0]
    launched = lab.awx.jobs[1:]
    assert [(job["extra_vars"]["deployment_id"], job["extra_vars"]["action"]) for job in launched] == [
        (PAYMENTS, "undeploy")
    ]
    with psycopg.connect(lab.database_url) as connection:
        found = connection.execute("SELECT api, environment, serving_deployment_id, serving_version FROM api_status")
        assert found.fetchall() == [("orders", "dev", ORDERS, "1.4.0")]


@pytest.mark.parametrize("topic", ["git-pushes", "deploy-requests", "deploy-results"])
def test_what_is_published_keeps_the_event_contract(lab: Lab, topic: str) -> None:
    written = json.loads((ROOT / f"events/{topic}.schema.json").read_text())
    assert written == schema(topic)
    found = lab.published(topic)
    assert found
    for headers, value in found:
        keeps(topic, headers, value)


@pytest.mark.parametrize("name", [name for name in HANDLERS if name.startswith("kafka")])
def test_the_records_in_samples_keep_the_event_contract(name: str) -> None:
    for records in json.loads((SAMPLES / f"{name}.json").read_text())["records"].values():
        for record in records:
            headers = {name: bytes(octets).decode() for one in record["headers"] for name, octets in one.items()}
            keeps(record["topic"], headers, json.loads(base64.b64decode(record["value"])))
            assert base64.b64decode(record["key"]).decode() == headers["ce_partitionkey"]


def test_a_dead_letter_keeps_the_event_contract(lab: Lab, kafka: Any) -> None:
    event = json.loads((SAMPLES / "kafka-batch-of-a-deploy-result.json").read_text())
    record = next(iter(event["records"].values()))[0]
    value = {**json.loads(base64.b64decode(record["value"])), "status": "perhaps", "deployment_id": "dep-of-this-test"}
    record["value"] = base64.b64encode(json.dumps(value).encode()).decode()
    assert lab.invoke("deploy_results_to_status", event) == {"batchItemFailures": []}
    consumer = KafkaConsumer(
        "deploy-results.dlq",
        bootstrap_servers=kafka.bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=60_000,
    )
    dead = next(letter for letter in consumer if b"dep-of-this-test" in letter.value)
    consumer.close()
    described = message("deploy-results.dlq")["headers"]
    headers = {name: octets.decode() for name, octets in dead.headers}
    jsonschema.validate(headers, described)
    assert set(headers) == set(described["properties"])
    assert set(described["required"]) == set(DLQ_HEADERS)
    assert (headers["dlq_topic"], headers["dlq_code"]) == ("deploy-results", "BAD_RESULT")


def keeps(topic: str, headers: dict[str, str], value: dict[str, Any]) -> None:
    """Not only is nothing missing or of another type: nothing is published that nobody wrote down."""
    written = json.loads((ROOT / f"events/{topic}.schema.json").read_text())
    jsonschema.validate(value, written, cls=jsonschema.Draft202012Validator)
    assert set(value) == set(written["properties"])
    described = message(topic)["headers"]
    jsonschema.validate(headers, described, cls=jsonschema.Draft202012Validator)
    assert set(headers) == set(described["properties"])
    assert (headers["ce_type"], headers["ce_id"]) == (written["title"], value["event_id"])


def message(topic: str) -> dict[str, Any]:
    (found,) = asyncapi()["channels"][topic]["messages"].values()
    return dict(found)
