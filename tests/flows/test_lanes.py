"""What the state machine draws too seldom: odd answers of AWX, and a lane that must not stay busy for them."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stoa.adapters.awx import Awx
from stoa.deployments.events import Cause
from stoa.deployments.flows import LAUNCH_MS, Deployments
from stoa.deployments.flows_by_hand import ByHand
from stoa.deployments.model import Deployment
from stoa.deployments.queries import DeploymentQueries
from stoa.gitops.events import Prepared
from stoa.kernel import ids
from stoa.kernel.database import Database
from stoa.kernel.envelope import Message, Position
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret
from tests.flows.thrown_away_awx import LAUNCH_VARS, ThrownAwayAwx

TENANT = "tenant-acme"


class Lab:
    def __init__(self, database: Database, launch_vars: dict[str, Any], pause_s: float = 60.0) -> None:
        self.awx = ThrownAwayAwx()
        self.database = database
        self.launch_vars = launch_vars
        self.flows = self.container(database, 0.0, pause_s)
        self.by_hand = ByHand(database, lambda _keys: None, self.flows.awx)
        with database.transaction() as connection:
            connection.execute("INSERT INTO project_tenants (project_id, tenant) VALUES (1, %s)", (TENANT,))

    def container(self, database: Database, may_arrive_s: float, pause_s: float = 60.0) -> Deployments:
        """What one process of a function has; a database is not for two of them at once."""
        prepared = Prepared("1.0.0", self.launch_vars, b"{}", hashlib.sha256(b"{}").hexdigest(), report={})
        client = Awx(self.awx.url, Secret("token"), timeout_s=2)
        return Deployments(
            database, lambda _keys: None, client, lambda _d: prepared, "http://127.0.0.1:1", may_arrive_s, pause_s
        )

    def ask(self, api: str, action: str = "deploy", trigger: str = "gitlab-push") -> Message:
        cause = Cause(project_id=1, commit="c" * 40, trigger=trigger, actor="gitlab:1", trace_id=ids.trace_id())
        with self.database.transaction() as connection:
            wanted = {"tenant": TENANT, "api": api, "environment": "dev", "action": action}
            (made,), _ = self.flows.request(connection, cause, [wanted])  # type: ignore[list-item]
        at = Position("deploy-requests", 0, 1)
        return Message(at, f"{TENANT}/{api}", made, "t", "s", TENANT, "a", "", 1, {"deployment_id": made})

    def read(self, message: Message) -> Deployment:
        return DeploymentQueries(self.database).read(message.id)[0]

    def end(self, number: int, **said: Any) -> None:
        self.awx.jobs[number].update(status="successful", event_processing_finished=True, **said)


@pytest.fixture
def lab(database: Database) -> Iterator[Lab]:
    made = Lab(database, LAUNCH_VARS)
    yield made
    made.awx.shutdown()


def test_a_job_whose_result_cannot_be_stored_fails_and_frees_its_lane_and_no_other_waits(lab: Lab) -> None:
    odd, good = lab.ask("odd"), lab.ask("good")
    lab.flows.launch(odd)
    lab.flows.launch(good)
    lab.end(0, artifacts={"stoa_result": {"verified": True, "outcome": "\0"}})
    lab.end(1, artifacts={"stoa_result": {"verified": True, "outcome": "applied"}})
    lab.flows.reconcile()
    assert lab.read(good).state == "succeeded"
    assert (lab.read(odd).error or {})["code"] == "INVALID_VALUE"
    again = lab.ask("odd")
    lab.flows.launch(again)
    assert lab.read(again).state == "running"


def test_a_request_that_got_its_turn_is_not_given_up(lab: Lab) -> None:
    asked = lab.ask("orders")
    lab.flows.launch(asked)
    lab.flows.give_up(asked, Refused("GAVE_UP", "tried five times"))
    assert lab.read(asked).state == "running"


def test_a_job_of_an_unanswered_launch_is_found_after_the_claim_and_not_launched_again(lab: Lab) -> None:
    asked = lab.ask("orders")
    lab.awx.mode = "drop"
    with pytest.raises(Exception, match="awx"):
        lab.flows.launch(asked)
    lab.awx.mode = "up"
    lab.flows.launch(asked)
    assert len(lab.awx.jobs) == 1
    assert lab.read(asked).awx_job_id == 1


def test_what_the_schema_of_extra_vars_refuses_never_reaches_awx(database: Database) -> None:
    wrong = Lab(database, {**LAUNCH_VARS, "backend": {"url": "ftp://files"}})
    asked = wrong.ask("orders")
    wrong.flows.launch(asked)
    assert (wrong.read(asked).error or {})["code"] == "EXTRA_VARS_INVALID"
    assert wrong.awx.jobs == []
    wrong.awx.shutdown()


def test_a_tick_begins_nothing_that_its_function_could_not_end(lab: Lab) -> None:
    asked = [lab.ask(api) for api in ("orders", "payments", "billing")]
    for number, one in enumerate(asked):
        lab.flows.launch(one)
        lab.end(number, artifacts={"stoa_result": {"verified": True, "outcome": "applied"}})
    left = iter([LAUNCH_MS, LAUNCH_MS, LAUNCH_MS - 1, LAUNCH_MS - 1])  # a page of jobs, and one of them
    lab.flows.reconcile(lambda: next(left))
    assert [lab.read(one).state for one in asked].count("succeeded") == 1
    lab.flows.reconcile()
    assert [lab.read(one).state for one in asked].count("succeeded") == 3


def test_a_job_that_is_gone_from_awx_is_left_to_a_person(lab: Lab) -> None:
    asked = lab.ask("orders")
    lab.flows.launch(asked)
    lab.awx.jobs.clear()
    lab.flows.reconcile()
    assert (lab.read(asked).error or {})["code"] == "AWX_JOB_GONE"
    assert lab.flows.reconcile() == 0, "it is not asked for again"


def test_a_job_that_somebody_canceled_ends_as_cancelled_without_its_events(lab: Lab) -> None:
    asked = lab.ask("orders")
    lab.flows.launch(asked)
    lab.awx.jobs[0].update(status="canceled", event_processing_finished=False)
    lab.flows.reconcile()
    assert lab.read(asked).state == "cancelled"
    assert lab.flows.reconcile() == 0


@pytest.mark.parametrize("cancelled", [False, True])
def test_what_was_lost_is_asked_for_again_unless_somebody_cancelled_it(database: Database, cancelled: bool) -> None:
    lab = Lab(database, LAUNCH_VARS, pause_s=0.0)
    try:
        lost = lab.ask("orders")
        lab.flows.launch(lost)
        lab.awx.jobs[0].update(status="error", event_processing_finished=True)
        lab.flows.reconcile()
        assert lab.read(lost).state == "failed"
        if cancelled:
            lab.by_hand.cancel(lost.id, "somebody")
        lab.flows.reconcile()
        newest = DeploymentQueries(database).page(before=None, limit=1, filters={})[0]
        assert (newest.id == lost.id, newest.trigger == "retry") == (cancelled, not cancelled)
        assert cancelled or newest.prepared, "from what was prepared, not from Git"
    finally:
        lab.awx.shutdown()


@pytest.mark.parametrize("minutes", [(0, 10), (-10, 0)])
def test_a_launch_that_may_still_arrive_is_waited_for_whatever_the_clocks_say(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, minutes: tuple[int, int]
) -> None:
    asked, flows = lab.ask("orders"), lab.container(lab.database, may_arrive_s=60.0)
    lab.awx.mode = "late"
    for wrong in minutes:
        shift = timedelta(minutes=wrong)
        monkeypatch.setattr("stoa.deployments.flows.now", lambda shift=shift: datetime.now(UTC) + shift)
        with pytest.raises(Transient):
            flows.launch(asked)
    assert len(lab.awx.late) == 1


def test_who_looked_for_too_long_does_not_launch_what_another_one_launched_meanwhile(
    lab: Lab, database_url: str
) -> None:
    asked = lab.ask("orders")
    other = lab.container(Database(Secret(database_url), "stoa_worker"), may_arrive_s=0.0)
    lab.awx.meanwhile = lambda: other.launch(asked)
    lab.flows.launch(asked)
    assert len(lab.awx.jobs) == 1
    other.database.close()


def test_who_looked_for_too_long_does_not_take_back_the_claim_of_another_one(lab: Lab, database_url: str) -> None:
    asked = lab.ask("orders")
    other = lab.container(Database(Secret(database_url), "stoa_worker"), may_arrive_s=0.0)

    def meanwhile() -> None:
        lab.awx.mode = "late"
        with pytest.raises(Transient):
            other.launch(asked)
        lab.awx.mode = "down"

    lab.awx.meanwhile = meanwhile
    with pytest.raises(Transient):
        lab.flows.launch(asked)
    lab.awx.mode = "late"
    with pytest.raises(Transient):
        lab.container(lab.database, may_arrive_s=60.0).launch(asked)
    assert len(lab.awx.late) == 1
    other.database.close()


def test_a_start_by_hand_does_not_open_the_way_back_to_what_git_has_removed(lab: Lab) -> None:
    good = lab.ask("orders")
    lab.flows.launch(good)
    lab.end(0, artifacts={"stoa_result": {"verified": True, "outcome": "applied"}})
    lab.flows.reconcile()
    lab.ask("orders", "undeploy")
    lab.ask("orders", trigger="api-call")
    with pytest.raises(Refused, match="Git does not hold"):
        lab.by_hand.roll_back(good.id, "somebody", None, ids.trace_id())
    lab.ask("orders")
    assert lab.by_hand.roll_back(good.id, "somebody", None, ids.trace_id())
