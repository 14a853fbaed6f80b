"""Tampered evidence: whatever is lost, doubled or misordered, the checker says so, and names it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from local.chaos.checker import judge
from local.chaos.evidence import Answer, Commit, Evidence, Memory, Push, Rollouts, Status, Told
from local.chaos.faults import KINDS as DONE
from local.chaos.lanes import in_order, lane
from local.chaos.plan import KINDS
from tests.chaos.good_run import C1, C2, C4, GOOD, NEVER_RAN, job, request, result


def memory(**fields: Any) -> Memory:
    assert GOOD.memory is not None
    return replace(GOOD.memory, **fields)


def notice(place: int, **fields: Any) -> Callable[[Evidence], Evidence]:
    def tampered(seen: Evidence) -> Evidence:
        assert seen.people is not None
        notices = list(seen.people.notices)
        notices[place] = replace(notices[place], **fields)
        return replace(seen, people=replace(seen.people, notices=tuple(notices)))

    return tampered


def synced(**rows: tuple[int, str]) -> Callable[[Evidence], Evidence]:
    return lambda seen: replace(seen, rollouts=Rollouts({"one": 3, "two": 2}, rows))


def changed(name: str, place: int, **fields: Any) -> Callable[[Evidence], Evidence]:
    def tampered(seen: Evidence) -> Evidence:
        values = list(getattr(seen, name))
        values[place] = replace(values[place], **fields)
        other: Any = tuple(values)
        return replace(seen, **{name: other})

    return tampered


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


def test_what_came_back_and_went_again_between_two_pushes_that_were_seen_needs_no_request() -> None:
    unseen = (
        Commit(letter * 40, {**GOOD.history[-1].apis, "two": path}) for letter, path in (("e", "/5"), ("f", None))
    )
    assert judge(replace(GOOD, history=(*GOOD.history, *unseen))).violations == ()


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
    "an older one that had not run launched again after a newer one": (
        lambda seen: replace(seen, jobs=(replace(seen.jobs[0], **NEVER_RAN), *seen.jobs[1:], job(7, 1, 1))),
        "misordered", "AWX job 7 launched dep-1 (#1 of tenant-demo/one/dev) after dep-3 (#3)",
    ),
    "a success without a job": (without("jobs", 0), "lost", "dep-1 (one #1) succeeded without an AWX job"),
    "a success of a job that never ran": (
        changed("jobs", 0, **NEVER_RAN), "lost", "dep-1 (one #1) succeeded without an AWX job",
    ),
    "a success of a job that failed": (
        changed("jobs", 0, status="failed"), "lost", "dep-1 (one #1) succeeded without an AWX job",
    ),
    "superseded by what was never launched": (
        without("jobs", 2), "lost", "dep-2 (one #2) was superseded, and nothing newer was launched",
    ),
    "two jobs of a lane at once": (
        changed("jobs", 2, started=149), "misordered", "AWX job 3 of tenant-demo/one/dev began before job 1 had ended",
    ),
    "a job that goes on while the next one runs": (
        changed("jobs", 0, finished=None), "misordered", "AWX job 3 of tenant-demo/one/dev began before job 1",
    ),
    "a push planned twice": (
        more("requests", request(9, "three", 3, C4)), "doubled", f"dep-7, dep-9 of three are both of a push of {C4}",
    ),
    "a start by hand made twice": (
        more("requests", request(9, "one", 5, C4, trigger="api-call")), "doubled", "one has 2 by api-call, and 1 may",
    ),
    "a way back that nobody asked for": (
        more("requests", request(9, "one", 5, C1, trigger="rollback")), "doubled", "one has 1 by rollback, and 0 may",
    ),
    "tried again twice": (
        more("requests", request(9, "three", 3, C4, trigger="retry")), "doubled", "three has 2 by retry, and 1 may",
    ),
    "a valid one failed by no fault of a system": (
        row(1, state="failed", code="BUG"), "lost", "dep-1 (one #1) failed (BUG) though it was valid",
    ),
    "not everything at rest": (
        lambda seen: replace(seen, left=("3 pushes",)), "lost", "3 pushes were under way when nobody waited any longer",
    ),
    "an older result shown": (
        changed("statuses", 0, deployment_id="dep-3", status="success"), "misordered",
        "api_status says of one in dev dep-3 success, serving dep-3, and should dep-4 failed, serving dep-3",
    ),
    "a served one not shown": (changed("statuses", 2, serving=None), "misordered", "should dep-8 success, serving dep"),
    "a removed one shown": (changed("statuses", 1, serving="dep-5"), "misordered", "and should dep-6 success, serving"),
    "a result not shown": (without("statuses", 1), "lost", "api_status says nothing of two in dev"),
    "a status of nothing": (
        more("statuses", Status("four", "dev", "dep-9", "success", "dep-9")), "doubled", "of four in dev, which nobody",
    ),
    "a channel told twice": (
        notice(0, caused_by="result-7"), "doubled", "team was told of the result result-7 2 times",
    ),
    "a channel not told": (notice(0, channel="mail"), "lost", "team was not told of the result result-4 (failed)"),
    "a message that never went": (notice(0, state=""), "lost", "told-1 to team never went: it is unknown"),
    "a message given up": (notice(1, state="refused"), "lost", "told-2 to team never went: it is refused"),
    "a mail that nobody got": (notice(2, mails=0), "lost", "told-3 to mail is sent, and no mail of it came"),
    "a sync of an older event": (
        synced(one=(2, "succeeded"), two=(2, "removed")), "misordered", "Argo CD was asked for #2 of one, and should",
    ),
    "a sync that nobody asked for": (
        synced(one=(3, "waiting"), two=(2, "removed")), "lost", "Argo CD was not asked for #3 of one",
    ),
    "an event of which no sync knows": (synced(one=(3, "syncing")), "lost", "Argo CD was not asked for #2 of two"),
    "a mail too many": (notice(2, mails=2), "doubled", "told-3 to mail was begun 1 times, and 2 mails came"),
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
            request(11, "two", 3, C4, state="superseded", trigger="api-call"),
            request(12, "two", 4, C4, state="cancelled", trigger="api-call"),
        ),
        asked=(*GOOD.asked, *(Told(f"asked-{number}", f"dep-{number}") for number in range(9, 13))),
        results=(*GOOD.results, result(9, "cancelled"), result(10), result(11, "superseded"), result(12, "cancelled")),
        # the launch of dep-10 came twice
        jobs=(*GOOD.jobs, job(7, 10, 5), job(8, 10, 5, **NEVER_RAN)),
        sent={**GOOD.sent, ("two", "api-call"): 2, ("three", "api-call"): 1, ("one", "rollback"): 1},
        statuses=(
            Status("one", "dev", "dep-10", "success", "dep-10"),
            Status("two", "dev", "dep-12", "cancelled", None),
            Status("three", "dev", "dep-9", "cancelled", "dep-8"),
        ),
        cancelled=frozenset({"dep-9", "dep-12"}),
        served={**GOOD.served, "one": frozenset({"/1"})},
        people=None,
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
