"""`make soak`: ten minutes of 50 webhooks/s over 100 APIs, each a GitLab project, on the whole running pipeline.

Once a second a project gets a new commit, which the next webhook about it announces and AWX deploys; the other webhooks
announce what was announced before. What is flat must stay flat, and what piled up must be gone soon after.
"""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import urllib3
from rich.console import Console

from local.bench import webhook
from local.bench.lab import Lab, NotSeen, Project, lab, push_event
from local.bench.processes import below, cpu_by_part, profile
from local.bench.rows import Row, at, row
from local.stack import PIPELINE, Options

MINUTES = 10
MINUTE_S = 60
APIS = 100
COMMITS_PER_S = 1.0
WARM_S = 10
DRAIN_LIMIT_S = 300.0
SETTLED = 3  # the minute after which memory must not grow any more
LATENCY_RATIO, MEMORY_RATIO = 1.5, 1.1
OPTIONS = Options(executor="direct", slots=2, activation_ms=0, import_ms=0)


@dataclass
class Minute:
    """`lag` counts records that no consumer has done yet, `memory_mb` the largest process of each function."""

    latencies_ms: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    lag: int = 0
    memory_mb: dict[str, float] = field(default_factory=dict)

    def said(self, number: int) -> str:
        delays = self.latencies_ms or [0.0]
        memory = ", ".join(f"{name} {value:.0f}" for name, value in sorted(self.memory_mb.items()))
        return (
            f"minute {number}: p50 {at(delays, 50):.0f} ms, p99 {at(delays, 99):.0f} ms, {len(self.errors)} errors,"
            f" lag {self.lag}, MB: {memory}"
        )


class Commits:
    """Projects whose APIs change one after another, in a thread of its own."""

    def __init__(self, made: Lab, projects: Sequence[Project]) -> None:
        self._made = made
        self._projects = projects
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.heads: list[str] = [made.commit(project, project.apis) for project in projects]
        self.made: dict[str, int] = dict.fromkeys(self.heads, 1)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stopped.wait(1 / COMMITS_PER_S):
            at_once = random.randrange(len(self._projects))  # noqa: S311  no secret
            project = self._projects[at_once]
            number += 1
            self.heads[at_once] = self._made.commit(project, project.apis, f"/orders-{number}")
            self.made[self.heads[at_once]] = 1


def measure(console: Console, folder: Path, minutes: int = MINUTES, per_s: int = webhook.PER_S) -> list[Row]:
    with lab(folder / "soak", OPTIONS) as made:
        projects = [made.project(f"soak-{number}", ["orders"]) for number in range(APIS)]
        commits = Commits(made, projects)
        for project, commit in zip(projects, commits.heads, strict=True):
            made.announce(project, commit)
        made.until_all_ended(dict(commits.made), DRAIN_LIMIT_S)
        with ThreadPoolExecutor(webhook.THREADS) as pool:
            minute(made, projects, commits, pool, WARM_S, per_s)
            commits.start()
            cpu = cpu_by_part()
            found = []
            for number in range(minutes):
                found.append(minute(made, projects, commits, pool, MINUTE_S, per_s))
                console.print(found[-1].said(number + 1), highlight=False)
                for error in found[-1].errors[:3]:
                    console.print(f"  {error[:200]}", style="red", markup=False)
            commits.stop()
        profile(console, cpu, minutes * MINUTE_S * per_s)
        took, left = drained(console, made)
        failed = made.count("deployments WHERE state NOT IN ('succeeded', 'superseded')")
        return rows(found, took, left, failed)


def minute(
    made: Lab, projects: Sequence[Project], commits: Commits, pool: ThreadPoolExecutor, seconds: int, per_s: int
) -> Minute:
    """Sends at an even rate, whatever the answers; a late one counts from when it was due."""
    found = Minute()
    begun = time.perf_counter() + 0.1
    secret, url = made.stack.home.secret("webhook_secret"), made.stack.url("api")

    def send(number: int) -> None:
        due, project = begun + number / per_s, projects[number % APIS]
        time.sleep(max(0.0, due - time.perf_counter()))
        try:
            taken = webhook.one(url, push_event(project.id, commits.heads[number % APIS]), due, secret)
        except (RuntimeError, urllib3.exceptions.HTTPError) as error:
            found.errors.append(f"{type(error).__name__}: {error}")
        else:
            found.latencies_ms.append(taken)

    for sent in [pool.submit(send, number) for number in range(per_s * seconds)]:
        sent.result()
    found.lag, found.memory_mb = lag(made), memory_mb()
    return found


def lag(made: Lab) -> int:
    platform = made.stack.platform
    return sum(each.lag for each in platform.counters().values()) if platform else 0


def memory_mb() -> dict[str, float]:
    """The largest process of each function of the pipeline."""
    found: dict[str, float] = defaultdict(float)
    for process in below():
        if process.part in PIPELINE:
            found[process.part] = max(found[process.part], process.rss_mb)
    return dict(found)


def drained(console: Console, made: Lab) -> tuple[float, int]:
    """Seconds until nothing waits any more, and the lag then."""
    begun = time.perf_counter()

    def over() -> bool:
        waits = made.count("pushes WHERE state = 'accepted'") + made.count("deployments WHERE finished_at IS NULL")
        return not waits and not made.count("outbox WHERE published_at IS NULL") and lag(made) == 0

    try:
        made.until("nothing to wait any more", over, DRAIN_LIMIT_S)
    except NotSeen as error:
        console.print(str(error), style="red")
    took, ended = time.perf_counter() - begun, made.rows("SELECT state, count(*) FROM deployments GROUP BY state")
    states = ", ".join(f"{each['count']} {each['state']}" for each in ended)
    console.print(f"drained in {took:.1f} s: {states}", highlight=False)
    return took, lag(made)


def rows(found: Sequence[Minute], took_s: float, lag_left: int, failed: int) -> list[Row]:
    """What must hold after so many minutes. Raises RuntimeError when a function has no process any more."""
    first, last, settled = found[0], found[-1], found[min(SETTLED, len(found)) - 1]
    if gone := set(settled.memory_mb) - set(last.memory_mb):
        raise RuntimeError(f"no process in the last minute: {', '.join(sorted(gone))}")
    growth = {name: mb / settled.memory_mb.get(name, mb) for name, mb in last.memory_mb.items()}
    worst = max(growth, key=lambda name: growth[name])
    made = [row("soak, webhooks not accepted", [float(sum(len(one.errors) for one in found))], unit="", at_most=0.5)]
    for percent in (50, 99):
        before, after = (at(one.latencies_ms or [float("inf")], percent) for one in (first, last))
        name = f"soak, webhook p{percent}, last minute against the first"
        made.append(row(name, [after], [before], at_most=webhook.BAR_MS, at_most_ratio=LATENCY_RATIO))
    memory = ([one.memory_mb[worst]] for one in (last, settled))
    name = f"soak, memory of {worst}, last minute against the third"
    return [
        *made,
        row(name, *memory, unit="MB", at_most_ratio=MEMORY_RATIO),
        row("soak, lag at the end", [float(lag_left)], unit="records", at_most=0.5),
        row("soak, deployments that did not succeed", [float(failed)], unit="", at_most=0.5),
        row("soak, until nothing waits", [took_s], unit="s", at_most=DRAIN_LIMIT_S),
    ]
