"""The two clients: what their providers answer, what they never say, and Amazon SES."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
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
AWAY = "http://127.0.0.1:1"  # nobody listens there
OF_SLACK = "https://hooks.slack.com"


class Odd:
    """A server that says what it is told; `says` is `<status line and headers>`, then `drips` bytes one by one."""

    def __init__(self) -> None:
        self.says, self.drips, self.posts = b"", 0, 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                self._answer(self._listening.accept()[0])

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the client went away
            asked = b""
            while self.says.startswith(b"HTTP") and not asked.endswith(b"}"):
                asked += connection.recv(65_536)
            self.posts += asked.startswith(b"POST")
            connection.sendall(self.says)
            for _ in range(self.drips):
                connection.sendall(b"2")
                time.sleep(0.05)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@pytest.fixture
def odd() -> Iterator[Odd]:
    made = Odd()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("where", "url", "error"),
    [
        (AWAY, f"{AWAY}/services/{SECRET}", Transient),
        ("https://hooks..slack.com", f"https://hooks..slack.com/{SECRET}", Transient),
        ("", f"/services/{SECRET}", Transient),
        (OF_SLACK, f"http://hooks.slack.com/services/{SECRET}", Refused),
        (OF_SLACK, f"https://hooks.slack.com@127.0.0.1/services/{SECRET}", Refused),
        (OF_SLACK, f"https://hooks.slack.com.example.com/services/{SECRET}", Refused),
        (OF_SLACK, f"https://hooks.slack.com/services/{SECRET}\n", Refused),
        (OF_SLACK, f"https://hooks..slack.com/services/{SECRET}", Refused),
        (OF_SLACK, f"https://169.254.169.254/{SECRET}", Refused),
        (OF_SLACK, f"{'x' * 64}/{SECRET}", Refused),
        (OF_SLACK, "", Refused),
    ],
)
def test_a_webhook_is_where_those_of_slack_are_and_no_error_says_the_address(where: str, url: str, error: Any) -> None:
    with pytest.raises(error) as said:
        Slack(where).post(Secret(url), {"text": "x"})
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
        Slack(world.url).post(Secret(url), {"text": "x"})
    assert url.rpartition("/")[2] not in caplog.text


def test_a_redirect_a_page_of_a_proxy_or_no_answer_is_an_outage(world: Any) -> None:
    url = Secret(world.put("webhooks/outage")["url"])
    for fault in ({"mode": "down"}, {"mode": "fail", "status": 302}, {"mode": "drop"}, {"mode": "fail", "status": 408}):
        world.put("faults", **fault, path="/services/", count=1)
        with pytest.raises(Transient):
            Slack(world.url).post(url, {"text": "x"})


@pytest.mark.parametrize(
    ("says", "rest_s"),
    [
        ("429 Too Many Requests\r\nRetry-After: 30", 30.0),
        ("429 Too Many Requests", 1.0),
        ("503 Service Unavailable\r\nRetry-After: 120", 120.0),
        ("503 Service Unavailable", None),
        ("425 Too Early", None),
        ("200 OK\r\nContent-Length: 90", None),
    ],
)
def test_what_may_pass_is_tried_again_when_slack_asks_for_it(odd: Odd, says: str, rest_s: float | None) -> None:
    odd.says = f"HTTP/1.1 {says}\r\n\r\n".encode()
    with pytest.raises(Transient) as said:
        Slack(odd.url).post(Secret(f"{odd.url}/x"), {"text": "x"})
    assert said.value.retry_after_s == rest_s


def test_a_success_that_is_not_of_slack_is_refused_and_not_posted_again_and_again(odd: Odd) -> None:
    odd.says = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"token": "do-not-say-this"}'
    with pytest.raises(Refused, match="200, and application/json instead of ok") as said:
        Slack(odd.url).post(Secret(f"{odd.url}/x"), {"text": "x"})
    assert "do-not-say-this" not in str(said.value)


@pytest.mark.parametrize("says", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: "])
def test_an_answer_that_drips_in_does_not_outlast_the_deadline_of_the_call(odd: Odd, says: bytes) -> None:
    odd.says, odd.drips = says, 1200
    begun = time.monotonic()
    with pytest.raises(Transient):
        Slack(odd.url, deadline_s=0.3).post(Secret(f"{odd.url}/x"), {"text": "x"})
    assert (time.monotonic() - begun < 30, odd.posts) == (True, 1)


def test_neither_does_the_greeting_of_a_mail_server(odd: Odd) -> None:
    odd.says, odd.drips = b"220-", 1200
    begun = time.monotonic()
    with pytest.raises(Transient) as said:
        Mail("127.0.0.1", odd.port, "stoa@example.com", deadline_s=0.3).send("ada@example.com", "s", "b", "e")
    assert (time.monotonic() - begun < 30, said.value.sent) == (True, False)


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
