"""A mail server that delivers nothing: it keeps what it takes, and answers as a test wants it to."""

import email
import re
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from local.emulators.people.store import Json, Store

REPLY = re.compile(r"[45]\d\d [ -~]{1,200}")
PLACES = ("mail", "rcpt", "data")


@dataclass
class Script:
    """`reply` at a command, for the next `count` times or until told otherwise; at `rcpt` for one address only, if
    `address` names one."""

    at: str = ""
    reply: str = ""
    count: int | None = None
    address: str | None = None

    def play(self, at: str, address: str | None = None) -> str | None:
        if self.at != at or self.count == 0 or (self.address is not None and self.address != address):
            return None
        if self.count is not None:
            self.count -= 1
        return self.reply


def parse(given: Json) -> Script:
    """Raises ValueError with a sentence."""
    try:
        made = Script(**given)
    except TypeError as error:
        raise ValueError(f"not a script: {error}") from error
    if given and (made.at not in PLACES or not isinstance(made.reply, str) or not REPLY.fullmatch(made.reply)):
        raise ValueError(f"at is one of {', '.join(PLACES)}, reply a 4xx or 5xx with a text")
    return made


class Mailbox:
    """The handler of aiosmtpd: its methods have the names that it calls."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.script = Script()

    async def handle_MAIL(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if refused := self.script.play("mail"):
            return refused
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if refused := self.script.play("rcpt", address):
            return refused
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        if refused := self.script.play("data"):
            return refused
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        self._store.keep("mail", {"from": envelope.mail_from, "to": envelope.rcpt_tos, **_read(content)})
        return "250 OK: kept"


def _read(content: bytes) -> dict[str, Any]:
    message = email.message_from_bytes(content, policy=default)
    body = message.get_body(("plain",)) if isinstance(message, EmailMessage) else None
    return {
        "headers": [[name, str(value)] for name, value in message.items()],
        "subject": str(message["Subject"] or ""),
        "body": body.get_content().replace("\r\n", "\n") if body else "",
    }
