"""How fast a push is accepted, beside a function that does the least one can do, in the same run."""

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import urllib3
from rich.console import Console

from cdk.wiring import Function
from local.bench.parts import SECRET
from local.bench.rows import Row, at, row
from local.parts.kafka import Kafka
from local.runtime.platform import Platform

PER_S = 50
ROUND_S = 5
ROUNDS = 4
APIS = 100
THREADS = 64
BARE = Function("bare", "the baseline", memory_mb=1024, timeout_s=29, http=True)
BAR_MS = 100.0
BAR_RATIO = 2.0

Milliseconds = list[float]
connections = urllib3.PoolManager(maxsize=THREADS)


def push(number: int) -> bytes:
    """A push event with twenty commits, to one of a hundred projects."""
    commit = {"id": "c" * 40, "message": "Change", "added": ["a"], "modified": ["b"], "removed": []}
    project = number % APIS + 1
    event = {
        "object_kind": "push",
        "ref": "refs/heads/main",
        "before": "a" * 40,
        "after": uuid.uuid4().hex + "0" * 8,
        "user_id": 1,
        "project_id": project,
        "project": {"id": project, "default_branch": "main"},
        "commits": [commit] * 20,
    }
    return json.dumps(event).encode()


def one(url: str, body: bytes, due: float, secret: str = SECRET) -> float:
    """Milliseconds from when the request was due: a late start counts as the server's delay.

    Raises RuntimeError when it is not accepted, HTTPError of urllib3 when nobody answers. By urllib3 itself, since the
    load takes its CPU time from the same two cores.
    """
    time.sleep(max(0.0, due - time.perf_counter()))
    headers = {"X-Gitlab-Token": secret, "Idempotency-Key": str(uuid.uuid4())}
    answer = connections.request(
        "POST", f"{url}/webhooks/gitlab", body=body, headers=headers, timeout=30, retries=False
    )
    if answer.status != 202:
        raise RuntimeError(f"answered {answer.status}: {answer.data[:200]!r}")
    return (time.perf_counter() - due) * 1000


def sustained(url: str, pool: ThreadPoolExecutor) -> Milliseconds:
    begun = time.perf_counter() + 0.1
    sent = [pool.submit(one, url, push(n), begun + n / PER_S) for n in range(PER_S * ROUND_S)]
    return [each.result() for each in sent]


def measure(console: Console, folder: Path, kafka: Kafka, environment: dict[str, str]) -> list[Row]:
    """Kafka is stopped at the end of it."""
    ours = Platform(environment, folder / "logs")
    bare = Platform(environment, folder / "bare", functions=(BARE,), package="local.bench.functions")
    with ThreadPoolExecutor(THREADS) as pool:
        ours.start({"api"})
        bare.start()
        try:
            found = rounds(ours, bare, kafka, pool, console)
            stored(environment["STOA_DATABASE_URL"])
            return found
        finally:
            ours.stop()
            bare.stop()


def rounds(ours: Platform, bare: Platform, kafka: Kafka, pool: ThreadPoolExecutor, console: Console) -> list[Row]:
    for platform in (ours, bare):
        sustained(platform.api_url, pool)  # warm
    mine, theirs = [], []
    for number in range(ROUNDS):
        console.print(f"round {number + 1} of {ROUNDS}: {PER_S} pushes/s for {ROUND_S} s each", highlight=False)
        theirs.append(sustained(bare.api_url, pool))
        mine.append(sustained(ours.api_url, pool))
    console.print(f"{ROUNDS} rounds more with Kafka stopped", highlight=False)
    kafka.kill()
    without_kafka = [sustained(ours.api_url, pool) for _ in range(ROUNDS)]
    return [
        row("webhook accepted, p99", *at_each(99, mine, theirs), at_most=BAR_MS, at_most_ratio=BAR_RATIO),
        row("webhook accepted, p50", *at_each(50, mine, theirs), at_most=BAR_MS),
        row("webhook accepted, p99, Kafka stopped", *at_each(99, without_kafka), at_most=BAR_MS),
    ]


def stored(database_url: str) -> None:
    """Raises RuntimeError unless each push that was answered with 202 is a row."""
    sent = (1 + 2 * ROUNDS) * PER_S * ROUND_S
    with psycopg.connect(database_url) as connection:
        found = connection.execute("SELECT count(*) FROM pushes").fetchone()
    if found != (sent,):
        raise RuntimeError(f"{sent} pushes were accepted, and the database has {found}")


def at_each(percent: float, *series: list[Milliseconds]) -> list[Milliseconds]:
    return [[at(each, percent) for each in rounds] for rounds in series]
