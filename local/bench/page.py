"""How long a page that is open does not show what changed.

The page follows `GET /v1/changes`: it asks again after `poll_after_ms`, and at once after a person did something on
it. Beside it, as the baseline, somebody reads the steps out of the database at the same pace.
"""

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import requests
from rich.console import Console

from local.bench.lab import Lab, lab
from local.bench.rows import Row, at, row
from local.stack import Options

TENANT = "bench-page"
APIS, CHANGES = 6, 30
BAR_MS = 1000.0
POLL_S, JITTER = 0.7, 0.1
ROUNDS = 3
RUN_S = 1.0  # how long AWX takes before it begins to work
OPTIONS = Options(executor="direct", slots=2, activation_ms=50, import_ms=50)

# a deployment, a step, and which end of it
Change = tuple[str, str, str]
Seen = dict[Change, float]


def measure(console: Console, folder: Path) -> list[Row]:
    with lab(folder / "page", OPTIONS) as made:
        project = made.project(TENANT, [f"api-{number}" for number in range(APIS)])
        commit = made.commit(project, project.apis)
        made.announce(project, commit)
        made.until_all_ended({commit: APIS})
        made.slow_runs(RUN_S)
        ours, baseline = [], []
        for number in range(ROUNDS):
            page, reader = Page(made), Reader(made)
            follow(made, project.apis, (page, reader))
            if unseen := reader.seen - page.seen:
                raise RuntimeError(f"the page never showed {sorted(unseen)}")
            ours.append(page.delays_ms())
            baseline.append(reader.delays_ms())
            said = f"round {number + 1} of {ROUNDS}: the page showed {len(ours[-1])} changes of steps"
            console.print(said, highlight=False)
    few = [len(one) for one in ours if len(one) < CHANGES]
    if few:
        raise RuntimeError(f"only {few} changes were seen, and {CHANGES} are needed")
    each = [[at(one, 95) for one in series] for series in (ours, baseline)]
    half = [[at(one, 50) for one in series] for series in (ours, baseline)]
    return [
        row("status change to the open page, p95", *each, at_most=BAR_MS),
        row("status change to the open page, p50", *half),
    ]


class Follower:
    """Looks again and again, and notes when it first saw each end of each step."""

    def __init__(self, made: Lab) -> None:
        self.made = made
        self.pause_s = 0.0
        self._seen: Seen = {}
        self._happened: Seen = {}
        self._stopped = threading.Event()
        self._now = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._broken: Exception | None = None

    @property
    def seen(self) -> set[Change]:
        return set(self._seen)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Raises what ended it before."""
        self._stopped.set()
        self._now.set()
        self._thread.join()
        if self._broken is not None:
            raise self._broken

    def look_at_once(self) -> None:
        self._now.set()

    def delays_ms(self) -> list[float]:
        return [(self._seen[one] - self._happened[one]) * 1000 for one in self._seen]

    def _run(self) -> None:
        try:
            self._follow()
        except (requests.RequestException, psycopg.Error) as error:
            self._broken = error

    def _follow(self) -> None:
        while not self._stopped.is_set():
            self._now.clear()
            for change, happened in self.look():
                self._happened[change] = happened
                self._seen.setdefault(change, time.time())
            self._now.wait(self.pause_s)

    def look(self) -> Iterable[tuple[Change, float]]:
        """What there is to see, with when it happened; sets how long to wait."""
        raise NotImplementedError


class Page(Follower):
    """As reference/web.md has it: a cursor, and of two states of one thing the one with the higher version."""

    def __init__(self, made: Lab) -> None:
        super().__init__(made)
        self._http = requests.Session()
        self._http.auth = made.stack.admin
        self._versions: dict[str, int] = {}
        self._cursor = self._ask({})["cursor"]

    def look(self) -> Iterator[tuple[Change, float]]:
        answer = self._ask({"cursor": self._cursor})
        self._cursor, self.pause_s = answer["cursor"], answer["poll_after_ms"] / 1000
        for item in answer["items"]:
            if item["version"] > self._versions.get(item["id"], -1):
                self._versions[item["id"]] = item["version"]
                yield from changes(item["id"], item["data"]["steps"], datetime.fromisoformat)

    def _ask(self, more: dict[str, str]) -> dict[str, Any]:
        url = f"{self.made.stack.url('api')}/v1/changes"
        answer = self._http.get(url, params={"tenant": TENANT, **more}, timeout=30)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


class Reader(Follower):
    """The same out of the database, with nothing in between."""

    def __init__(self, made: Lab) -> None:
        super().__init__(made)
        self._since = datetime.now().astimezone()

    def look(self) -> Iterator[tuple[Change, float]]:
        self.pause_s = POLL_S * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  no secret
        statement = "SELECT * FROM deployment_steps WHERE started_at > %s"
        for step in self.made.rows(statement, self._since):
            yield from changes(step["deployment_id"], [step], lambda moment: moment)


def changes(
    deployment: str, steps: Iterable[dict[str, Any]], read: Callable[[Any], datetime]
) -> Iterator[tuple[Change, float]]:
    """The ends of these steps, in seconds since the epoch. A step is first written when it is `begun` unless it came
    to its end before anybody wrote it."""
    for step in steps:
        begun = read(step["started_at"]).timestamp()
        ended = read(step["completed_at"]).timestamp() if step["completed_at"] else None
        if step["name"] in ("awx_trigger", "awx_running"):  # both are written twice
            yield (deployment, step["name"], "begun"), begun
        if ended is not None:
            yield (deployment, step["name"], "ended"), ended


def follow(made: Lab, apis: Iterable[str], followers: Iterable[Follower]) -> None:
    """Deploys each API by hand, as somebody who has the page open does, until all is over."""
    every = list(followers)
    for one in every:
        one.start()
    asked = []
    for api in apis:
        asked.append(made.start(TENANT, api)["id"])
        for one in every:
            one.look_at_once()
        time.sleep(random.uniform(0.2, 1.2))  # noqa: S311  no secret
    unfinished = "deployments WHERE id = ANY(%s) AND finished_at IS NULL"
    made.until("the deployments to end", lambda: made.count(unfinished, asked) == 0)
    time.sleep(2 * POLL_S)
    for one in every:
        one.stop()
