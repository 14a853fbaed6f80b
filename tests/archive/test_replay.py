"""The read model rebuilt from archive and tail is the live one, made by the real flows and the real consumers."""

import gzip
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaProducer
from typer.testing import CliRunner

from cdk.wiring import FUNCTIONS
from local.cli.main import app
from local.parts.kafka import Kafka
from local.replay.history import Span
from local.runtime.platform import Platform
from local.topics import create_topics
from stoa.adapters.awx import Awx
from stoa.adapters.kafka import Producer
from stoa.adapters.s3 import Bucket
from stoa.deployments.events import Cause
from stoa.deployments.flows import Deployments
from stoa.deployments.flows_by_hand import ByHand
from stoa.gitops.events import Prepared
from stoa.gitops.flows import GitOps
from stoa.kernel import ids
from stoa.kernel.clock import iso, now
from stoa.kernel.database import Database
from stoa.kernel.envelope import Message, Position
from stoa.kernel.publisher import Publisher
from stoa.kernel.settings import Secret
from tests.archive.apis_in_git import tell
from tests.flows.thrown_away_awx import LAUNCH_VARS, ThrownAwayAwx

JARS = Path(__file__).resolve().parents[2] / "build" / "kafka-jars"
TENANT = "tenant-acme"
BUCKET = "archive-of-replay"


class Lab:
    """Flows in this process; the archive and the status consumer as functions in theirs."""

    def __init__(self, url: str, kafka: Kafka, s3: str, folder: Path) -> None:
        self.url, self.kafka = url, kafka
        self.environment = {
            "STOA_DATABASE_URL": url,
            "STOA_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "STOA_ARCHIVE_BUCKET": BUCKET,
            "STOA_S3_ENDPOINT": s3,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        self.bucket = Bucket(BUCKET, s3)
        boto3.client("s3", endpoint_url=s3, region_name="us-east-1").create_bucket(Bucket=BUCKET)
        self.folder = folder
        self.database = Database(Secret(url), "stoa_worker")
        self.producer = Producer(kafka.bootstrap)
        self.publisher = Publisher(Database(Secret(url), "stoa_worker"), self.producer.send, wait_s=0)
        self.awx = ThrownAwayAwx()
        prepared = Prepared(api_version="1.0.0", launch_vars=LAUNCH_VARS, document=b"{}", sha256="0" * 64, report={})
        client, here = Awx(self.awx.url, Secret("token"), timeout_s=2), "http://127.0.0.1:1"
        self.flows = Deployments(self.database, lambda _: None, client, lambda _: prepared, here, 0.0, 60.0)
        self.by_hand = ByHand(self.database, lambda _: None, client)
        never: Any = None
        self.gitops = GitOps(self.database, lambda _: None, never, never, never, never, never, never, never)

    def functions(self, *names: str) -> Platform:
        chosen = [f for f in FUNCTIONS if f.name in names]
        platform = Platform(self.environment, self.folder / "-".join(names), 20.0, functions=chosen)
        platform.start(set(names))
        return platform

    def push(self, number: int) -> None:
        at = now()
        self.gitops.accept_push(
            {
                "trace_id": ids.trace_id(), "push_id": f"push-{number}", "project_id": 1, "ref": "refs/heads/main",
                "before": "a" * 40, "after": f"{number:040d}", "pusher": "gitlab:7", "received_at": iso(at),
            }
        )  # fmt: skip

    def ask(self, api: str, environment: str = "dev", **more: Any) -> str:
        cause = Cause(project_id=1, commit="c" * 40, trigger="gitlab-push", actor="gitlab:7", trace_id=ids.trace_id())
        wanted: Any = {"tenant": TENANT, "api": api, "environment": environment, "action": "deploy", **more}
        with self.database.transaction() as connection:
            return self.flows.request(connection, cause, [wanted])[0][0]

    def launch(self, deployment_id: str) -> None:
        data, at = {"deployment_id": deployment_id}, Position("deploy-requests", 0, 0)
        self.flows.launch(Message(at, "k", deployment_id, "t", "s", TENANT, "a", "", 1, data))

    def end(self, status: str = "successful") -> None:
        """All jobs that run."""
        for job in self.awx.jobs:
            if job["status"] == "running":
                self.awx.end(job, status)
        self.flows.reconcile()

    def one_after_the_other(self, api: str) -> None:
        """Succeeds; then three of which the middle one is superseded and the last fails."""
        self.launch(self.ask(api))
        self.end()
        for made in [self.ask(api) for _ in range(3)]:
            self.launch(made)
        self.end()
        self.end("failed")

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(statement)

    def archived(self) -> list[dict[str, Any]]:
        found = [gzip.decompress(self.bucket.get(name)) for name in self.bucket.names("events/deploy-")]
        return [json.loads(line) for text in found for line in text.splitlines()]


@pytest.fixture(scope="module")
def lab(module_database: Callable[[], str], s3: str, run_folder: Path) -> Iterator[Lab]:
    """With a broker of its own: the topics of the other tests hold events that are in no table of ours."""
    with ExitStack() as stack:
        kafka = Kafka(run_folder / "kafka-of-replay", JARS)
        stack.callback(kafka.stop)
        kafka.start()
        create_topics(kafka.bootstrap)
        made = Lab(module_database(), kafka, s3, run_folder / "replay")
        stack.callback(made.awx.shutdown)
        stack.callback(made.producer.close)
        yield made


def replay(lab: Lab, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """The exit code, what --json says, and stderr."""
    done = CliRunner().invoke(app, ["replay", "--json", *arguments], env=lab.environment, catch_exceptions=False)
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return done.exit_code, said[0] if said else {}, done.stderr.strip()


def hashes(said: dict[str, Any]) -> dict[str, Any]:
    return {one["table"]: one["rebuilt"] for one in said["projections"]}


def send_what_nobody_can_use(lab: Lab, copy_of: dict[str, Any]) -> None:
    """On deploy-results: broken values, a tenant that is not the sender's, what no column holds; and a twin."""
    value = json.loads(copy_of["value"])
    headers = [(name, text.encode()) for name, text in copy_of["headers"].items()]
    odd: list[bytes | None] = [None, b"\xff{", b"[]", b"{}", b'{"a":' * 3000]
    wrong: list[dict[str, Any]] = [
        {"tenant": "tenant-b"},
        {"generation": True},
        {"finished_at": "soon"},
        {"api_id": "a\0b"},
    ]
    odd += [json.dumps({**value, "generation": 99, **one}).encode() for one in wrong]
    producer = KafkaProducer(bootstrap_servers=lab.kafka.bootstrap, acks="all")
    for number, data in enumerate([*odd, copy_of["value"].encode()]):
        producer.send("deploy-results", data, key=f"k{number}".encode(), headers=headers)
    producer.send("deploy-results", copy_of["value"].encode(), key=b"no headers")
    producer.flush(10)
    producer.close()


def something_of_everything(lab: Lab) -> None:
    lab.push(1)
    tell(lab.database, TENANT, ["orders", "payments"], ["orders", "payments"])
    lab.one_after_the_other("orders")
    refused = {"code": "APPROVAL_REQUIRED", "detail": 'says "no"\nwith a \\ and an ä'}
    lab.ask("orders", "prod", refused=refused)
    lab.by_hand.cancel(lab.ask("payments"), "user-1")
    lab.launch(lab.ask("payments"))  # and runs
    lab.publisher.relay()


def all_archived(lab: Lab, count: int) -> list[dict[str, Any]]:
    """From now on these come from the archive."""
    until = time.monotonic() + 120
    while len(found := lab.archived()) < count and time.monotonic() < until:
        time.sleep(0.3)  # each look reads the whole archive
    assert len(found) == count
    return found


def test_the_rebuilt_model_is_the_live_one_now_and_as_of_a_moment_before(lab: Lab, tmp_path: Path) -> None:
    running = lab.functions("events_to_archive", "deploy_results_to_status")
    try:
        something_of_everything(lab)
        code, before, said = replay(lab)
        assert (code, said) == (0, "")
        assert {one["table"]: one["rebuilt"]["rows"] for one in before["projections"]} == {
            "deployments": 7, "api_status": 3, "pushes": 1, "apis": 2,
        }  # fmt: skip
        assert (before["events"], before["lost"]) == (15, 0)
        first = tmp_path / "first.json"
        first.write_text(json.dumps(before))
        archived = all_archived(lab, 12)
        twin = next(line for line in archived if line["topic"] == "deploy-results")
    finally:
        running.stop()
    time.sleep(0.01)
    moment = iso(now())
    time.sleep(0.01)
    running = lab.functions("deploy_results_to_status")
    try:
        lab.end()
        lab.push(2)
        tell(lab.database, TENANT, ["orders"], ["orders"])
        tell(lab.database, TENANT, ["payments"], ["orders", "payments"])
        lab.one_after_the_other("billing")
        lab.publisher.relay()
        send_what_nobody_can_use(lab, twin)
        code, after, said = replay(lab)
        assert (code, said) == (0, ""), after
        assert (after["refused"], after["lost"]) == (10, 0), after
        assert after["records"] == after["events"] + 10 + 1, "the twin is one event with its original"
        assert len(lab.archived()) == 12, "the rest is the tail of the topics"
        assert all(hashes(after)[table] != one for table, one in hashes(before).items())
    finally:
        running.stop()
    code, then, _ = replay(lab, "--as-of", moment, "--expect", str(first))
    assert (code, hashes(then)) == (0, hashes(before))
    code, later, _ = replay(lab, "--as-of", iso(now()), "--expect", str(first))
    assert (code, hashes(later)) == (1, hashes(after))


def schemas(lab: Lab) -> set[str]:
    with psycopg.connect(lab.url) as connection:
        found = connection.execute("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, 'replay_')")
        return {name for (name,) in found}


def test_what_is_under_way_is_waited_for_and_not_called_a_difference(lab: Lab) -> None:
    lab.push(3)
    code, said, told = replay(lab, "--patience", "0")
    assert (code, said) == (2, {})
    assert "1 events wait in the outbox" in told
    lab.publisher.relay()
    lab.by_hand.cancel(lab.ask("payments"), "user-1")
    lab.publisher.relay()
    code, said, told = replay(lab, "--patience", "0")
    assert (code, said) == (2, {})
    assert "deploy_results_to_status.deploy-results is 1 records behind" in told
    running = lab.functions("deploy_results_to_status")
    lab.execute("CREATE SCHEMA replay_of_one_that_was_killed")
    code, said, _ = replay(lab, "--keep")
    running.stop()
    assert (code, schemas(lab)) == (0, {said["schema"]})


def test_a_hole_in_the_archive_is_read_from_kafka(lab: Lab) -> None:
    name = next(iter(lab.bucket.names("events/deploy-results/")))
    client = lab.bucket._connected()
    client.delete_object(Bucket=BUCKET, Key=name)
    code, said, _ = replay(lab)
    assert (code, said["lost"]) == (0, 0)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 5)), max_size=6), st.integers(0, 25))
def test_missing_ranges_are_those_that_nobody_read(read: list[tuple[int, int]], end: int) -> None:
    span = Span()
    for first, length in read:
        span.add(first, first + length)
    missing = {n for first, behind in span.missing(end) for n in range(first, behind)}
    assert missing == set(range(end)) - {n for first, length in read for n in range(first, first + length)}


def test_a_live_row_that_was_tampered_with_is_noticed(lab: Lab) -> None:
    """After the test above: there is a history."""
    lab.execute("UPDATE deployments SET requested_at = requested_at + interval '1 ms' WHERE action = 'deploy'")
    lab.execute("UPDATE pushes SET pusher = 'gitlab:8' WHERE id = 'push-1'")
    code, said, _ = replay(lab)
    assert (code, {one["table"]: one["equal"] for one in said["projections"]}) == (
        1, {"deployments": False, "api_status": True, "pushes": False, "apis": True},
    )  # fmt: skip
    lab.execute("DELETE FROM api_status WHERE api = 'orders'")
    code, said, _ = replay(lab, "--consumer", "deploy_results_to_status")
    assert (code, [(one["table"], one["equal"]) for one in said["projections"]]) == (1, [("api_status", False)])
