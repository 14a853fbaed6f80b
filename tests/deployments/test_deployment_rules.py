"""The pure rules of deployments: whose turn it is, and how a finished job is judged."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoa.deployments.model import Deployment, Lane, Verdict, extra_vars, lost, next_turn, problem, verdict

LANE = Lane("tenant-acme", "orders", "dev")


def waiting(generation: int) -> Deployment:
    return Deployment(
        id=f"dep-{generation}",
        lane=LANE,
        action="deploy",
        generation=generation,
        state="requested",
        project_id=1,
        commit="a" * 40,
        trigger="gitlab-push",
        requested_by="gitlab:1",
        trace_id="trc-" + "0" * 32,
        requested_at=datetime(2026, 1, 1, tzinfo=UTC),
        launch_vars={},
    )


@given(st.sets(st.integers(1, 50)), st.integers(0, 50))
def test_the_newest_waiting_request_gets_the_lane_and_every_other_one_ends(numbers: set[int], last: int) -> None:
    turn = next_turn([waiting(n) for n in numbers], last)
    ended = {d.generation for d in turn.superseded}
    if turn.holder is None:
        assert ended == numbers
        assert all(n <= last for n in numbers)
    else:
        assert turn.holder.generation == max(numbers) > last
        assert ended == numbers - {turn.holder.generation}


def test_a_successful_job_that_verified_nothing_has_failed() -> None:
    assert verdict("successful", {}, "").error == {
        "code": "AWX_NO_RESULT",
        "detail": "the playbook ended without a result",
    }
    unverified = verdict("successful", {"stoa_result": {"outcome": "applied", "verified": False}}, "")
    assert (unverified.state, unverified.error and unverified.error["code"]) == ("failed", "NOT_VERIFIED")


def test_a_job_says_why_it_failed() -> None:
    ended = verdict("failed", {"stoa_result": {"code": "IMPORT_REFUSED", "detail": "no paths"}}, "")
    assert (ended.state, ended.error) == ("failed", {"code": "IMPORT_REFUSED", "detail": "no paths"})


def test_an_older_generation_ends_superseded_and_a_canceled_job_cancelled() -> None:
    assert (
        verdict("successful", {"stoa_result": {"outcome": "superseded", "verified": False}}, "").state == "superseded"
    )
    assert verdict("canceled", {}, "").state == "cancelled"


@given(st.sampled_from(["successful", "failed", "error", "canceled"]), st.dictionaries(st.text(), st.integers()))
def test_whatever_a_job_publishes_is_judged(status: str, said: dict[str, int]) -> None:
    for artifacts in ({}, {"stoa_result": said}, {"stoa_result": None}, {"stoa_result": "text"}):
        assert verdict(status, artifacts, "").state in {"failed", "cancelled", "superseded"}


def test_extra_vars_carry_the_generation_and_the_artefact_by_hash() -> None:
    sent = extra_vars(waiting(3), "http://127.0.0.1:1")
    assert (sent["desired_generation"], sent["deployment_id"], "openapi_url" in sent) == (3, "dep-3", False)


@pytest.mark.parametrize(
    ("state", "code", "is_lost"),
    [
        ("failed", "AWX_JOB_ERROR", True),
        ("failed", "GATEWAY_UNAVAILABLE", True),
        ("failed", "GATEWAY_REFUSED", False),
        ("failed", "AWX_JOB_GONE", False),
        ("cancelled", "AWX_JOB_ERROR", False),
    ],
)
def test_only_what_failed_by_no_fault_of_its_own_is_lost(state: Any, code: str, is_lost: bool) -> None:
    assert lost(Verdict(state, None, problem(code, "x"))) == is_lost


def test_a_success_is_not_lost() -> None:
    assert not lost(Verdict("succeeded", {"verified": True}))
