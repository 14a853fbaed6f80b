"""Tampered evidence: whatever is lost, doubled or misordered, the checker says so, and names it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from local.chaos.checker import judge
from local.chaos.evidence import Answer, Commit, Evidence, Job, Memory, Push, Request, Told
from local.chaos.faults import KINDS as DONE
from local.chaos.lanes import in_order, lane
from local.chaos.plan import KINDS

C1, C2, C3, C4 = (letter * 40 for letter in "abcd")


def request(number: int, api: str, generation: int, commit: str, **fields: Any) -> Request:
    known = {"action": "deploy", "state": "succeeded", "trigger": "gitlab-push", "code": None}
    return Request(
        f"dep-{number}", api, "dev", generation=generation, commit=commit, **{**known, **fields}
    )  # fmt: skip


def job(number: int, of: int, generation: int, api: str = "one", *, ran: bool = True) -> Job:
    return Job(number, f"dep-{of}", f"tenant-demo/{api}/dev", generation, ran)


def result(of: int, status: str = "success", event: str = "") -> Told:
    return Told(event or f"result-{of}", f"dep-{of}", status)


GOOD = Evidence(
    history=(
        Commit(C1, {"one": "/1"}),
        Commit(C2, {"one": "/2", "two": "/2"}),
        Commit(C3, {"one": "broken /3", "two": None}),
        Commit(C4, {"one": "broken /3", "two": None, "three": "/4"}),
    ),
    acknowledged=(C1, C2, C3, C4),
    delivered=("push-1", "push-2", "push-3", "push-4"),
    pushes=tuple(
        Push(f"push-{number}", sha, "done") for number, sha in enumerate((C1, C2, C3, C4), start=1)
    ),
    requests=(
        request(1, "one", 1, C1),
        request(2, "one", 2, C2, state="superseded"),
        request(3, "one", 3, C2, trigger="api-call"),
        request(4, "one", 4, C3, state="failed", code="SPEC_INVALID"),
        request(5, "two", 1, C2),
        request(6, "two", 2, C3, action="undeploy"),
        request(7, "three", 1, C4, state="failed", code="GATEWAY_UNAVAILABLE"),
        request(8, "three", 2, C4, trigger="retry"),
    ),
    asked=tuple(Told(f"asked-{number}", f"dep-{number}") for number in range(1, 9)),
    results=(
        result(1), result(2, "superseded"), result(3), result(4, "failed"), result(5), result(6),
        result(7, "failed"), result(8),
    ),
    jobs=(
        job(1, 1, 1), job(2, 5, 1, "two"), job(3, 3, 3), job(4, 6, 2, "two"), job(5, 7, 1, "three"),
        job(6, 8, 2, "three"),
    ),
    answers=(Answer("key-1", "dep-3"), Answer("key-1", "dep-3")),
    cancelled=frozenset(),
    served={"one": frozenset({"/2"}), "two": frozenset(), "three": frozenset({"/4"})},
    memory=Memory(
        {("audit-log", 0): (3, 6)}, {("audit-log", 0): (3, 4, 5)}, frozenset({"e-1", "e-2"}), ("e-1", "e-2")
    ),
)  # fmt: skip


def memory(**fields: Any) -> Memory:
    assert GOOD.memory is not None
    return replace(GOOD.memory, **fields)


def row(number: int, **fields: Any) -> Callable[[Evidence], Evidence]:
    """That row changed; its result stays as it was."""
    return lambda seen: replace(
        seen, requests=tuple(replace(r, **fields) if r.id == f"dep-{number}" else r for r in seen.requests)
    )


def without(name: str, place: int) -> Callable[[Evidence], Evidence]:
    def taken(seen: Evidence) -> Evidence:
        values = getattr(seen, name)
        kept: Any = values[:place] + values[place + 1 :]
        return replace(seen, **{name: kept})

    return taken


def more(name: str, *values: Any) -> Callable[[Evidence], Evidence]:
    def added(seen: Evidence) -> Evidence:
        longer: Any = (*getattr(seen, name), *values)
        return replace(seen, **{name: longer})

    return added


def serves(api: str, *paths: str) -> Callable[[Evidence], Evidence]:
    return lambda seen: replace(seen, served={**seen.served, api: frozenset(paths)})


def test_a_good_run_is_found_good() -> None:
    verdict = judge(GOOD)
    assert verdict.violations == ()
    assert (verdict.accepted, verdict.done, verdict.refused) == (8, 8, 1)


TAMPERED: dict[str, tuple[Callable[[Evidence], Evidence], str, str]] = {
    "a second launch": (more("jobs", job(7, 3, 3)), "doubled", "dep-3 ran 2 times: AWX jobs 3, 7"),
    "a launch for nobody": (more("jobs", job(7, 9, 5)), "doubled", "dep-9, which nobody asked for"),
    "an older generation launched later": (more("jobs", job(7, 2, 2)), "misordered", "dep-2 (#2 of tenant-demo/one"),
    "a missing result": (without("results", 0), "lost", "dep-1 (one #1) has no result"),
    "a second result": (more("results", result(1, event="other")), "doubled", "dep-1 has 2 results"),
    "a result for nobody": (more("results", result(9)), "doubled", "dep-9, which nobody asked for"),
    "a result that tells another end": (row(1, state="superseded"), "lost", "its result result-1 says success"),
    "no end": (row(1, state="running"), "lost", "dep-1 (one #1) has no end"),
    "a request that was never told": (without("asked", 0), "lost", "dep-1 (one #1) was never told"),
    "a request told twice": (more("asked", Told("other", "dep-1")), "doubled", "under 2 event ids"),
    "a request that is in no table": (more("asked", Told("other", "dep-9")), "lost", "dep-9 is on deploy-requests"),
    "an older request told after a newer one": (
        lambda seen: replace(seen, asked=(seen.asked[1], seen.asked[0], *seen.asked[2:])), "misordered", "dep-1 (#1",
    ),
    "a 202 by hand for nothing": (more("answers", Answer("key-2", "dep-9")), "lost", "dep-9 was accepted by hand"),
    "one key started two": (more("answers", Answer("key-1", "dep-1")), "doubled", "key-1 started dep-1, dep-3"),
    "a webhook that was swallowed": (more("delivered", "push-5"), "lost", "push-5 was answered with 202"),
    "a push that was swallowed": (more("acknowledged", "e" * 40), "lost", "GitLab does not have it"),
    "a push never processed": (more("pushes", Push("push-5", C4, "accepted")), "lost", "push-5 of"),
    "a push refused without a reason": (more("pushes", Push("push-5", C4, "refused")), "lost", "without a reason"),
    "the newest change not asked for": (
        more("history", Commit("e" * 40, {"one": "/5", "two": None, "three": "/4"})), "lost", "change of one in Git",
    ),
    "a removal not asked for": (without("requests", 5), "lost", "change of two in Git (removed)"),
    "a wrong served path": (serves("one", "/1"), "misordered", "serves /1 of one, and should /2"),
    "two served paths": (serves("one", "/1", "/2"), "misordered", "serves /1, /2 of one"),
    "nothing served": (serves("three"), "lost", "serves nothing of three, and should /4"),
    "a removed API served": (serves("two", "/2"), "misordered", "serves /2 of two, and should nothing"),
    "a valid one failed": (row(8, state="failed", code="AWX_JOB_ERROR"), "lost", "dep-8 (#2 of three) is failed"),
    "superseded by nothing": (row(8, state="superseded"), "lost", "nothing newer was asked for"),
    "cancelled by nobody": (row(8, state="cancelled"), "lost", "dep-8 (#2 of three) was cancelled by nobody"),
    "the older commit got the newer generation": (row(3, commit=C1), "misordered", "dep-3 (#3 of one) asks"),
    "a removed API brought back": (
        more(
            "requests",
            request(9, "two", 3, C4, state="failed", trigger="api-call", code="UNKNOWN_API"),
            request(10, "two", 4, C2, trigger="rollback"),
        ), "misordered", "dep-10 (#4) brought two back, which dep-6 had removed",
    ),
    "a generation used twice": (row(8, generation=1), "misordered", "both #1 of three"),
    "an offset not archived": (
        lambda seen: replace(seen, memory=memory(archived={("audit-log", 0): (3, 5)})), "lost", "first 4",
    ),
    "an offset archived twice": (
        lambda seen: replace(seen, memory=memory(archived={("audit-log", 0): (3, 4, 4, 5)})), "doubled", "first 4",
    ),
    "an event not found": (lambda seen: replace(seen, memory=memory(found=("e-1",))), "lost", "search lacks 1 of 2"),
    "an event found twice": (
        lambda seen: replace(seen, memory=memory(found=("e-1", "e-2", "e-2"))), "doubled", "such as e-2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERED)
def test_tampered_evidence_is_found(name: str) -> None:
    tamper, sin, said = TAMPERED[name]
    found = judge(tamper(GOOD)).violations
    assert any(violation.sin == sin and said in violation.said for violation in found), found


def test_what_somebody_cancelled_or_rolled_back_is_no_violation() -> None:
    by_hand = replace(
        GOOD,
        requests=(
            *GOOD.requests,
            request(9, "three", 3, C4, state="cancelled", trigger="api-call"),
            request(10, "one", 5, C1, trigger="rollback"),
        ),
        asked=(*GOOD.asked, Told("asked-9", "dep-9"), Told("asked-10", "dep-10")),
        results=(*GOOD.results, result(9, "cancelled"), result(10)),
        jobs=(*GOOD.jobs, job(7, 10, 5)),
        cancelled=frozenset({"dep-9"}),
        served={**GOOD.served, "one": frozenset({"/1"})},
    )
    assert judge(by_hand).violations == ()


def test_every_planned_kind_can_be_done() -> None:
    assert set(DONE) == {kind.name for kind in KINDS}


@pytest.mark.parametrize(("cancelled", "found"), [(True, []), (False, ["dep-3 (#3 of one) asks"])])
def test_an_older_commit_may_be_tried_again_after_the_newer_one_was_cancelled(
    cancelled: bool, found: list[str]
) -> None:
    requests = (
        request(1, "one", 1, C1, state="failed", code="GATEWAY_UNAVAILABLE"),
        request(2, "one", 2, C2, state="cancelled"),
        request(3, "one", 3, C1, trigger="retry"),
    )
    rows = lane(replace(GOOD, requests=requests, cancelled=frozenset({"dep-2"} if cancelled else ())), "one")
    assert [said[: len("dep-3 (#3 of one) asks")] for said in in_order(rows)] == found
