"""After any faults, each accepted request has one final state and one result, lanes rise, nothing runs twice.

A state machine over the real outbox, lanes and consumer, real PostgreSQL and real Kafka. The process "dies"
by an exception that nothing catches, before or after any statement or HTTP call; what follows starts anew.
"""

import base64
import json
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import requests
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from kafka import KafkaConsumer, TopicPartition

from local.topics import create_topics
from stoa.adapters.awx import Awx
from stoa.adapters.kafka import Producer
from stoa.deployments.events import Cause
from stoa.deployments.flows import Deployments
from stoa.deployments.model import Deployment
from stoa.entrypoints.kafka import Consumer
from stoa.gitops.events import Prepared
from stoa.kernel import ids, outbox
from stoa.kernel.database import Database
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret
from tests.flows.thrown_away_awx import LAUNCH_VARS, ThrownAwayAwx

LANES = ("orders", "payments")
MAY_ARRIVE_S = 0.03


class Killed(BaseException):
    """The process is gone."""


class Death:
    """Strikes before or after the n-th statement or HTTP call from now."""

    left: int | None = None

    def step(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise Killed


death = Death()


@pytest.fixture
def mortal(monkeypatch: pytest.MonkeyPatch) -> None:
    def deadly(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            death.step()
            done = call(*args, **kwargs)
            death.step()
            return done

        return wrapped

    monkeypatch.setattr(psycopg.Cursor, "execute", deadly(psycopg.Cursor.execute))
    monkeypatch.setattr(requests.Session, "request", deadly(requests.Session.request))


class Platform(RuleBasedStateMachine):
    bootstrap: str
    new_database: Callable[[], str]
    producer: Producer
    awx: Any

    def __init__(self) -> None:
        super().__init__()
        self.url = type(self).new_database()
        self.tenant = f"tenant-{uuid.uuid4().hex[:10]}"
        self.invalid: set[str] = set()
        self.accepted: list[str] = []
        self.awx.jobs.clear()
        self.awx.mode = "up"
        self.log: list[dict[str, Any]] = []
        self.waiting: list[dict[str, Any]] = []
        self.results: dict[str, set[str]] = defaultdict(set)
        self.kafka = KafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False)
        partitions = [TopicPartition(t, p) for t in ("deploy-requests", "deploy-results") for p in range(6)]
        self.kafka.assign(partitions)
        self.kafka.seek_to_end()
        list(map(self.kafka.position, partitions))
        self.start()
        with self.database.transaction() as connection:
            connection.execute("INSERT INTO project_tenants (project_id, tenant) VALUES (1, %s)", (self.tenant,))

    def start(self) -> None:
        self.database = Database(Secret(self.url), "stoa_worker")
        awx = Awx(self.awx.url, Secret("token"), timeout_s=2)
        self.deployments = Deployments(
            self.database, self.publish, awx, self.prepare, "http://127.0.0.1:1", MAY_ARRIVE_S, 0.0
        )
        self.consumer = Consumer(
            "deploy_requests_to_awx", self.database, self.producer.send, self.deployments.launch,
            self.deployments.give_up, True, 2_000.0,
        )  # fmt: skip

    def publish(self, keys: Sequence[str]) -> None:
        outbox.publish(self.database, self.producer.send, list(keys))

    def prepare(self, deployment: Deployment) -> Prepared:
        if deployment.commit in self.invalid:
            raise Refused("SPEC_INVALID", "this commit holds no valid document")
        return Prepared(api_version="1.0.0", launch_vars=LAUNCH_VARS, document=b"{}", sha256="0" * 64, report={})

    @contextmanager
    def life(self, steps: int | None) -> Iterator[None]:
        """Runs what a process does until it ends, waits for somebody, or is killed."""
        death.left = steps
        try:
            yield
        except Transient:
            pass
        except Killed:
            self.database.close()
            self.start()
        finally:
            death.left = None

    @rule(lane=st.sampled_from(LANES), valid=st.booleans(), steps=st.none() | st.integers(0, 12))
    def request(self, lane: str, valid: bool, steps: int | None) -> None:
        commit = uuid.uuid4().hex
        if not valid:
            self.invalid.add(commit)
        cause = Cause(project_id=1, commit=commit, trigger="gitlab-push", actor="gitlab:1", trace_id=ids.trace_id())
        wanted = {"tenant": self.tenant, "api": lane, "environment": "dev", "action": "deploy"}
        with self.life(steps):
            with self.database.transaction() as connection:
                made, keys = self.deployments.request(connection, cause, [wanted])  # type: ignore[list-item]
            self.accepted += made
            self.publish(keys)

    @rule(steps=st.none() | st.integers(0, 60))
    def relay(self, steps: int | None) -> None:
        with self.life(steps):
            while keys := outbox.waiting_keys(self.database, 50):
                self.publish(keys)

    @rule(steps=st.none() | st.integers(0, 120))
    def deliver(self, steps: int | None) -> None:
        self.poll()
        if self.waiting:
            event: dict[str, Any] = {"records": defaultdict(list)}
            for record in self.waiting:
                event["records"][f"{record['topic']}-{record['partition']}"].append(record)
            with self.life(steps):
                answer = self.consumer.process(event, lambda: 60_000)
                failed = {
                    (i["itemIdentifier"]["partition"], i["itemIdentifier"]["offset"])
                    for i in answer["batchItemFailures"]
                }
                self.waiting = [r for r in self.waiting if (f"{r['topic']}-{r['partition']}", r["offset"]) in failed]

    # what is drawn may not depend on how far Kafka has come, or the run could not be repeated
    @rule(first=st.integers(0, 20))
    def deliver_again(self, first: int) -> None:
        self.waiting = sorted(
            {(r["partition"], r["offset"]): r for r in [*self.log[first:], *self.waiting]}.values(),
            key=lambda r: (r["partition"], r["offset"]),
        )

    @rule(number=st.integers(0, 5), status=st.sampled_from(["successful", "failed", "error"]),
          notice=st.booleans(), steps=st.none() | st.integers(0, 60))  # fmt: skip
    def job_ends(self, number: int, status: str, notice: bool, steps: int | None) -> None:
        running = [job for job in self.awx.jobs if job["status"] == "running"]
        if running:
            job = running[number % len(running)]
            self.awx.end(job, status)
            if notice:
                with self.life(steps):
                    self.deployments.job_finished(job["id"])

    @rule(steps=st.none() | st.integers(0, 120))
    def tick(self, steps: int | None) -> None:
        """What the schedules do."""
        with self.life(steps):
            self.consumer.retry_parked(lambda: 60_000)
            self.deployments.reconcile()

    @rule(mode=st.sampled_from(["up", "down", "drop"]))
    def awx_becomes(self, mode: str) -> None:
        self.awx.mode = mode

    def poll(self) -> None:
        for records in self.kafka.poll(timeout_ms=30).values():
            for found in records:
                headers = dict(found.headers)
                if headers["ce_tenant"].decode() != self.tenant:
                    continue
                if found.topic == "deploy-results":
                    self.results[headers["ce_subject"].decode()].add(headers["ce_id"].decode())
                    continue
                record = as_lambda_has_it(found)
                self.log.append(record)
                self.waiting.append(record)

    def teardown(self) -> None:
        death.left = None
        self.awx.mode = "up"
        deadline = time.monotonic() + 120
        while self.unfinished() and time.monotonic() < deadline:
            self.relay(None)
            self.deliver(None)
            for job in self.awx.jobs:
                if job["status"] == "running":
                    self.awx.end(job, "successful")
            self.tick(None)
        self.relay(None)
        self.check()
        self.kafka.close()
        self.database.close()

    def unfinished(self) -> bool:
        with self.database.transaction() as connection:
            lost = connection.execute("SELECT 1 FROM lanes WHERE lost_deployment_id IS NOT NULL").fetchone()
        return lost is not None or any(not d.final for d in self.rows())

    def rows(self) -> list[Deployment]:
        from stoa.deployments.queries import DeploymentQueries

        return DeploymentQueries(self.database).page(before=None, limit=1000, filters={})

    def check(self) -> None:
        rows = {d.id: d for d in self.rows()}
        assert set(self.accepted) <= set(rows), "lost"
        assert not self.unfinished(), "without an end"
        with self.database.transaction() as connection:
            said = connection.execute(
                "SELECT value, published_at FROM outbox WHERE topic = 'deploy-results'"
            ).fetchall()
        assert all(row["published_at"] for row in said)
        ends = Counter(json_id(row["value"]) for row in said)
        assert ends == Counter(dict.fromkeys(rows, 1)), "one result each"
        launched = [job["extra_vars"] for job in self.awx.jobs]
        assert max(Counter(job["deployment_id"] for job in launched).values(), default=1) == 1, "doubled"
        for lane in LANES:
            order = [job["desired_generation"] for job in launched if job["api_name"] == lane]
            assert order == sorted(set(order)), "misordered"
            mine = sorted((d for d in rows.values() if d.lane.api == lane), key=lambda d: d.generation)
            own_fault = [d for d in mine if d.error and d.error["code"] in ("SPEC_INVALID", "AWX_JOB_FAILED")]
            valid = [d for d in mine if d not in own_fault]
            assert not valid or valid[-1].state == "succeeded", "the newest valid request is not served"


def json_id(value: bytes) -> str:
    found: str = json.loads(bytes(value))["deployment_id"]
    return found


def as_lambda_has_it(found: Any) -> dict[str, Any]:
    return {
        "topic": found.topic,
        "partition": found.partition,
        "offset": found.offset,
        "key": base64.b64encode(found.key).decode(),
        "value": base64.b64encode(found.value).decode(),
        "headers": [{name: list(value)} for name, value in found.headers],
    }


@pytest.mark.parametrize("examples", [20, pytest.param(400, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_the_outage_sentence_holds_whatever_dies(
    kafka: Any, new_database: Callable[[], str], mortal: None, examples: int
) -> None:
    create_topics(kafka.bootstrap)
    awx = ThrownAwayAwx()
    parts = {"bootstrap": kafka.bootstrap, "new_database": staticmethod(new_database), "awx": awx}
    bound = type("Bound", (Platform,), {**parts, "producer": Producer(kafka.bootstrap)})
    calm = settings(deadline=None, suppress_health_check=list(HealthCheck), stateful_step_count=40)
    run_state_machine_as_test(bound, settings=settings(calm, max_examples=examples))
    awx.shutdown()
