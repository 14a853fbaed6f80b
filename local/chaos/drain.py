"""Waits until nothing is under way any more. What it looks at decides how long it waits, never what is right."""

import time
from collections.abc import Callable

import psycopg
import requests

from local.chaos.faults import revive
from local.stack import Stack

LIMIT_S = 120.0
QUIET_S = 2.0
LOOK_EVERY_S = 0.5
SAY_EVERY_S = 5.0
COUNTS = {
    "pushes": "SELECT count(*) FROM pushes WHERE state = 'accepted'",
    "deployments": "SELECT count(*) FROM deployments WHERE finished_at IS NULL",
    "deployments to be tried again": "SELECT count(*) FROM lanes WHERE lost_deployment_id IS NOT NULL",
    "events in the outbox": "SELECT count(*) FROM outbox WHERE published_at IS NULL AND refused IS NULL",
    "parked records": "SELECT count(*) FROM parked",
}
PROCESSED = "SELECT count(*) FROM project_heads WHERE head = %s"


def drain(stack: Stack, head: str, say: Callable[[str], None], limit_s: float) -> list[str]:
    """What was still under way after the limit: nothing, once all was at rest for `QUIET_S`. `head` is the last commit
    that was pushed."""
    deadline, quiet_since, said = time.monotonic() + limit_s, None, 0.0
    left: list[str] = []
    while time.monotonic() < deadline:
        for name in revive(stack):
            say(f"{name} had ended by itself and was started again")
        left = [f"{count} {what}" for what, count in _left(stack, head).items()]
        now = time.monotonic()
        quiet_since = (quiet_since or now) if not left else None
        if quiet_since is not None and now - quiet_since > QUIET_S:
            return []
        if now - said > SAY_EVERY_S:
            said = now
            say("waits for " + (", ".join(left) or "quiet"))
        time.sleep(LOOK_EVERY_S)
    return left or ["things that came and went"]


def _left(stack: Stack, head: str) -> dict[str, int]:
    try:
        with psycopg.connect(stack.postgres.url, connect_timeout=5) as connection:
            counts = {what: _count(connection, query) for what, query in COUNTS.items()}
            counts["newest commit"] = int(_count(connection, PROCESSED, head) == 0)
    except psycopg.OperationalError:
        return {"PostgreSQL": 1}
    jobs = _unfinished_jobs(stack)
    return {what: count for what, count in {**counts, "AWX jobs": jobs, "records": _lag(stack)}.items() if count}


def _count(connection: psycopg.Connection, query: str, *values: str) -> int:
    row = connection.execute(query, values).fetchone()
    return int(row[0]) if row else 0


def _unfinished_jobs(stack: Stack) -> int:
    try:
        found = requests.get(f"{stack.url('awx')}/_emulator/launches", timeout=10).json()["launches"]
    except (requests.RequestException, ValueError):
        return 1
    return sum(job["status"] in ("new", "pending", "waiting", "running") for job in found)


def _lag(stack: Stack) -> int:
    return sum(counters.lag for counters in stack.platform.counters().values()) if stack.platform else 0
