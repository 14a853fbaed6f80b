"""Memory of each function after ten thousand invocations, beside that after the first thousand.

Each function runs in one process, as in Lambda, with events that the pipeline itself made a moment before: records get
a new id and a new offset each time, deploy requests are also asked for anew.
"""

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from cdk.wiring import FUNCTIONS, TOPICS, Function, Source
from local.bench.consumers import ask
from local.bench.lab import Lab, Project, lab, push_event
from local.bench.rows import Row, row
from local.runtime import http_event, membership, payload, schedule
from local.runtime.mapping import Record
from local.runtime.worker import FunctionSpec, Worker
from local.seed import channels
from local.stack import Options
from stoa.bootstrap import App
from stoa.kernel import ids
from stoa.kernel.settings import from_environment

INVOCATIONS = 10_000
EARLY = 10  # memory is first looked at after one in so many invocations
AT_ONCE = 3
APIS = 6
BATCH = 10
TICK_EACH = 50  # one invocation in so many is a tick, for a function with sources and a schedule
FRESH_EACH = 20  # one deploy request in so many was never seen before
GROWTH = 1.1
TENANT = "bench-memory"
OPTIONS = Options(executor="direct", slots=2, activation_ms=0, import_ms=0)

Events = Iterator[dict[str, Any]]


def measure(console: Console, folder: Path, invocations: int = INVOCATIONS) -> list[Row]:
    with lab(folder / "memory", OPTIONS) as made:
        project = made.project(TENANT, [f"api-{number}" for number in range(APIS)])
        made.stack.register(project.id, TENANT)
        channels(made.stack, TENANT)
        commit = history(made, project)
        if made.stack.platform is not None:
            made.stack.platform.stop()
        maker = Maker(made, project, commit)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            running = [pool.submit(one, console, maker, function, invocations) for function in FUNCTIONS]
            found = [each.result() for each in running]
        if refused := [topic.name for topic in TOPICS if topic.dlq and made.records(f"{topic.name}.dlq")]:
            raise RuntimeError(f"records were refused, so that little was done with them: {', '.join(refused)}")
        return found


def history(made: Lab, project: Project) -> str:
    """Some APIs come, change and go, so that every topic of the pipeline has records; returns the newest commit."""
    for path in ("/orders", "/returns"):
        commit = made.commit(project, project.apis, path)
        made.announce(project, commit)
        made.until_all_ended({commit: len(project.apis)})
    told = "notifications WHERE state = 'sent'"
    made.until("people to be told of the last of them", lambda: made.count(told) > 0)
    made.until("the outbox to be empty", lambda: not made.count("outbox WHERE published_at IS NULL"))
    return commit


class Maker:
    """Events for functions, one kind for each kind of trigger."""

    def __init__(self, made: Lab, project: Project, commit: str) -> None:
        self.environment = {"STOA_PUBLIC_URL": made.stack.url("api"), **made.stack.environment()}
        self.logs = made.stack.home.logs
        self._made = made
        self._project = project
        self._commit = commit
        self._records = {topic.name: [membership.record(one) for one in made.records(topic.name)] for topic in TOPICS}
        self._app = App(from_environment(self.environment), publish_wait_s=0.0)
        self._lock = threading.Lock()
        self._seen = {name: 0 for name in self._records}

    def events(self, function: Function) -> Events:
        """Without an end. Raises RuntimeError when no record of its topics is there."""
        if function.http:
            return self._requests()
        ticks = self._ticks(function.name)
        if not function.sources:
            return ticks
        sources = [source for source in function.sources if self._records[source.topic]]
        if not sources:
            raise RuntimeError(f"{function.name}: nothing wrote to its topics")
        batches = self._batches(sources)
        return _mixed(batches, ticks, TICK_EACH) if function.every_s else batches

    def _ticks(self, name: str) -> Events:
        while True:
            yield schedule.event(name, datetime.now(UTC))

    def _requests(self) -> Events:
        reads = ("/v1/deployments", "/v1/pushes", "/health/live")
        for path in itertools.cycle(reads):
            headers = tuple(self._made.webhook_headers().items())
            yield _http("POST", "/webhooks/gitlab", headers, push_event(self._project.id, self._commit))
            yield _http("GET", path, (("authorization", f"Bearer {self._made.stack.admin.token()}"),), b"")

    def _batches(self, sources: Sequence[Source]) -> Events:
        for number, source in enumerate(itertools.cycle(sources)):
            if source.topic == "deploy-requests" and number % FRESH_EACH == 0:
                self._ask()
            size = min(source.batch_size, BATCH) if source.window_s else 1
            records = [self._next(source.topic, number * size + place) for place in range(size)]
            yield payload.event(records, self._made.stack.kafka.bootstrap)

    def _next(self, topic: str, number: int) -> Record:
        found = self._records[topic]
        one = found[number % len(found)]
        fresh = tuple((name, ids.event_id().encode() if name == "ce_id" else value) for name, value in one.headers)
        return replace(one, offset=len(found) + number, headers=fresh)

    def _ask(self) -> None:
        """A deployment of one of the APIs, whose request is the next record."""
        with self._lock:
            ask(self._app, self._project, self._commit, [self._project.apis[0]])
            newest = self._made.records("deploy-requests")[-1]
        self._records["deploy-requests"].insert(0, membership.record(newest))


def _mixed(many: Events, few: Events, each: int) -> Events:
    for number, event in enumerate(many):
        yield next(few) if number % each == each - 1 else event


def _http(method: str, path: str, headers: tuple[tuple[str, str], ...], body: bytes) -> dict[str, Any]:
    sent = http_event.Request(method, path, "", (("host", "api"), *headers), body, "127.0.0.1", datetime.now(UTC))
    return http_event.event(sent)


def one(console: Console, maker: Maker, function: Function, invocations: int) -> Row:
    target = f"functions.{function.name}.handler:handler"
    spec = FunctionSpec(
        function.name, target, function.timeout_s, function.memory_mb, maker.environment,
        maker.logs / f"{function.name}.memory.log",
    )  # fmt: skip
    worker = Worker(spec)
    try:
        return _measured(worker, maker.events(function), invocations, lambda said: console.print(said, highlight=False))
    finally:
        worker.stop()


def _measured(worker: Worker, events: Events, invocations: int, say: Callable[[str], None]) -> Row:
    """Raises FunctionError for an invocation that failed, RuntimeError for one whose records did or when the process
    did not last."""
    early, pid = 0.0, None
    for number, event in enumerate(itertools.islice(events, invocations), start=1):
        failed(worker.spec.name, worker.invoke(event))
        pid = pid or worker.pid
        if number == max(1, invocations // EARLY):
            early = rss_mb(worker)
    if worker.pid != pid:
        raise RuntimeError(f"{worker.spec.name}: its process was replaced")
    late, name = rss_mb(worker), worker.spec.name
    say(f"{name}: {early:.1f} MB after {invocations // EARLY}, {late:.1f} MB after {invocations} invocations")
    return row(
        f"memory, {name}, after {invocations} invocations",
        [late],
        [early],
        unit="MB",
        at_most=worker.spec.memory_mb,
        at_most_ratio=GROWTH,
    )


def failed(name: str, answer: Any) -> None:
    """Raises RuntimeError when an answer says that something is to come again: nothing is away here."""
    left = isinstance(answer, dict) and (answer.get("batchItemFailures") or answer.get("waits_for"))
    if left or (isinstance(answer, dict) and answer.get("statusCode", 200) >= 400):
        raise RuntimeError(f"{name} answered {answer}")


def rss_mb(worker: Worker) -> float:
    status = Path(f"/proc/{worker.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
