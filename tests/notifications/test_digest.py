"""A flood becomes one digest, which a dying process neither loses nor sends for messages that were sent."""

import json
import threading
import time
from contextlib import suppress
from functools import partial
from typing import Any

import psycopg
import pytest

from stoa.kernel.clock import now
from stoa.kernel.database import Database
from stoa.kernel.errors import Transient
from stoa.kernel.settings import Secret
from stoa.notifications import events, store
from stoa.notifications.flows_by_hand import Channels
from stoa.notifications.model import FLOOD, LINES


def flood(desk: Any, number: int) -> list[Any]:
    told = desk.told(*(desk.result("failed" if n % 2 else "success", api_id=f"api-{n}") for n in range(number)))
    for message in told:
        desk.flows.deliver(message)
    return list(told)


def test_what_is_above_the_limit_comes_as_one_digest_a_window_later(desk: Any) -> None:
    desk.slack()
    told = flood(desk, FLOOD + LINES + 5)
    assert len(desk.arrived()) == FLOOD
    desk.digests()
    for message in told:
        desk.flows.deliver(message)
    assert len(desk.arrived()) == FLOOD, "the window is not over, and nothing is sent again"
    desk.age(61)
    assert desk.digests() == 1
    desk.digests()
    *_, digest = desk.arrived()
    assert len(desk.arrived()) == FLOOD + 1
    text = json.dumps(digest)
    assert digest["text"] == "20 messages to team: 10 failed, 10 success"
    shown = [n for n in range(FLOOD, FLOOD + 20) if f"api-{n} to dev" in text]
    assert shown == list(range(FLOOD, FLOOD + LINES))
    assert "and 5 more" in text
    assert told[FLOOD].trace_id in text
    assert sorted(desk.states().values()) == ["digested"] * 20 + ["sent"] * (FLOOD + 1)


def test_while_messages_are_held_back_a_later_one_does_not_overtake_them_and_sends_the_digest(desk: Any) -> None:
    desk.slack()
    desk.mail()
    flood(desk, FLOOD + 1)
    desk.age(61)
    for message in desk.told():
        desk.flows.deliver(message)
    assert len(desk.arrived()) == FLOOD + 1
    assert desk.arrived()[-1]["text"] == "2 messages to team: 1 failed, 1 success"
    (mail,) = desk.arrived("mail")[FLOOD:]
    assert mail["subject"].startswith("2 messages to mail: ")
    assert "orders to dev failed: IMPORT_REFUSED" in mail["body"]
    flood(desk, 1)
    assert len(desk.arrived()) == FLOOD + 2, "afterwards each comes by itself again"


def test_a_digest_whose_answer_was_lost_comes_again_as_it_was_with_its_own_event_id(desk: Any) -> None:
    desk.slack()
    flood(desk, FLOOD + 2)
    desk.age(61)
    desk.world.put("faults", mode="drop", path="/services/", count=1)
    with pytest.raises(Transient):
        desk.digests()
    flood(desk, 1)  # held for the next digest: this one is what it was
    desk.age(61)
    desk.digests()
    first, again = desk.arrived()[FLOOD:]
    assert first == again
    assert first["text"].startswith("2 messages")
    assert list(desk.states().values()).count("held") == 1
    desk.age(61)
    desk.digests()
    assert desk.arrived()[-1]["text"].startswith("1 messages")


def test_a_digest_that_is_under_way_is_not_sent_by_another_process(desk: Any) -> None:
    desk.slack()
    flood(desk, FLOOD + 1)
    desk.age(61)
    desk.digests()
    with desk.database.transaction(desk.tenant) as connection:
        connection.execute("UPDATE notifications SET state = 'sending' WHERE type = 'digest'")
    desk.digests()
    assert len(desk.arrived()) == FLOOD + 1
    desk.age(61)
    desk.digests()
    assert len(desk.arrived()) == FLOOD + 2


def test_a_channel_that_refuses_its_digest_is_disabled_and_gets_it_when_a_person_enables_it(desk: Any) -> None:
    channel = desk.slack()
    flood(desk, FLOOD + 2)
    desk.age(61)
    desk.answers("invalid_payload")
    assert desk.digests() == 0
    assert not desk.channels.read(desk.tenant, "team").enabled
    desk.answers(None)
    desk.digests()
    assert len(desk.arrived()) == FLOOD
    desk.channels.put(desk.tenant, "team", "slack", channel.target, channel.messages, enabled=True)
    desk.digests()
    assert desk.arrived()[-1]["text"].startswith("2 messages")


def test_a_digest_waits_for_the_rest_of_its_channel_and_others_do_not_wait_for_it(desk: Any) -> None:
    desk.slack()
    desk.slack("zoo")
    flood(desk, FLOOD + 1)
    desk.age(61)
    desk.world.put("faults", mode="fail", status=429, path="/services/", count=1)
    with pytest.raises(Transient):
        desk.digests()
    assert (len(desk.arrived()), len(desk.arrived("zoo"))) == (FLOOD, FLOOD + 1)
    desk.digests()
    assert len(desk.arrived()) == FLOOD
    desk.age(1.1)
    desk.digests()
    assert len(desk.arrived()) == FLOOD + 1


def test_what_was_held_back_goes_with_its_channel_and_so_does_a_digest_that_was_begun(desk: Any) -> None:
    desk.slack()
    flood(desk, FLOOD + 1)
    desk.age(61)
    desk.world.put("faults", mode="fail", path="/services/", count=1)
    with pytest.raises(Transient):
        desk.digests()
    flood(desk, 1)
    desk.channels.remove(desk.tenant, "team")
    desk.slack()
    desk.age(61)
    desk.digests()
    assert len(desk.arrived()) == FLOOD
    assert sorted(desk.states().values()) == ["dropped"] * 3 + ["sent"] * FLOOD


def until_somebody_waits_for_a_lock(database_url: str) -> None:
    waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    deadline = time.monotonic() + 120
    with psycopg.connect(database_url, autocommit=True) as connection:
        while connection.execute(waits).fetchone() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_message_that_is_held_back_while_its_channel_is_removed_is_not_in_a_digest_of_its_successor(
    desk: Any,
) -> None:
    desk.slack()
    flood(desk, FLOOD)
    (message,) = desk.told()
    other = Database(Secret(desk.database_url), "stoa_worker")
    theirs = Channels(other, lambda _keys: None)
    remove = partial(theirs.remove, desk.tenant, "team", actor="user:1", trace_id="trc-1")
    removing = threading.Thread(target=remove)
    with desk.database.transaction(desk.tenant) as connection:  # as the flow holds it back
        store.channel(connection, "team", lock=True)
        store.hold(connection, events.read(message), "line", now())
        removing.start()
        until_somebody_waits_for_a_lock(desk.database_url)
    removing.join()
    other.close()
    assert desk.states()[message.id] == "dropped"


def test_channels_that_always_fail_hold_up_the_digests_of_others_for_one_tick(desk: Any) -> None:
    for name in ("aaa", "bbb", "zoo"):
        desk.slack(name)
    flood(desk, FLOOD + 1)
    desk.age(61)
    for name in ("aaa", "bbb"):
        desk.answers("rollup_error", name)
    for _ in range(2):
        with suppress(Transient):
            desk.digests()
        desk.age(61)
    assert len(desk.arrived("zoo")) == FLOOD + 1
    for name in ("aaa", "bbb"):
        desk.channels.remove(desk.tenant, name)


def test_a_bug_that_one_channel_meets_is_logged_and_the_next_one_gets_its_digest(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.slack("bug")
    desk.slack("zoo")
    flood(desk, FLOOD + 1)
    desk.age(61)
    post = desk.flows.slack.post

    def fails(address: Secret, message: Any) -> None:
        if "to bug" in message["text"]:
            raise ZeroDivisionError
        post(address, message)

    monkeypatch.setattr(desk.flows.slack, "post", fails)
    assert desk.digests() == 1
    assert len(desk.arrived("zoo")) == FLOOD + 1


def test_no_digest_is_begun_that_could_not_end_before_the_process_does(desk: Any) -> None:
    desk.slack()
    flood(desk, FLOOD + 1)
    desk.age(61)
    assert desk.flows.send_digests(lambda: 44_000) == 0
    assert len(desk.arrived()) == FLOOD
