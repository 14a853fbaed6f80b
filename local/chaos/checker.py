"""Judges a run by the outage sentence, from what was seen from outside. Pure; knows nothing of the product's code.

After the faults each accepted request has exactly one final state and exactly one result event; launches per lane
have rising generations; no deployment id ran twice; the gateway serves, per lane, the newest request that is valid.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from local.chaos import lanes, launches, projections
from local.chaos.evidence import RESULT_OF, Evidence, Request, Sin, Told

# accepted requests, those by hand among them, faults: a run that gets a tenth of its machine has more
LEAST = (50, 5, 10)
# AWX died with the job, or a part that the playbook calls was broken; of Vault no fault says so
EXPLAINED = frozenset({"AWX_JOB_ERROR", "GATEWAY_UNAVAILABLE", "CONTROL-PLANE_UNAVAILABLE"})


@dataclass(frozen=True)
class Violation:
    sin: Sin
    said: str


@dataclass(frozen=True)
class Verdict:
    """`done` counts accepted requests with one final state and one result, `refused` what was refused with a reason;
    `little` says what there was too little of to prove anything."""

    accepted: int
    done: int
    refused: int
    violations: tuple[Violation, ...]
    little: tuple[str, ...]

    @property
    def proves(self) -> bool:
        """Whether the sentence above held, and something could have broken it."""
        return not self.violations and not self.little

    def count(self, sin: Sin) -> int:
        return sum(violation.sin == sin for violation in self.violations)


def judge(seen: Evidence) -> Verdict:
    accepted = _accepted(seen)
    results = Counter(told.deployment_id for told in seen.results)
    rows = {request.id: request for request in seen.requests}
    done = [each for each in accepted if each in rows and rows[each].state in RESULT_OF and results[each] == 1]
    refused = [r for r in seen.requests if r.state == "failed" and not lanes.is_valid(lanes.wanted(seen, r))]
    violations = [Violation(sin, said) for rule in RULES for sin, said in rule(seen)]
    rejected = sum(push.state == "refused" for push in seen.pushes)
    return Verdict(len(accepted), len(done), len(refused) + rejected, tuple(violations), tuple(proves_little(seen)))


def proves_little(seen: Evidence) -> Iterator[str]:
    """Why a run without a violation would say nothing: too little was asked for, or too little was broken."""
    answered = len({answer.key for answer in seen.answers})
    counts = (len(_accepted(seen)), "accepted requests"), (answered, "by hand"), (sum(seen.faults.values()), "faults")
    for (number, what), least in zip(counts, LEAST, strict=True):
        if number < least:
            yield f"{number} {what}, and it takes {least}"


def _accepted(seen: Evidence) -> set[str]:
    """What anybody was told is accepted: a row, an event, or a 202."""
    told = {each.deployment_id for each in seen.asked} | {each.deployment_id for each in seen.answers}
    return told | {request.id for request in seen.requests}


def at_rest(seen: Evidence) -> Iterator[tuple[Sin, str]]:
    for what in seen.left:
        yield "lost", f"{what} were under way when nobody waited any longer"


def ends(seen: Evidence) -> Iterator[tuple[Sin, str]]:
    for request in seen.requests:
        if request.state not in RESULT_OF:
            yield "lost", f"{request.id} ({request.api} #{request.generation}) has no end: it is {request.state}"


def results_match(seen: Evidence) -> Iterator[tuple[Sin, str]]:
    """Each row has one result, which tells the same end."""
    by_request = _by_request(seen.results)
    for request in seen.requests:
        found = by_request.pop(request.id, [])
        if not found:
            yield "lost", f"{request.id} ({request.api} #{request.generation}) has no result on deploy-results"
        if len(found) > 1:
            yield "doubled", f"{request.id} has {len(found)} results: {', '.join(t.event_id for t in found)}"
        for told in found:
            if told.status != RESULT_OF.get(request.state):
                yield "lost", f"{request.id} is {request.state}, and its result {told.event_id} says {told.status}"
    for unknown in by_request:
        yield "doubled", f"deploy-results tells of {unknown}, which nobody asked for"


def requests_told(seen: Evidence) -> Iterator[tuple[Sin, str]]:
    """Each row was told once on deploy-requests, unless it was refused when it was made."""
    by_request = _by_request(seen.asked)
    for request in seen.requests:
        found = by_request.pop(request.id, [])
        if not found and request.state != "failed":
            yield "lost", f"{request.id} ({request.api} #{request.generation}) was never told on deploy-requests"
        if len(found) > 1:
            yield "doubled", f"{request.id} was told under {len(found)} event ids on deploy-requests"
    for unknown in by_request:
        yield "lost", f"{unknown} is on deploy-requests and not in the database"


def told_in_order(seen: Evidence) -> Iterator[tuple[Sin, str]]:
    """On deploy-requests, where each record comes for the first time, the generations of a lane rise."""
    rows = {request.id: request for request in seen.requests}
    newest: dict[tuple[str, str], int] = {}
    for request in (rows[told.deployment_id] for told in seen.asked if told.deployment_id in rows):
        lane = request.api, request.environment
        if request.generation < newest.get(lane, 0):
            yield "misordered", f"{request.id} (#{request.generation} of {request.api}) was told after a newer one"
        newest[lane] = max(newest.get(lane, 0), request.generation)


def by_hand(seen: Evidence) -> Iterator[tuple[Sin, str]]:
    known = {request.id for request in seen.requests}
    by_key = defaultdict(set)
    for answer in seen.answers:
        by_key[answer.key].add(answer.deployment_id)
        if answer.deployment_id not in known:
            yield "lost", f"{answer.deployment_id} was accepted by hand and is not in the database"
    for key, ids in by_key.items():
        if len(ids) > 1:
            yield "doubled", f"the Idempotency-Key {key} started {', '.join(sorted(ids))}"


def made_as_asked(seen: Evidence) -> Iterator[tuple[Sin, str]]:
    """A key makes at most one row; only what a broken system lost is tried again without one, once each time."""
    may = Counter(seen.sent)
    may.update((request.api, "retry") for request in seen.requests if _is_lost(request))
    made = Counter((request.api, request.trigger) for request in seen.requests if request.trigger != "gitlab-push")
    for (api, trigger), times in made.items():
        if times > may[api, trigger]:
            yield "doubled", f"{api} has {times} by {trigger}, and {may[api, trigger]} may be"


def planned_once(seen: Evidence) -> Iterator[tuple[Sin, str]]:
    """A branch that only goes forward reaches each commit once, however often GitLab or we say so."""
    planned = defaultdict(list)
    for request in seen.requests:
        if request.trigger == "gitlab-push":
            planned[request.api, request.environment, request.commit].append(request.id)
    for (api, _, commit), ids in planned.items():
        if len(ids) > 1:
            yield "doubled", f"{', '.join(ids)} of {api} are both of a push of {commit}"


def fails_with_reason(seen: Evidence) -> Iterator[tuple[Sin, str]]:
    for request in seen.requests:
        if request.state == "failed" and not _is_lost(request) and lanes.is_valid(lanes.wanted(seen, request)):
            yield (
                "lost",
                f"{request.id} ({request.api} #{request.generation}) failed ({request.code}) though it was valid",
            )


def _is_lost(request: Request) -> bool:
    return request.state == "failed" and request.code in EXPLAINED


def pushes_processed(seen: Evidence) -> Iterator[tuple[Sin, str]]:
    known = {push.id for push in seen.pushes}
    for delivery in sorted(set(seen.delivered) - known):
        yield "lost", f"the webhook {delivery} was answered with 202, and there is no such push"
    commits = {commit.sha for commit in seen.history}
    for sha in sorted(set(seen.acknowledged) - commits):
        yield "lost", f"git pushed {sha}, and GitLab does not have it"
    for push in seen.pushes:
        if push.state == "accepted":
            yield "lost", f"the push {push.id} of {push.after} was accepted and never processed"
        elif push.state != "done" and not push.codes:
            yield "lost", f"the push {push.id} of {push.after} was {push.state} without a reason"


def lanes_hold(seen: Evidence) -> Iterator[tuple[Sin, str]]:
    for api in sorted({api for commit in seen.history for api in commit.apis} | set(seen.served)):
        lane = lanes.lane(seen, api)
        for said in lanes.covered(lane):
            yield "lost", said
        for said in (*lanes.in_order(lane), *lanes.brought_back(lane)):
            yield "misordered", said
        yield from lanes.serves(lane)


def around(seen: Evidence) -> Iterator[tuple[Sin, str]]:
    if seen.memory is not None:
        yield from projections.remembered(seen.memory)
    if seen.people is not None:
        yield from projections.people_told(seen.people, seen.results)
    if seen.rollouts is not None:
        yield from projections.rolled_out(seen.rollouts)


def _by_request(told: Iterable[Told]) -> dict[str, list[Told]]:
    found = defaultdict(list)
    for each in told:
        found[each.deployment_id].append(each)
    return dict(found)


RULES = (
    at_rest,
    ends,
    results_match,
    requests_told,
    told_in_order,
    by_hand,
    made_as_asked,
    planned_once,
    fails_with_reason,
    *launches.RULES,
    pushes_processed,
    lanes_hold,
    projections.status_shown,
    around,
)
