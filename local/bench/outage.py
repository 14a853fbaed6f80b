"""Two hours without AWX while thousands of APIs ask to be deployed: what was promised holds, and how fast it is done.

The requests come by real pushes, a hundred APIs in each. The outage runs at `SCALE` times the pace. The rate after it
stands beside that of a quarter as many requests before it and as many again after it, when nothing is wrong.
"""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import requests
from rich.console import Console

from cdk.wiring import FUNCTIONS
from local.bench.lab import Lab, Project, lab
from local.bench.processes import cpu_by_part, profile
from local.bench.rows import Row, row
from local.runtime.platform import Platform
from local.stack import PIPELINE, Options

REQUESTS = 10_000
SCALE = 60.0
OUTAGE_S = 7200.0 / SCALE
# schedules come more rarely than that: at this scale the reconciler would read thousands of jobs every second
RARER = 10
EACH = 100  # APIs of a project
STEADY = 4  # the steady rate is that of one in so many
LEAST = 0.9
PER_S = 1.0  # below this rate something is wrong
SAMPLE = 50  # APIs that are called through the gateway
OPTIONS = Options(
    executor="direct",
    slots=3,
    time_scale=SCALE,
    activation_ms=0,
    import_ms=0,
    functions=(),
    environment={"STOA_AWX_TIMEOUT_S": "5", "STOA_LAUNCH_MAY_ARRIVE_S": "8"},
)


@dataclass(frozen=True)
class Wave:
    """Projects whose APIs are deployed together, each project with its commit."""

    projects: tuple[tuple[Project, str], ...]

    @property
    def size(self) -> int:
        return sum(len(project.apis) for project, _ in self.projects)

    @property
    def commits(self) -> dict[str, int]:
        return {commit: len(project.apis) for project, commit in self.projects}


def measure(console: Console, folder: Path, asked: int = REQUESTS) -> list[Row]:
    with lab(folder / "outage", OPTIONS) as made:
        pipeline = tuple(
            replace(f, every_s=f.every_s * RARER) if f.every_s else f for f in FUNCTIONS if f.name in PIPELINE
        )
        stack = made.stack
        platform = Platform(
            stack.environment(), stack.home.logs, SCALE, functions=pipeline, port=stack.ports["api"], api_workers=3
        )
        platform.start()
        try:
            return waves(console, made, asked)
        finally:
            platform.stop()


def waves(console: Console, made: Lab, asked: int) -> list[Row]:
    console.print(f"writing {asked + 2 * (asked // STEADY)} APIs to GitLab", highlight=False)
    warm = wave(made, "warm", 12)
    steady(console, made, warm)
    before, drain, after = (
        wave(made, "before", asked // STEADY),
        wave(made, "drain", asked),
        wave(made, "after", asked // STEADY),
    )
    usual = [steady(console, made, before)]
    drained = outage(console, made, drain)
    usual.append(steady(console, made, after))
    everything = [warm, before, drain, after]
    broken = broken_promises(made, everything)
    for line in broken:
        console.print(line, style="red")
    return [
        row(f"outage, {asked} waiting requests, drain", [drained], usual, unit="1/s", at_least_ratio=LEAST),
        row("outage, promises broken", [float(len(broken))], unit="", at_most=0.5),
    ]


def wave(made: Lab, name: str, size: int) -> Wave:
    """Written to GitLab; nobody has been told of it."""
    projects = []
    for number in range(-(-size // EACH)):
        apis = [f"api-{n}" for n in range(min(EACH, size - number * EACH))]
        project = made.project(f"{name}-{number}", apis)
        projects.append((project, made.commit(project, apis)))
    return Wave(tuple(projects))


def steady(console: Console, made: Lab, asked: Wave) -> float:
    """Requests per second from the first end to the last, with nothing wrong."""
    cpu = cpu_by_part()
    announce(made, asked)
    made.until_all_ended(asked.commits, limit(asked))
    ends = finished(made, asked)
    rate = (len(ends) - 1) / (ends[-1] - ends[0])
    console.print(f"steady: {asked.size} requests, {rate:.1f}/s", highlight=False)
    profile(console, cpu, asked.size)
    return rate


def outage(console: Console, made: Lab, asked: Wave) -> float:
    """Requests per second from the moment at which AWX is back to the last end."""
    awx = made.stack.emulators["awx"]
    awx.stop()
    gone = time.monotonic()
    announce(made, asked)
    made.until(
        f"{asked.size} requests to be accepted",
        lambda: made.count("deployments WHERE commit_sha = ANY(%s)", list(asked.commits)) == asked.size,
        limit(asked),
    )
    took = time.monotonic() - gone
    console.print(f"without AWX: {asked.size} requests were accepted in {took:.0f} s", highlight=False)
    time.sleep(max(0.0, OUTAGE_S - took))
    cpu, back = cpu_by_part(), time.time()
    made.stack.start_emulator("awx")
    made.until_all_ended(asked.commits, limit(asked))
    rate = asked.size / (finished(made, asked)[-1] - back)
    console.print(f"AWX is back: {asked.size} requests, {rate:.1f}/s", highlight=False)
    profile(console, cpu, asked.size)
    return rate


def announce(made: Lab, asked: Wave) -> None:
    for project, commit in asked.projects:
        made.announce(project, commit)


def limit(asked: Wave) -> float:
    return 60.0 + asked.size / PER_S


def finished(made: Lab, asked: Wave) -> list[float]:
    """When each deployment ended, in order."""
    found = made.rows(
        "SELECT finished_at FROM deployments WHERE commit_sha = ANY(%s) ORDER BY finished_at", list(asked.commits)
    )
    return [each["finished_at"].timestamp() for each in found]


def broken_promises(made: Lab, asked: Sequence[Wave]) -> list[str]:
    """The outage sentence: one final state and one result each, nothing launched twice, the newest is served."""
    commits = [commit for one in asked for commit in one.commits]
    rows = made.rows("SELECT id, state FROM deployments WHERE commit_sha = ANY(%s)", commits)
    ids = {each["id"] for each in rows}
    made.until("every result to be published", lambda: not made.count("outbox WHERE published_at IS NULL"))
    results = {dict(r.headers)["ce_id"]: json.loads(r.value)["deployment_id"] for r in made.records("deploy-results")}
    told = Counter(results.values())
    launched = Counter(job["skip_tags"].removeprefix("stoa-") for job in made.jobs())
    wrong = {
        "without a row": sum(one.size for one in asked) - len(ids),
        "not succeeded": sum(each["state"] != "succeeded" for each in rows),
        "without exactly one result": sum(told[one] != 1 for one in ids),
        "not launched exactly once": sum(launched[one] != 1 for one in ids),
        "of a sample not served": sum(not served(made, *one) for one in sample(asked)),
    }
    return [f"{number} requests {what}" for what, number in wrong.items() if number]


def sample(asked: Sequence[Wave]) -> list[tuple[str, str]]:
    """Some tenants with one of their APIs, evenly over all."""
    every = [(project.tenant, api) for one in asked for project, _ in one.projects for api in project.apis]
    return every[:: max(1, len(every) // SAMPLE)]


def served(made: Lab, tenant: str, api: str) -> bool:
    """Whether the call gets through to the backend, which then misses credentials: these APIs have none."""
    url = f"{made.stack.url('gateway')}/gateway/{tenant}.{api}/1.0.0/orders"
    answer = requests.get(url, timeout=10)
    return answer.status_code == 401 and "credentials" in answer.text
