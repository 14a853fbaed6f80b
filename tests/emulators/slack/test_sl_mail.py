"""The mail server: it keeps what it takes, and refuses as it is told."""

import smtplib
from typing import Any

import pytest


def test_a_mail_is_kept_with_its_envelope_headers_and_text(people: Any) -> None:
    people.mail("ada@example.com", "Subject: =?utf-8?q?caf=C3=A9?=\nX-Stoa-Event-Id: e1\n\nhello\n")
    (kept,) = people.messages("mail")
    assert (kept["from"], kept["to"], kept["subject"], kept["body"]) == (
        "stoa@example.com",
        ["ada@example.com"],
        "café",
        "hello\n",
    )
    assert ["X-Stoa-Event-Id", "e1"] in kept["headers"]


@pytest.mark.parametrize(
    ("at", "reply", "error", "code"),
    [
        ("mail", "451 4.3.0 later", smtplib.SMTPSenderRefused, 451),
        ("rcpt", "450 4.2.0 busy", smtplib.SMTPRecipientsRefused, 450),
        ("rcpt", "550 5.1.1 nobody", smtplib.SMTPRecipientsRefused, 550),
        ("data", "554 5.7.1 spam", smtplib.SMTPDataError, 554),
    ],
)
def test_it_refuses_at_the_command_it_is_told_to(people: Any, at: str, reply: str, error: Any, code: int) -> None:
    people.put("smtp", at=at, reply=reply, count=1)
    with pytest.raises(error) as refused:
        people.mail()
    said = refused.value
    assert (said.recipients["ada@example.com"][0] if at == "rcpt" else said.smtp_code) == code
    people.mail()
    assert len(people.messages("mail")) == 1


def test_it_refuses_one_address_and_no_other(people: Any) -> None:
    people.put("smtp", at="rcpt", reply="550 5.1.1 nobody", address="bob@example.com")
    people.mail("ada@example.com")
    for _ in range(2):
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            people.mail("bob@example.com")
    assert [m["to"] for m in people.messages("mail")] == [["ada@example.com"]]
