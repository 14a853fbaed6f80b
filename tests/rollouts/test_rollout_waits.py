"""What Rollouts wait for: sync windows, an Argo CD that is away, the time of a tick."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from stoa.adapters.argocd import ArgoCd
from stoa.bootstrap import App
from stoa.entrypoints import kafka as entrypoint
from stoa.entrypoints.kafka import Consumer
from stoa.kernel import clock
from stoa.kernel.errors import Transient
from stoa.kernel.settings import Secret, from_environment
from stoa.rollouts.flows import LOOK_MS, Rollouts
from tests.emulators.argocd.kit import TOKEN, Kit, sha

Tell = Callable[..., Any]


def test_closed_windows_hold_up_nobody_else(tell: Tell) -> None:
    stories = [tell() for _ in range(5)]
    closed, opened = stories[:4], stories[4]
    opened.kit.put("windows", **{story.tenant: True for story in closed})
    waits = closed[0].waits(closed[0].created())
    assert (waits.detail, waits.alarm) == ("a sync window is closed: cannot sync: blocked by sync window", False)
    rollouts = opened.rollouts
    consumer = Consumer("c", opened.database, lambda _rows: None, rollouts.sync, rollouts.give_up, True, 1000.0)
    event = {"records": {"api-created-0": [story.record(story.created()) for story in stories]}}
    assert len(consumer.process(event, lambda: 60_000)["batchItemFailures"]) == 4
    opened.kit.put("windows")
    assert consumer.process(event, lambda: 60_000) == {"batchItemFailures": []}
    opened.kit.later()
    assert [len(story.synced) for story in stories] == [1] * 5


def test_a_window_may_be_closed_for_days_and_what_waits_then_has_a_day_of_its_own(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, others = tell(), tell()
    monkeypatch.setattr(clock, "sleep", lambda _s: None)
    closed.kit.put("windows", **{closed.tenant: True})
    dead: list[Any] = []
    rollouts = closed.rollouts
    consumer = Consumer("weekend", closed.database, dead.extend, rollouts.sync, rollouts.give_up, True)
    event = {"records": {"any": [closed.record(closed.created())]}}

    def left_waiting() -> int:
        return len(consumer.process(event, lambda: 60_000)["batchItemFailures"])

    assert left_waiting() == 1
    consumer.process({"records": {"any": [others.record(others.created())]}}, lambda: 60_000)
    with closed.database.transaction() as connection:  # from Friday to Sunday, while others went on
        connection.execute("UPDATE waiting_keys SET since = since - interval '50 hours'")
        connection.execute("UPDATE consumer_progress SET well_since = well_since - interval '60 hours'")
    assert left_waiting() == 0, "it is parked"
    closed.kit.put("windows")
    closed.kit.sync(closed.app, sha())  # on Monday everybody syncs at once
    assert consumer.retry_parked(lambda: 60_000) == 0
    closed.kit.later()
    assert consumer.retry_parked(lambda: 60_000) == 1
    assert (dead, closed.state[0]) == ([], "syncing")


def test_automatic_sync_has_a_day_from_when_its_window_opens(tell: Tell) -> None:
    story = tell(automated=True, head=sha())
    story.kit.later()
    story.kit.read(story.app)
    story.kit.put("windows", **{story.tenant: True})
    story.kit.put(f"applications/{story.application}", head=sha())
    story.rollouts.sync(story.created())
    _two_days_pass(story)
    story.follow()
    assert story.state == ("automatic", "a sync window is closed")
    assert not ArgoCd(story.kit.url, Secret(TOKEN)).holds_back(*tell().app)
    story.kit.put("windows")
    story.kit.later()
    story.kit.read(story.app, refresh="normal")
    assert story.end()[0] == "succeeded"


def _two_days_pass(story: Any) -> None:
    with story.database.transaction() as connection:
        connection.execute(
            "UPDATE rollouts SET asked_at = asked_at - interval '2 days' WHERE tenant = %s", (story.tenant,)
        )


def test_a_tick_looks_at_as_many_as_there_is_time_for(tell: Tell) -> None:
    stories = [tell() for _ in range(3)]
    for story in stories:
        story.rollouts.sync(story.created())
    left = iter([LOOK_MS, LOOK_MS, LOOK_MS - 1])
    assert stories[0].rollouts.follow(lambda: next(left)) == 2


@pytest.mark.parametrize(
    ("status", "alarm", "rest_s"),
    [
        (401, True, None),
        (403, True, None),
        (408, False, None),
        (425, False, None),
        (429, False, 7),
        (500, False, None),
        (502, False, None),
        (503, False, 7),
    ],
)
def test_an_argocd_that_is_away_or_says_no_to_our_token_is_waited_for(
    story: Any, status: int, alarm: bool, rest_s: float | None
) -> None:
    mode = {"mode": "down"} if status == 502 else {"mode": "fail", "status": status}
    story.kit.put("faults", **mode, path="applications")
    waits = story.waits(story.created())
    story.kit.put("faults", mode="ok")
    assert (waits.system, waits.alarm, waits.retry_after_s) == ("argocd", alarm, rest_s)
    wrong = Rollouts(story.database, ArgoCd(story.kit.url, Secret("wrong")))
    with pytest.raises(Transient) as caught:
        wrong.sync(story.created())
    assert caught.value.alarm
    assert "wrong" not in str(caught.value)


def test_a_tick_follows_and_an_outage_only_puts_it_off(
    story: Any, database_url: str, kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    from functions.api_events_to_argocd.handler import handler

    environment = {"STOA_DATABASE_URL": database_url, "STOA_ARGOCD_URL": kit.url, "STOA_ARGOCD_TOKEN": TOKEN}
    app = App(from_environment(environment), publish_wait_s=0)
    monkeypatch.setattr(entrypoint, "app", lambda: app)
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)
    event = {"records": {"api-created-0": [story.record(story.created())]}}
    assert handler(event, context) == {"batchItemFailures": []}
    kit.later()
    kit.put("faults", mode="down", path="applications")
    assert handler({"time": "now"}, context) == {"released": 0}
    kit.put("faults", mode="ok")
    assert app.rollout_queries.of_trace(f"trc-{story.tenant}", None)[0].state == "syncing"
    assert handler({"time": "now"}, context) == {"released": 0}
    assert app.rollout_queries.of_trace(f"trc-{story.tenant}", None)[0].state == "succeeded"
    app.database.close()
