"""What AWX did, held against what was asked for and how it ended. Pure; knows nothing of the product's code."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from local.chaos.evidence import Evidence, Job, Sin


def ran_once(seen: Evidence) -> Iterator[tuple[Sin, str]]:
    known = {request.id for request in seen.requests}
    ran: dict[str, list[int]] = defaultdict(list)
    for job in seen.jobs:
        ran[job.deployment_id] += [job.id] if job.ran else []
        if job.deployment_id not in known:
            yield "doubled", f"AWX job {job.id} was launched for {job.deployment_id}, which nobody asked for"
    for deployment_id, jobs in ran.items():
        if len(jobs) > 1:
            yield "doubled", f"{deployment_id} ran {len(jobs)} times: AWX jobs {', '.join(map(str, jobs))}"


def launches_rise(seen: Evidence) -> Iterator[tuple[Sin, str]]:
    """A lane never goes back, not even after a cancellation. A launch that came twice does no harm unless it runs."""
    newest: dict[str, tuple[int, str]] = {}
    launched = set()
    for job in sorted(seen.jobs, key=lambda job: job.id):
        if job.deployment_id in launched and not job.ran:
            continue
        launched.add(job.deployment_id)
        generation, before = newest.get(job.lane, (0, ""))
        if job.generation <= generation and job.deployment_id != before:
            said = f"AWX job {job.id} launched {job.deployment_id} (#{job.generation} of {job.lane})"
            yield "misordered", f"{said} after {before} (#{generation})"
        newest[job.lane] = max((generation, before), (job.generation, job.deployment_id))


def one_at_once(seen: Evidence) -> Iterator[tuple[Sin, str]]:
    """By AWX's own times: in a lane a job begins when the one before it has ended."""
    lanes: dict[str, list[tuple[float, Job]]] = defaultdict(list)
    for job in seen.jobs:
        if job.started is not None:
            lanes[job.lane].append((job.started, job))
    for lane, ran in lanes.items():
        for (_, before), (started, job) in pairwise(sorted(ran, key=lambda each: each[0])):
            if before.finished is None or started < before.finished:
                yield "misordered", f"AWX job {job.id} of {lane} began before job {before.id} had ended"


def successes_ran(seen: Evidence) -> Iterator[tuple[Sin, str]]:
    """Whoever tells of a success, notification or reconciler, has it from AWX."""
    ran = {job.deployment_id for job in seen.jobs if job.ran and job.status == "successful"}
    for request in seen.requests:
        if request.state == "succeeded" and request.id not in ran:
            told = f"{request.id} ({request.api} #{request.generation})"
            yield "lost", f"{told} succeeded without an AWX job that ran well"


def superseded_by_one(seen: Evidence) -> Iterator[tuple[Sin, str]]:
    """A request gives way to a newer one that has the lane, which is launched unless somebody cancels it."""
    launched = {job.deployment_id for job in seen.jobs}
    newest: dict[tuple[str, str], int] = defaultdict(int)
    for request in seen.requests:
        if request.id in launched or request.state == "cancelled":
            lane = request.api, request.environment
            newest[lane] = max(newest[lane], request.generation)
    for request in seen.requests:
        if request.state == "superseded" and newest[request.api, request.environment] <= request.generation:
            told = f"{request.id} ({request.api} #{request.generation})"
            yield "lost", f"{told} was superseded, and nothing newer was launched"


RULES = (ran_once, launches_rise, one_at_once, successes_ran, superseded_by_one)
