"""Every message has an end that is written down, whatever becomes of its channel or of the process that sends it."""

from dataclasses import replace
from typing import Any

import pytest

from stoa.adapters.vault import Vault
from stoa.entrypoints.kafka import Consumer
from stoa.kernel.envelope import Message, decode
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret
from stoa.notifications.model import TRIES


def reader(desk: Any) -> tuple[Consumer, list[Any]]:
    """The function's consumer, and its dead letters."""
    dead: list[Any] = []
    flows = desk.flows
    send = flows.deliver, flows.give_up
    return Consumer("notifications_to_people", desk.database, dead.extend, *send, True, 1000.0), dead


def process(consumer: Consumer, *records: Any) -> Any:
    return consumer.process({"records": {"notifications-0": list(records)}}, lambda: 60_000)


def test_a_provider_that_never_takes_a_message_ends_it_after_so_many_tries(desk: Any) -> None:
    desk.slack()
    desk.at_speed(1e9)
    desk.answers("rollup_error")
    (message,) = desk.told()
    for _ in range(TRIES - 1):
        with pytest.raises(Transient, match="500"):
            desk.flows.deliver(message)
    with pytest.raises(Refused) as refused:
        desk.flows.deliver(message)
    assert refused.value.code == "NOT_DELIVERED"
    assert desk.states() == {message.id: "refused"}
    assert desk.channels.read(desk.tenant, "team").enabled
    desk.answers(None)
    with pytest.raises(Refused, match="NOT_DELIVERED"):
        desk.flows.deliver(message)  # its batch comes again
    assert desk.arrived() == []
    desk.flows.deliver(sent_again(message))
    assert desk.states() == {message.id: "sent"}


def sent_again(message: Message) -> Message:
    """By a person, out of the dead-letter topic."""
    return replace(message, position=replace(message.position, offset=message.position.offset + 1_000))


@pytest.mark.parametrize("word", ["action_prohibited", "no_service", "channel_is_archived"])
def test_a_channel_that_slack_closed_is_disabled_until_a_person_enables_it(desk: Any, word: str) -> None:
    channel = desk.slack()
    desk.answers(word)
    records = desk.records(desk.result(), desk.result())
    consumer, dead = reader(desk)
    assert process(consumer, *records) == {"batchItemFailures": []}
    assert [(row.topic, row.headers["dlq_code"]) for row in dead] == [
        ("notifications.dlq", "SLACK_REFUSED"),
        ("notifications.dlq", "CHANNEL_DISABLED"),
    ]
    read = desk.channels.read(desk.tenant, "team")
    assert not read.enabled
    assert word in str(read.disabled_reason)
    assert desk.told() == [], "nothing is written for a channel that is disabled"
    desk.answers(None)
    desk.channels.put(desk.tenant, "team", "slack", channel.target, channel.messages, enabled=True)
    again = desk.told()
    desk.flows.deliver(again[0])
    assert len(desk.arrived()) == 1


def test_without_its_secret_nothing_is_tried_and_without_vault_it_waits(desk: Any) -> None:
    desk.slack(target=f"vault:channels/{desk.tenant}/elsewhere#url")
    (record,) = desk.records()
    desk.world.vault_token, token = "wrong", desk.world.vault_token
    with pytest.raises(Transient, match="vault"):
        desk.flows.deliver(decode(record))
    desk.world.vault_token = token
    assert desk.states() == {}
    consumer, dead = reader(desk)
    process(consumer, record)
    assert [row.headers["dlq_code"] for row in dead] == ["SECRET_UNREADABLE"]
    assert set(desk.states().values()) == {"refused"}
    read = desk.channels.read(desk.tenant, "team")
    assert (read.enabled, f"{desk.tenant}/elsewhere#url" in str(read.disabled_reason)) == (False, True)


class Killed(BaseException):
    """As a process that ends in the middle of a call."""


def test_a_message_that_kills_its_process_has_an_end_as_well(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(*_: Any) -> None:
        raise Killed

    desk.slack()
    (record,) = desk.records()
    consumer, dead = reader(desk)
    with monkeypatch.context() as patched:
        patched.setattr(desk.flows.slack, "post", kill)
        for _ in range(TRIES):
            with pytest.raises(Killed):
                process(consumer, record)
            process(consumer, record)  # somebody may still be sending it
            desk.age(61)
        process(consumer, record)
    assert [row.headers["dlq_code"] for row in dead] == ["NOT_DELIVERED"]
    assert set(desk.states().values()) == {"refused"}


def test_what_was_refused_is_not_posted_again_when_its_batch_comes_again(desk: Any) -> None:
    desk.slack("bad")
    desk.slack("slow")
    records = desk.records()
    desk.answers("user_not_found", "bad")
    desk.answers("rollup_error", "slow")
    consumer, dead = reader(desk)
    for _ in range(2):
        assert len(process(consumer, *records)["batchItemFailures"]) == 1
        desk.answers(None, "bad")
    assert [row.headers["dlq_code"] for row in dead] == ["SLACK_REFUSED"] * 2
    assert desk.arrived("bad") == []


def test_an_answer_to_the_old_address_does_not_disable_the_channel_that_a_person_has_just_mended(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wants = desk.slack().messages
    (message,) = desk.told()
    desk.answers("no_service")
    desk.slack("fresh")
    post = desk.flows.slack.post

    def slow(*asked: Any) -> None:
        target = f"vault:channels/{desk.tenant}/fresh#url"
        desk.channels.put(desk.tenant, "team", "slack", target, wants, enabled=True)
        post(*asked)

    with monkeypatch.context() as patched:
        patched.setattr(desk.flows.slack, "post", slow)
        with pytest.raises(Transient, match="changed"):
            desk.flows.deliver(message)
    assert desk.channels.read(desk.tenant, "team").enabled
    desk.age(61)
    desk.flows.deliver(message)
    assert len(desk.arrived("fresh")) == 1


def test_an_address_that_was_read_before_a_person_changed_the_channel_gets_nothing(desk: Any) -> None:
    wants = desk.slack().messages
    desk.slack("fresh")
    message = next(m for m in desk.told() if m.key.endswith("/team"))

    def vault() -> Vault:
        target = f"vault:channels/{desk.tenant}/fresh#url"
        desk.channels.put(desk.tenant, "team", "slack", target, wants, enabled=True)
        return Vault(desk.world.openbao.url, Secret(desk.world.vault_token))

    with pytest.raises(Transient):
        replace(desk.flows, vault=vault).deliver(message)
    assert desk.arrived() == []
    desk.flows.deliver(message)
    assert len(desk.arrived("fresh")) == 1


def test_a_message_for_a_channel_that_is_gone_does_not_reach_its_successor(desk: Any) -> None:
    desk.slack()
    tried, untried = desk.told(desk.result(), desk.result())
    desk.answers("rollup_error")
    with pytest.raises(Transient):
        desk.flows.deliver(tried)
    desk.channels.remove(desk.tenant, "team")
    desk.mail("team")
    for message in (tried, untried):
        desk.flows.deliver(message)
    assert desk.arrived("mail") == []
    assert desk.states() == {tried.id: "dropped"}


def test_every_end_is_written_down(desk: Any) -> None:
    desk.slack()
    off, disabled, given_up = desk.records(*(desk.result() for _ in range(3)))
    desk.answers("rollup_error")
    consumer, dead = reader(desk)
    for record in (off, disabled, given_up):
        process(consumer, record)
        desk.age(61)
    desk.slack(enabled=False)
    process(consumer, off)
    desk.slack()
    desk.answers("rollup_error")
    process(consumer, given_up)
    with desk.database.transaction() as connection:
        connection.execute("UPDATE waiting_keys SET since = now() - interval '25 hours'")
        connection.execute(
            "INSERT INTO consumer_progress VALUES (%s, now(), now() - interval '30 hours') ON CONFLICT (consumer)"
            " DO UPDATE SET last_success = now(), well_since = excluded.well_since",
            ("notifications_to_people.notifications",),
        )
    desk.age(61)
    process(consumer, given_up)
    desk.answers("no_service")
    desk.age(61)
    process(consumer, *desk.records(), disabled)
    assert [row.headers["dlq_code"] for row in dead] == ["GAVE_UP", "SLACK_REFUSED", "CHANNEL_DISABLED"]
    assert list(desk.states().values()) == ["dropped", "refused", "refused", "refused"]
