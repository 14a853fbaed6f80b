"""E-mail: by SMTP, or by Amazon SES (API version 2) where no SMTP host is set.

Mail servers and readers may drop a second message with the same Message-ID, so it is made of the event id; SES writes
its own, which leaves ours in X-Stoa-Event-Id. Source: https://docs.aws.amazon.com/ses, "SendEmail", raw content.
"""

import re
import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import cached_property
from typing import Any

from stoa.adapters.deadline import Deadline
from stoa.kernel import clock
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import SmtpTls

EVENT_HEADER = "X-Stoa-Event-Id"
# there is no such mailbox, or none for us: RFC 5321 section 4.2.3, the 5yz replies to RCPT
NO_MAILBOX = frozenset({550, 551, 553})
SES_REFUSALS = frozenset({"MessageRejected", "BadRequestException"})
SES_ALARMS = frozenset({"AccountSuspendedException", "MailFromDomainNotVerifiedException", "SendingPausedException"})
BREAKS = re.compile(r"\s+")
# RFC 3463; of a reply no more is told, because its text may name the mailbox
ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")


class Smtp(smtplib.SMTP):
    """Not connected yet. The name to look for in the server's certificate is otherwise known to a constructor that
    connects, which nothing could cut off."""

    def __init__(self, host: str, *, local_hostname: str, timeout: float) -> None:
        super().__init__(local_hostname=local_hostname, timeout=timeout)
        self._host = host


class Mail:
    """`sender` is the address in From. One recipient per message: nobody sees who else got it. By SMTP a mail is sent
    within `deadline_s`, or not at all. The server's certificate is always checked, by the system's authorities or those
    of SSL_CERT_FILE."""

    def __init__(
        self,
        host: str,
        port: int,
        sender: str,
        *,
        tls: SmtpTls = SmtpTls.REQUIRED,
        timeout_s: float = 5.0,
        deadline_s: float = 20.0,
    ) -> None:
        self._host = host
        self._port = port
        self._sender = sender
        self._tls = tls
        self._timeout_s = timeout_s
        self._deadline_s = deadline_s

    def send(self, to: str, subject: str, body: str, event_id: str) -> None:
        """Sends once. Raises Transient, and Refused: with status 410 when there is no such mailbox."""
        if not self._sender:
            raise Transient("mail", "STOA_MAIL_FROM is not set", alarm=True, sent=False)
        message = self._message(to, subject, body, event_id)
        if self._host:
            self._by_smtp(message, to)
        else:
            self._by_ses(message, to)

    def _message(self, to: str, subject: str, body: str, event_id: str) -> EmailMessage:
        made = EmailMessage(policy=SMTP)
        try:
            made["From"] = self._sender
            made["To"] = to
            made["Subject"] = BREAKS.sub(" ", subject).strip()
            made["Date"] = format_datetime(clock.now())
            made["Message-ID"] = f"<{event_id}@{self._domain}>"
            made[EVENT_HEADER] = event_id
            made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday replies to us
            made.set_content(body)
        except ValueError as error:  # a line break in a header
            raise Refused("MAIL_UNWRITABLE", "the message has a header that cannot be written") from error
        return made

    def _by_smtp(self, message: EmailMessage, to: str) -> None:
        deadline = Deadline(self._deadline_s)
        # a name of our own, because smtplib would ask the resolver for one
        smtp = Smtp(self._host, local_hostname=self._domain, timeout=self._timeout_s)
        with deadline.cuts(lambda: smtp.sock):
            try:
                smtp.connect(self._host, self._port)
                self._encrypt(smtp)
            except smtplib.SMTPNotSupportedError as error:
                smtp.close()
                raise Transient("mail", "the server does not offer STARTTLS", alarm=True, sent=False) from error
            except (OSError, smtplib.SMTPException) as error:
                smtp.close()
                wrong = isinstance(error, ssl.SSLError | smtplib.SMTPHeloError)
                raise Transient("mail", type(error).__name__, alarm=wrong, sent=False) from error
            self._send_mail(smtp, message, to, deadline)

    def _encrypt(self, smtp: smtplib.SMTP) -> None:
        """Raises SMTPNotSupportedError where the server does not offer what is required."""
        smtp.ehlo_or_helo_if_needed()
        if self._tls is SmtpTls.REQUIRED or smtp.has_extn("starttls"):
            smtp.starttls(context=ssl.create_default_context())

    def _send_mail(self, smtp: smtplib.SMTP, message: EmailMessage, to: str, deadline: Deadline) -> None:
        try:
            if deadline.over:
                raise Transient("mail", "no connection in time", sent=False)
            smtp.send_message(message, self._sender, [to])
        except smtplib.SMTPRecipientsRefused as error:
            raise _answered(*error.recipients[to], gone=NO_MAILBOX) from error
        except (smtplib.SMTPSenderRefused, smtplib.SMTPHeloError) as error:  # we, and for every channel
            raise Transient("mail", f"the sender was answered {error.smtp_code}", alarm=True) from error
        except smtplib.SMTPResponseException as error:
            raise _answered(error.smtp_code, error.smtp_error) from error
        except (OSError, smtplib.SMTPException) as error:
            raise Transient("mail", type(error).__name__) from error
        finally:
            with suppress(OSError, smtplib.SMTPException):  # it was accepted or not: the goodbye changes nothing
                smtp.quit()
            smtp.close()

    def _by_ses(self, message: EmailMessage, to: str) -> None:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  see _ses

        try:
            self._ses.send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [to]},
                Content={"Raw": {"Data": message.as_bytes()}},
            )
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            if code in SES_REFUSALS:
                raise Refused("MAIL_REFUSED", f"SES answered {code}") from error
            raise Transient("ses", code, alarm=code in SES_ALARMS) from error
        except BotoCoreError as error:
            raise Transient("ses", type(error).__name__) from error

    @cached_property
    def _ses(self) -> Any:
        import boto3  # noqa: PLC0415  400 ms that only who sends by SES pays
        from botocore.config import Config  # noqa: PLC0415

        # one attempt: a second one after a lost answer would be a second mail, and nobody would have counted it
        config = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1})
        return boto3.client("sesv2", config=config)

    @property
    def _domain(self) -> str:
        return self._sender.rpartition("@")[2]


def _answered(code: int, text: bytes | str, gone: frozenset[int] = frozenset()) -> Refused | Transient:
    """What a reply means that is no success: a 4yz may pass, a 5yz stays; one with 5.7.z is a rule of the server (it
    does not relay for us), which says nothing of the mailbox."""
    found = ENHANCED.match(text.decode("ascii", "replace") if isinstance(text, bytes) else text)
    enhanced = found[0] if found else ""
    detail = f"the mail server answered {code} {enhanced}".rstrip()
    if code < 500:
        return Transient("mail", detail)
    closes = code in gone and not enhanced.startswith("5.7.")
    return Refused("MAIL_REFUSED", detail, status=410 if closes else 422)
