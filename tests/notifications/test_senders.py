"""The two clients: what their providers answer, what they never say, and Amazon SES."""

import logging
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.ses.models import ses_backends

from local.parts.ports import free_port
from stoa.adapters.email import Mail
from stoa.adapters.slack import Slack
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret

SECRET = "T0/B0/do-not-say-this"


@pytest.mark.parametrize(
    ("url", "error"),
    [
        (f"http://127.0.0.1:{free_port()}/services/{SECRET}", Transient),
        (f"no-address/{SECRET}", Refused),
        (f"ftp://example.invalid/{SECRET}", Refused),
        (f"http:///{SECRET}", Refused),
        (f"http://[::1/{SECRET}", Refused),
        ("", Refused),
    ],
)
def test_no_error_says_the_address(url: str, error: Any) -> None:
    with pytest.raises(error) as said:
        Slack().post(Secret(url), {"text": "x"})
    chain, seen = said.value, []
    while chain is not None:
        seen.append(repr(chain))
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)
    assert SECRET not in "".join(seen)


def test_no_log_line_says_the_address_even_when_everything_is_logged(
    world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    url = world.put("webhooks/logged")["url"]
    with caplog.at_level(logging.DEBUG):
        Slack().post(Secret(url), {"text": "x"})
    assert url.rpartition("/")[2] not in caplog.text


def test_a_redirect_a_page_of_a_proxy_or_no_answer_is_an_outage(world: Any) -> None:
    url = Secret(world.put("webhooks/outage")["url"])
    for fault in ({"mode": "down"}, {"mode": "fail", "status": 302}, {"mode": "drop"}, {"mode": "fail", "status": 200}):
        world.put("faults", **fault, path="/services/", count=1)
        with pytest.raises(Transient):
            Slack().post(url, {"text": "x"})


@pytest.mark.parametrize("sender", ["", "stoa@example.com"])
def test_a_mail_server_that_is_away_or_a_sender_that_is_missing_is_an_outage(sender: str) -> None:
    with pytest.raises(Transient) as said:
        Mail("127.0.0.1", free_port(), sender).send("ada@example.com", "s", "b", "e")
    assert not said.value.sent
    assert said.value.alarm is not bool(sender)


def test_a_line_break_in_an_address_is_no_second_header() -> None:
    with pytest.raises(Refused, match="MAIL_UNWRITABLE"):
        Mail("", 25, "stoa@example.com").send("ada@example.com\r\nBcc: x@example.com", "s", "b", "e")


def test_without_a_host_mail_goes_by_ses_and_its_refusals_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        mail = Mail("", 25, "stoa@example.com")
        with pytest.raises(Refused, match="MessageRejected"):
            mail.send("ada@example.com", "subject", "body", "e-1")
        boto3.client("sesv2").create_email_identity(EmailIdentity="stoa@example.com")
        mail.send("ada@example.com", "subject", "body", "e-1")
        (sent,) = ses_backends["123456789012"]["eu-central-1"].sent_messages
        assert set(sent.destinations) == {"ada@example.com"}
        assert "X-Stoa-Event-Id: e-1" in str(sent.raw_data)
