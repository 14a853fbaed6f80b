"""One message to a person: once, with a rest where the provider wants one, and an end when it never gets there."""

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from stoa.kernel.envelope import decode
from stoa.kernel.errors import NotFound, Refused, Transient

DELIVER = """\
import json, os, sys
from stoa.bootstrap import App
from stoa.kernel.envelope import decode
from stoa.kernel.settings import from_environment
App(from_environment(os.environ), publish_wait_s=0).notifications.deliver(decode(json.load(sys.stdin)))
"""


def test_a_person_reads_in_slack_and_in_a_mail_what_failed_where_and_what_to_do(desk: Any) -> None:
    desk.slack()
    desk.mail()
    told = {m.data["recipients"][0]: m for m in desk.told()}
    for message in told.values():
        desk.flows.deliver(message)
    (payload,), (mail,) = desk.arrived(), desk.arrived("mail")
    error = ("IMPORT_REFUSED", "no paths", "add one", "api.yaml:3")
    facts = ("orders", "dev", "failed", "1.2.0", "01234567", "gitlab:1", "1 min 5 s", "stoa trace trc-")
    for text in (json.dumps(payload), mail["subject"] + mail["body"]):
        assert [part for part in (*error, *facts) if part not in text] == []
    assert payload["text"] == "Deployment of orders to dev failed: IMPORT_REFUSED"
    assert f"event {told['team'].id}" in json.dumps(payload["blocks"][-1])
    headers = dict(mail["headers"])
    assert mail["subject"] == payload["text"]
    assert headers["Message-ID"] == f"<{told['mail'].id}@example.com>"
    assert headers["X-Stoa-Event-Id"] == told["mail"].id
    assert set(desk.states().values()) == {"sent"}


def test_a_message_that_comes_again_is_not_sent_again(desk: Any) -> None:
    desk.slack()
    (message,) = desk.told()
    for _ in range(3):
        desk.flows.deliver(message)
    assert len(desk.arrived()) == 1


def test_a_process_that_dies_before_the_outcome_is_written_sends_again_with_the_same_event_id(desk: Any) -> None:
    desk.slack()
    (record,) = desk.records()
    desk.world.put("variants", answer_after_s=60)
    environment = {
        "STOA_DATABASE_URL": desk.database_url,
        "STOA_VAULT_URL": desk.world.openbao.url,
        "STOA_CHANNELS_VAULT_TOKEN": desk.world.vault_token,
        "STOA_SLACK_URL": desk.world.url,
    }
    child = subprocess.Popen([sys.executable, "-c", DELIVER], env=environment, stdin=subprocess.PIPE, text=True)
    assert child.stdin
    with child.stdin as pipe:
        pipe.write(json.dumps(record))
    deadline = time.monotonic() + 120
    while not desk.arrived():
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    child.kill()
    child.wait(60)
    desk.world.put("variants", answer_after_s=0)
    (event_id,) = desk.states()
    assert desk.states() == {event_id: "sending"}

    again = decode(record)
    with pytest.raises(Transient, match="earlier try"):
        desk.flows.deliver(again)
    assert len(desk.arrived()) == 1, "somebody may still be sending it"
    desk.age(61)
    desk.flows.deliver(again)
    desk.flows.deliver(again)
    assert [f"event {event_id}" in json.dumps(payload) for payload in desk.arrived()] == [True, True]
    assert desk.states() == {event_id: "sent"}


def test_a_channel_rests_as_long_as_slack_asks_and_others_go_on(desk: Any) -> None:
    desk.slack()
    desk.slack("other")
    desk.at_speed(1000)  # our own pauses, not the one that Slack asks for
    desk.world.put("variants", rate_limit=True, retry_after_s=30)
    told = desk.told(desk.result(), desk.result())
    first, second = (m for m in told if m.key == f"{desk.tenant}/team")
    desk.flows.deliver(first)
    with pytest.raises(Transient) as refused:
        desk.flows.deliver(second)
    assert (refused.value.system, refused.value.retry_after_s) == (f"channel {desk.tenant}/team", 30)
    desk.flows.deliver(next(m for m in told if m.key == f"{desk.tenant}/other"))
    desk.world.put("variants", rate_limit=False)
    for seconds in (0, 29):
        desk.age(seconds)
        with pytest.raises(Transient, match="rests"):
            desk.flows.deliver(second)
    desk.age(1.5)
    desk.flows.deliver(second)
    assert (len(desk.arrived()), len(desk.arrived("other"))) == (2, 1)


def test_vault_is_not_asked_for_a_message_that_only_rests(desk: Any) -> None:
    desk.slack()
    (message,) = desk.told()
    desk.answers("rollup_error")
    with pytest.raises(Transient, match="500"):
        desk.flows.deliver(message)
    desk.world.vault_token, token = "wrong", desk.world.vault_token
    with pytest.raises(Transient, match="rests"):
        desk.flows.deliver(message)
    desk.world.vault_token = token


def test_a_message_that_slack_cannot_read_is_refused_and_its_channel_goes_on(desk: Any) -> None:
    desk.slack()
    first, second = desk.told(desk.result(), desk.result())
    desk.answers("user_not_found")
    with pytest.raises(Refused, match="400"):
        desk.flows.deliver(first)
    desk.answers(None)
    desk.flows.deliver(second)
    assert desk.channels.read(desk.tenant, "team").enabled


@pytest.mark.parametrize(
    ("at", "reply", "error", "enabled"),
    [
        ("rcpt", "550 5.1.1 nobody", Refused, False),
        ("rcpt", "550 5.7.1 no relaying", Refused, True),
        ("data", "554 5.7.1 spam", Refused, True),
        ("rcpt", "451 4.3.0 later", Transient, True),
        ("mail", "550 5.7.1 not you", Transient, True),
        ("data", "421 4.3.2 closing", Transient, True),
    ],
)
def test_what_a_mail_server_says_decides_as_well(desk: Any, at: str, reply: str, error: Any, enabled: bool) -> None:
    desk.mail()
    desk.world.put("smtp", at=at, reply=reply, count=1)
    (message,) = desk.told()
    with pytest.raises(error) as said:
        desk.flows.deliver(message)
    assert "example.com" not in str(said.value)
    assert desk.channels.read(desk.tenant, "mail").enabled is enabled
    if error is Transient:
        desk.age(2)
        desk.flows.deliver(message)
        assert len(desk.arrived("mail")) == 1


def test_a_channel_that_is_gone_or_turned_off_by_a_person_gets_nothing_and_nothing_waits_for_it(desk: Any) -> None:
    desk.slack()
    (first,) = desk.told()
    desk.slack(enabled=False)
    desk.flows.deliver(first)
    desk.channels.remove(desk.tenant, "team")
    desk.flows.deliver(first)
    assert desk.arrived() == []
    with pytest.raises(NotFound):
        desk.channels.remove(desk.tenant, "team")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("recipients", []),
        ("recipients", ["team", "mail"]),
        ("recipients", ["https://hooks.slack.com/services/T/B/x"]),
        ("tenant", "tenant-b"),
        ("template", "../../../etc/passwd"),
        ("template", "digest"),
        ("template", ["deploy_failed"]),
        ("channel_id", None),
        ("data", None),
        ("type", "digest"),
    ],
)
def test_a_message_that_names_no_channel_or_template_of_ours_is_refused(desk: Any, field: str, value: Any) -> None:
    desk.slack()
    (message,) = desk.told()
    message.data[field] = value
    with pytest.raises(Refused):
        desk.flows.deliver(message)
    assert desk.states() == {}
