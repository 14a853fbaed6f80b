"""From an event on deploy-requests to the launch call at AWX, beside a function that only makes that call.

An event's time is that of its Kafka record, a launch's the one at which AWX made the job.
"""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from rich.console import Console

from cdk.wiring import Function, Source
from local.bench.lab import Lab, lab
from local.bench.rows import Row, at, row
from local.runtime.platform import Platform
from local.stack import Options

TENANT = "bench-launch"
APIS, PER_S, ROUND_S, ROUNDS = 24, 2.0, 12, 4
BAR_MS = 1000.0
TOPIC = "bare-requests"
BARE = Function("bare_launch", "the baseline", sources=(Source(TOPIC),))
OPTIONS = Options(executor="direct", slots=2, activation_ms=0, import_ms=0)

Send = Callable[[int], str]


def measure(console: Console, folder: Path) -> list[Row]:
    with lab(folder / "launch", OPTIONS) as made:
        admin = KafkaAdminClient(bootstrap_servers=made.stack.kafka.bootstrap)
        admin.create_topics([NewTopic(TOPIC, 6, 1)])
        admin.close()
        told = {**made.stack.environment(), "STOA_AWX_TOKEN": made.stack.home.secret("awx_token")}  # it asks no Vault
        bare = Platform(told, folder / "bare-launch", functions=(BARE,), package="local.bench.functions")
        bare.start()
        try:
            return rounds(console, made)
        finally:
            bare.stop()


def rounds(console: Console, made: Lab) -> list[Row]:
    project = made.project(TENANT, [f"api-{number}" for number in range(APIS)])
    commit = made.commit(project, project.apis)
    made.announce(project, commit)
    made.until_all_ended({commit: APIS})
    producer = KafkaProducer(bootstrap_servers=made.stack.kafka.bootstrap, acks="all", linger_ms=0)

    def by_hand(number: int) -> str:
        return str(made.start(TENANT, project.apis[number % APIS])["id"])

    def bare(number: int) -> str:
        asked = {"deployment_id": str(uuid.uuid4())}
        producer.send(TOPIC, key=project.apis[number % APIS].encode(), value=json.dumps(asked).encode()).get(10)
        return asked["deployment_id"]

    steady(made, bare, TOPIC, "bare-")  # warm
    ours, theirs = [], []
    for number in range(ROUNDS):
        console.print(f"round {number + 1} of {ROUNDS}: {PER_S:g} launches/s for {ROUND_S} s each", highlight=False)
        theirs.append(steady(made, bare, TOPIC, "bare-"))
        ours.append(steady(made, by_hand, "deploy-requests", "stoa-"))
    producer.close()
    return [
        row("event to AWX launch, p95", _each(95, ours), _each(95, theirs), at_most=BAR_MS),
        row("event to AWX launch, p50", _each(50, ours), _each(50, theirs)),
    ]


def steady(made: Lab, send: Send, topic: str, prefix: str) -> list[float]:
    """Milliseconds of each launch, at an even rate."""
    begun, sent = time.perf_counter(), []
    for number in range(int(PER_S * ROUND_S)):
        time.sleep(max(0.0, begun + number / PER_S - time.perf_counter()))
        sent.append(send(number))
    launched: dict[str, float] = {}

    def all_launched() -> bool:
        launched.update(_launched(made, prefix))
        return launched.keys() >= set(sent)

    made.until(f"{len(sent)} launches", all_launched)
    asked = {json.loads(record.value)["deployment_id"]: float(record.timestamp) for record in made.records(topic)}
    return [launched[one] - asked[one] for one in sent]


def _launched(made: Lab, prefix: str) -> Mapping[str, float]:
    """Epoch milliseconds by deployment."""
    jobs: list[dict[str, Any]] = [job for job in made.jobs() if job["skip_tags"].startswith(prefix)]
    return {
        job["skip_tags"].removeprefix(prefix): datetime.fromisoformat(job["created"]).timestamp() * 1000 for job in jobs
    }


def _each(percent: float, series: list[list[float]]) -> list[float]:
    return [at(one, percent) for one in series]
