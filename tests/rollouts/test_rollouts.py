"""Events about APIs against a strict Argo CD: waits, repeats, deaths, conflicts, windows, any order of topics."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stoa.kernel.errors import Refused, Transient
from stoa.rollouts.queries import RolloutQueries
from tests.emulators.argocd.kit import Kit, sha

Tell = Callable[..., Any]


def test_a_sync_is_followed_to_its_end(story: Any) -> None:
    revision = sha()
    story.kit.put("timing", sync_s=3, settle_s=3)
    story.rollouts.sync(story.created(1, revision))
    asked = story.kit.read(story.app)["operation"]["sync"]
    assert (asked["revision"], asked["prune"]) == (revision, True)
    story.follow()
    assert story.state == ("syncing", "an operation is running")
    story.kit.later(4)
    story.follow()
    assert story.state == ("syncing", "Progressing after the sync")
    story.kit.later(4)
    story.follow()
    assert story.state == ("succeeded", f"Healthy at {revision}")
    assert story.row["finished_at"] > story.row["started_at"]
    (found,) = RolloutQueries(story.database).of_trace(f"trc-{story.tenant}", None)
    assert (found.application, found.state) == (story.application, "succeeded")
    story.kit.put("timing", sync_s=0.3, settle_s=0.3)


def test_a_failed_operation_is_a_failed_sync(story: Any) -> None:
    story.kit.put(f"applications/{story.application}", outcome="Error", message="no such kind")
    story.rollouts.sync(story.created())
    assert story.end() == ("failed", "Error: no such kind")


def test_what_comes_again_is_not_synced_again(story: Any) -> None:
    message = story.created()
    story.rollouts.sync(message)
    story.rollouts.sync(message)
    assert story.end()[0] == "succeeded"
    story.rollouts.sync(message)
    story.kit.later()
    assert story.synced == [message.data["commit"]]


def test_a_call_without_an_answer_is_looked_up(story: Any) -> None:
    message = story.created()
    story.kit.put("faults", mode="drop", path="POST .*/sync$", count=1)
    assert story.waits(message).system == "argocd"
    story.kit.later()
    story.rollouts.sync(message)
    assert story.end()[0] == "succeeded"
    assert story.synced == [message.data["commit"]]


def test_a_call_without_an_answer_undoes_no_rollback_that_came_after_it(story: Any) -> None:
    first, second = story.created(1), story.message("api-updated", 2)
    story.rollouts.sync(first)
    story.end()
    story.kit.put("faults", mode="drop", path="POST .*/sync$", count=1)
    story.waits(second)
    story.kit.later()
    story.kit.sync(story.app, first.data["commit"])
    story.rollouts.sync(second)
    assert story.end() == ("superseded", f"another operation, at {first.data['commit']}, came after it")
    assert story.synced == [message.data["commit"] for message in (first, second, first)]


def test_a_controller_with_another_clock_is_followed_all_the_same(tell: Tell, kit: Kit) -> None:
    """The emulator's `Date` stays that of this machine."""
    ahead = kit.ahead_s
    kit.later(-ahead - 3600)
    try:
        story = tell()
        message = story.created()
        kit.put("faults", mode="drop", path="POST .*/sync$", count=1)
        story.waits(message)
        kit.later()
        story.rollouts.sync(message)
        assert story.end()[0] == "succeeded"
        assert story.synced == [message.data["commit"]]
    finally:
        kit.later(ahead + 3600)


class Killed(BaseException):
    """The process is gone."""


def test_whatever_step_it_dies_at_it_syncs_once(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [1000]

    def deadly(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            for part in (lambda: None, lambda: call(*args, **kwargs)):
                done = part()
                left[0] -= 1
                if left[0] == 0:
                    raise Killed
            return done

        return wrapped

    monkeypatch.setattr(psycopg.Cursor, "execute", deadly(psycopg.Cursor.execute))
    monkeypatch.setattr(requests.Session, "request", deadly(requests.Session.request))
    deaths = 0
    for steps in range(1, 40):
        story = tell()
        message = story.created()
        left[0] = steps
        try:
            story.rollouts.sync(message)
        except Killed:
            deaths += 1
        survived, left[0] = left[0] > 0, 100_000
        story.rollouts.sync(message)
        story.kit.later()
        assert story.synced == [message.data["commit"]], f"died at {steps}"
        assert story.state[0] == "syncing"
        if survived:
            break
    assert deaths >= 10


def test_an_operation_of_somebody_else_is_waited_for(story: Any) -> None:
    theirs, message = sha(), story.created()
    story.kit.sync(story.app, theirs)
    waits = story.waits(message)
    assert (waits.system, waits.detail, waits.alarm) == (
        f"argocd/{story.application}", "another operation is already in progress", False,
    )  # fmt: skip
    assert story.state[0] == "waiting"
    story.follow()
    story.kit.later()
    story.rollouts.sync(message)
    assert story.end()[0] == "succeeded"
    assert story.synced == [theirs, message.data["commit"]]


def test_an_operation_of_somebody_else_afterwards_supersedes_ours(story: Any) -> None:
    theirs = sha()
    story.rollouts.sync(story.created())
    story.kit.later()
    story.kit.sync(story.app, theirs)
    assert story.end() == ("superseded", f"another operation, at {theirs}, came after it")


def test_an_application_that_is_not_there_yet_is_waited_for(story: Any) -> None:
    story.kit.prune(story.application)
    story.kit.later()
    message = story.created()
    assert story.waits(message).system == f"argocd/{story.application}"
    story.kit.make(story.application, story.tenant)
    story.rollouts.sync(message)
    assert story.end()[0] == "succeeded"


def test_a_deleted_api_is_followed_until_it_is_pruned(story: Any) -> None:
    story.rollouts.sync(story.created(1))
    with story.database.transaction() as connection:  # its patience begins with the newest event
        connection.execute(
            "UPDATE rollouts SET asked_at = asked_at - interval '2 days' WHERE tenant = %s", (story.tenant,)
        )
    story.rollouts.sync(story.message("api-deleted", 2))
    assert story.end() == ("removing", "the ApplicationSet has not removed it yet")
    story.kit.prune(story.application)
    assert story.end()[0] == "removed"


def test_an_api_that_comes_back_supersedes_its_removal(story: Any) -> None:
    story.kit.put("timing", prune_s=60)
    story.rollouts.sync(story.message("api-deleted", 1))
    story.kit.prune(story.application)
    again = story.created(2)
    assert story.waits(again).detail == "application is deleting"
    story.kit.later(61)
    story.kit.make(story.application, story.tenant)
    story.rollouts.sync(again)
    assert story.end()[0] == "succeeded"
    story.kit.put("timing", prune_s=0.2)


def test_automatic_sync_is_made_to_look_and_left_to_it(tell: Tell) -> None:
    story = tell(automated=True, head=sha())
    story.kit.later()
    story.kit.read(story.app)
    message = story.created()
    later_commit = sha()
    story.kit.put(f"applications/{story.application}", head=later_commit)
    story.rollouts.sync(message)
    assert story.row["state"] == "automatic"
    story.follow()
    assert story.state == ("automatic", "an operation is running")
    assert story.end() == ("succeeded", f"Healthy at {later_commit}")
    assert len(story.synced) == 2
    story.rollouts.sync(story.created(2, later_commit))
    assert story.end()[0] == "succeeded"
    assert len(story.synced) == 2, "there was nothing to do"


def test_a_record_that_is_given_up_says_so_and_its_replay_is_done(story: Any) -> None:
    story.kit.put("faults", mode="fail", status=400, path="sync$", count=1)
    message = story.created()
    with pytest.raises(Refused) as refused:
        story.rollouts.sync(message)
    story.rollouts.give_up(message, refused.value)
    assert story.state == ("refused", refused.value.detail)
    story.rollouts.sync(message)
    assert story.end()[0] == "succeeded"
    story.rollouts.give_up(message, refused.value)
    story.rollouts.sync(message)
    story.kit.later()
    assert story.synced == [message.data["commit"]]
    story.kit.put(f"applications/{story.application}", outcome="Failed")
    again = story.message("api-updated", 2)
    story.rollouts.sync(again)
    assert story.end()[0] == "failed"
    story.rollouts.sync(again)
    assert story.state[0] == "failed", "Argo CD's own verdict stays"


@pytest.mark.parametrize(
    "wrong", [{"commit": "main"}, {"commit": None}, {"trace_id": 5}, {"tenant": "tenant-b"}, {"api_id": ""}]
)
def test_an_event_that_cannot_be_read_is_refused(story: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        story.rollouts.sync(story.message("api-created", 1, **wrong))
    assert refused.value.field == next(iter(wrong))


kinds = st.lists(st.sampled_from(["api-created", "api-updated", "api-deleted"]), min_size=1, max_size=5)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds, st.data())
def test_topics_in_any_order_end_with_the_newest_event(tell: Tell, topics: list[str], data: Any) -> None:
    story = tell()
    messages = [story.message(topic, number) for number, topic in enumerate(topics, 1)]
    waiting = data.draw(st.permutations([*messages, *data.draw(st.lists(st.sampled_from(messages), max_size=3))]))
    newest, best = messages[-1], 0
    while waiting:
        message = waiting.pop(0)
        best = max(best, message.generation)
        try:
            story.rollouts.sync(message)
        except Transient:
            waiting.append(message)
            story.kit.later()
        assert story.row["generation"] == best
        if data.draw(st.booleans()):
            story.follow()
    state, _ = story.end()
    assert story.row["revision"] == newest.data["commit"]
    if topics[-1] == "api-deleted":
        assert state == "removing"
    else:
        assert (state, story.synced[-1]) == ("succeeded", newest.data["commit"])
    order = [messages.index(next(m for m in messages if m.data["commit"] == revision)) for revision in story.synced]
    assert order == sorted(set(order)), "an older commit over a newer one, or one twice"
