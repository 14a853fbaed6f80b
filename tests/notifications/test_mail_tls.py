"""Mail by SMTP is encrypted where the server offers it, and not sent without where that is required."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope, Session

from local.parts.ports import free_port
from stoa.adapters.email import Mail
from stoa.kernel.errors import Transient
from stoa.kernel.settings import SmtpTls, from_environment
from tests.certificates import Authority

Send = Callable[[SmtpTls], None]


class Taken(list[bool]):
    """Of each mail, whether it came encrypted."""

    async def handle_DATA(self, _server: Any, session: Session, _envelope: Envelope) -> str:
        self.append(session.ssl is not None)
        return "250 OK"


class Post:
    """Mail servers of one test, whose authority the system knows."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self.ours, self.taken = Authority("ours"), Taken()

    def serves(self, authority: Authority | None, name: str = "127.0.0.1") -> Send:
        """Sends by a server with such a certificate, or by one without STARTTLS."""
        context = None if authority is None else self._context(authority, name)
        server = Controller(self.taken, hostname="127.0.0.1", port=free_port(), tls_context=context)
        server.start()
        self._stack.callback(server.stop)
        return lambda tls: Mail("127.0.0.1", server.port, "stoa@example.com", tls=tls).send("a@b.c", "s", "b", "e")

    def _context(self, authority: Authority, name: str) -> ssl.SSLContext:
        issued, made = authority.issue(name), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (self._folder / "certificate.pem").write_text(issued.certificate)
        (self._folder / "key.pem").write_text(issued.key)
        made.load_cert_chain(self._folder / "certificate.pem", self._folder / "key.pem")
        return made


@pytest.fixture
def post(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    with ExitStack() as stack:
        made = Post(tmp_path, stack)
        (tmp_path / "ca.pem").write_text(made.ours.certificate)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        yield made


def test_starttls_is_taken_where_it_is_offered(post: Post) -> None:
    encrypted, plain = post.serves(post.ours), post.serves(None)
    for tls in SmtpTls:
        encrypted(tls)
    plain(SmtpTls.OFFERED)
    assert post.taken == [True, True, False]


def test_where_it_is_required_nothing_is_sent_without_it(post: Post) -> None:
    assert from_environment({}).smtp_tls is SmtpTls.REQUIRED
    with pytest.raises(Transient) as said:
        post.serves(None)(SmtpTls.REQUIRED)
    assert (said.value.detail, said.value.alarm, said.value.sent) == (
        "the server does not offer STARTTLS", True, False,
    )  # fmt: skip
    assert post.taken == []


@pytest.mark.parametrize("tls", SmtpTls)
def test_a_certificate_that_nobody_knows_or_of_another_host_is_an_alarm(post: Post, tls: SmtpTls) -> None:
    for send in (post.serves(Authority("theirs")), post.serves(post.ours, "mail.example.com")):
        with pytest.raises(Transient) as said:
            send(tls)
        assert (said.value.detail, said.value.alarm, said.value.sent) == ("SSLCertVerificationError", True, False)
    assert post.taken == []
