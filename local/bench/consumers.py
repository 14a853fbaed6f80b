"""One, two, three and six consumers of deploy-requests on six partitions, with an AWX that takes 200 ms for a launch.

Each drains a backlog of the same size, its keys spread evenly over the partitions. AWX runs none of the jobs: what is
measured is preparing and launching. A consumer is one runner with one invocation at a time.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from kafka.partitioner import murmur2
from rich.console import Console

from local.bench.lab import Lab, Project, lab
from local.bench.rows import Row, row
from local.runtime.platform import Platform
from local.stack import Options
from stoa.bootstrap import App
from stoa.deployments.events import Cause, Wanted
from stoa.kernel import ids, outbox
from stoa.kernel.settings import from_environment

FUNCTION = "deploy_requests_to_awx"
PARTITIONS = 6
MEMBERS = (1, 2, 3, 6)
ROUNDS = 3
WARM, EACH = 1, 12  # requests of a partition: before the measurement, and in it
LAUNCH_S = 0.2
LEAST = 2.8
OPTIONS = Options(executor="direct", slots=0, activation_ms=0, import_ms=0, functions=())


def measure(console: Console, folder: Path) -> list[Row]:
    with lab(folder / "consumers", OPTIONS) as made:
        made.stack.fault("awx", mode="slow", delay_s=LAUNCH_S, path="^POST .*/launch/$")
        rates: dict[int, list[float]] = {members: [] for members in MEMBERS}
        for number in range(ROUNDS):
            for members in MEMBERS if number % 2 == 0 else reversed(MEMBERS):
                rates[members].append(drain(made, folder / f"consumers-{number}-{members}", members))
                console.print(f"round {number + 1}: {members} consumers, {rates[members][-1]:.1f}/s", highlight=False)
    for line in curve(rates):
        console.print(line, highlight=False)
    one, three = rates[1], rates[3]
    return [
        row("three consumers against one, six partitions", three, one, unit="1/s", at_least_ratio=LEAST),
        row("two consumers against one", rates[2], one, unit="1/s"),
        row("six consumers against one", rates[6], one, unit="1/s"),
    ]


def curve(rates: dict[int, list[float]]) -> Iterator[str]:
    """One line for each number of consumers."""
    one = statistics.median(rates[1])
    for members, found in rates.items():
        rate = statistics.median(found)
        yield f"{members} consumers {rate:6.1f}/s {rate / one:5.2f}x {'#' * round(rate / one * 10)}"


def drain(made: Lab, folder: Path, members: int) -> float:
    """Launches per second of one backlog."""
    tenant = f"bench-{ids.trace_id()[-12:]}"
    apis = spread(tenant, PARTITIONS, WARM + EACH)
    project = made.project(tenant, apis)
    commit = made.commit(project, apis)
    environment = made.stack.environment()
    app = App(from_environment(environment), publish_wait_s=0.0)
    platform = Platform(environment, folder, members={FUNCTION: members}, concurrency=1)
    platform.start({FUNCTION})
    try:
        known = len(made.jobs())
        ask(app, project, commit, apis[: PARTITIONS * WARM])
        made.until("the first launches", lambda: len(made.jobs()) == known + PARTITIONS * WARM)
        backlog = apis[PARTITIONS * WARM :]
        begun = time.perf_counter()
        ask(app, project, commit, backlog)
        launched = known + len(apis)
        made.until(f"{len(backlog)} launches", lambda: made.count("lanes WHERE awx_job_id IS NOT NULL") >= launched)
        return len(backlog) / (time.perf_counter() - begun)
    finally:
        platform.stop()
        app.producer.close()
        app.database.close()


def ask(app: App, project: Project, commit: str, apis: Sequence[str]) -> None:
    """Writes the requests as a push does, and publishes them."""
    cause = Cause(
        project_id=project.id, commit=commit, trigger="gitlab-push", actor="gitlab:1", trace_id=ids.trace_id()
    )
    wanted = [Wanted(tenant=project.tenant, api=api, environment="dev", action="deploy") for api in apis]
    with app.database.transaction() as connection:
        _, keys = app.deployments.request(connection, cause, wanted)
    outbox.publish(app.database, app.producer.send, keys)


def spread(tenant: str, partitions: int, each: int) -> list[str]:
    """API names whose keys fill the partitions evenly, one of each partition after the other."""
    found: dict[int, list[str]] = {number: [] for number in range(partitions)}
    for number in count():
        api = f"api-{number}"
        mine = found[partition_of(f"{tenant}/{api}", partitions)]
        if len(mine) < each:
            mine.append(api)
        if all(len(one) == each for one in found.values()):
            return [one[place] for place in range(each) for one in found.values()]
    raise AssertionError("count() never ends")


def partition_of(key: str, partitions: int) -> int:
    """Where Kafka's own clients put a key: murmur2, without its sign."""
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % partitions)
