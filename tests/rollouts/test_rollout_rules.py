"""When a sync is over: each rule of the wait, one look at a time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stoa.adapters.argocd import Application, Deployed, Operation
from stoa.rollouts.model import Patience, Rollout, asked, seen, uncompared, works_on

T0 = datetime(2026, 3, 1, 12, 0, 0, 400_000, UTC)
PATIENCE = Patience(timedelta(hours=24), timedelta(minutes=30), timedelta(minutes=5))
OURS, OTHER = "a" * 40, "b" * 40


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def second(seconds: float) -> datetime:
    return at(seconds).replace(microsecond=0)


# the controller's clock may be minutes from ours: only what it showed before counts
BEFORE = second(-200)
ASKED = Rollout("tenant-a", "orders", 1, OURS, "trc-1", "syncing", T0, T0, operation_before=BEFORE, history_before=4)
DONE = Operation("Succeeded", "ok", OURS, second(0), second(10))
HEALTHY = Application(None, DONE, None, "Synced", OURS, "Healthy", second(11))


def looked(r: Rollout = ASKED, when: float = 20, operation: dict[str, Any] | None = None, **app: Any) -> Rollout:
    found = replace(HEALTHY, operation=replace(DONE, **(operation or {})))
    return seen(r, replace(found, **app), at(when), PATIENCE)


def test_it_ended_well() -> None:
    ended = looked()
    assert (ended.state, ended.finished_at, ended.detail) == ("succeeded", at(20), f"Healthy at {OURS}")


@pytest.mark.parametrize(
    "look",
    [
        {"requested": OURS},
        {"requested": OTHER},
        {"operation": {"phase": "Running", "finished_at": None}},
        {"operation": {"phase": "Terminating", "finished_at": None}},
        {"operation": {"started_at": BEFORE}},
        {"operation": {"started_at": BEFORE}, "history": (Deployed(4, OURS), Deployed(5, OTHER))},
        {"operation": {"started_at": None}},
        {"operation": {"phase": "Failed", "started_at": BEFORE}},
        {"operation": {"revision": OTHER, "started_at": BEFORE}},
        {"reconciled_at": None},
        {"reconciled_at": second(10)},
        {"health": "Progressing"},
        {"health": "Degraded"},
        {"health": "Suspended"},
    ],
)
def test_it_has_not_ended_but_will_not_be_waited_for_for_ever(look: dict[str, Any]) -> None:
    assert looked(**look).state == "syncing"
    assert looked(**look, when=24 * 3600 + 10, r=replace(ASKED, degraded_since=at(0))).state == "failed"


@pytest.mark.parametrize("started", [BEFORE - timedelta(hours=1), second(-60), second(60)])
def test_whatever_its_clock_says_an_operation_that_was_not_there_before_is_ours(started: datetime) -> None:
    assert looked(operation={"started_at": started}).state == "succeeded"
    assert looked(operation={"started_at": started, "revision": OTHER}).state == "superseded"


def test_two_operations_of_one_second_are_told_apart_by_their_success() -> None:
    assert looked(operation={"started_at": BEFORE}, history=(Deployed(5, OURS),)).state == "succeeded"


def test_an_operation_without_a_state_is_waited_for() -> None:
    assert seen(ASKED, replace(HEALTHY, operation=None), at(20), PATIENCE).state == "syncing"


@pytest.mark.parametrize("phase", ["Failed", "Error"])
def test_ours_failed(phase: str) -> None:
    ended = looked(operation={"phase": phase, "message": "no such kind"})
    assert (ended.state, ended.detail) == ("failed", f"{phase}: no such kind")


def test_another_operation_came_after_ours() -> None:
    ended = looked(operation={"revision": OTHER})
    assert (ended.state, ended.detail) == ("superseded", f"another operation, at {OTHER}, came after it")


def test_degraded_is_not_final_at_once_and_counts_from_when_it_was_seen() -> None:
    first = looked(health="Degraded", when=400)
    assert (first.state, first.degraded_since) == ("syncing", at(400))
    assert looked(first, health="Degraded", when=699).state == "syncing"
    assert looked(first, health="Degraded", when=700).state == "failed"
    better = looked(first, health="Progressing", when=690)
    assert (better.state, better.degraded_since) == ("syncing", None)
    assert looked(better, health="Degraded", when=700).state == "syncing"
    assert looked(first, when=1800).state == "succeeded"


def test_progressing_is_normal_for_half_an_hour() -> None:
    assert looked(health="Progressing", when=1800).state == "syncing"
    assert looked(health="Progressing", when=1811).state == "failed"


def test_an_earlier_call_is_found_before_it_is_repeated() -> None:
    before = replace(HEALTHY, operation=replace(DONE, started_at=BEFORE), history=(Deployed(4, OURS),))
    pending = replace(HEALTHY, requested=OURS, operation=None)
    rolled_back = replace(DONE, revision=OTHER)
    assert works_on(pending, ASKED)
    assert not works_on(replace(pending, requested=OTHER), ASKED)
    assert works_on(replace(HEALTHY, requested=OURS, operation=replace(DONE, phase="Running")), ASKED)
    assert works_on(HEALTHY, ASKED)
    assert not works_on(before, ASKED)
    assert not works_on(replace(HEALTHY, operation=None), ASKED)
    done_since = (*before.history, Deployed(5, OURS), Deployed(6, OTHER))
    assert works_on(replace(before, operation=rolled_back, history=done_since), ASKED), "somebody came after it"
    assert works_on(replace(pending, requested=OTHER, history=done_since), ASKED), "somebody is about to"
    assert not works_on(replace(before, operation=rolled_back, history=(*before.history, Deployed(5, OTHER))), ASKED)
    assert asked(ASKED, replace(before, history=done_since), at(9)) == replace(
        ASKED, asked_at=at(9), operation_before=BEFORE, history_before=6
    )


def test_automatic_sync_is_over_when_it_was_compared_since_and_is_synced() -> None:
    automatic = replace(ASKED, state="automatic")
    idle = replace(HEALTHY, target="main", sync_revision=OTHER, operation=replace(DONE, started_at=BEFORE))
    assert uncompared(automatic, replace(idle, reconciled_at=second(0)))
    found = seen(automatic, idle, at(20), PATIENCE)
    assert (found.state, found.detail) == ("succeeded", f"Healthy at {OTHER}"), "it may have come to a later commit"
    assert seen(automatic, replace(idle, sync="OutOfSync"), at(20), PATIENCE).state == "automatic"
    late = replace(idle, operation=DONE, reconciled_at=second(9))
    assert seen(automatic, late, at(20), PATIENCE).state == "automatic"
    failed = replace(idle, sync="OutOfSync", operation=replace(DONE, phase="Failed", revision=OTHER))
    assert seen(automatic, failed, at(20), PATIENCE).state == "failed"


def test_a_removal_is_over_when_the_application_is_gone() -> None:
    removing = replace(ASKED, state="removing", asked_at=None)
    assert seen(removing, None, at(20), PATIENCE).state == "removed"
    assert seen(removing, HEALTHY, at(20), PATIENCE).state == "removing"
    assert seen(removing, HEALTHY, at(24 * 3600), PATIENCE).state == "failed"
    assert seen(ASKED, None, at(20), PATIENCE).state == "syncing"
