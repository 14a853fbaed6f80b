"""Our client of Vault: real answers from OpenBao, and what it makes of answers that Vault would not give."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from local.parts.openbao import OpenBao
from local.vault import grant, write_secret
from stoa.adapters.vault import Vault, read_secret
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret

TOKEN = Secret("the-token")
Ask = Callable[[str, Secret], Any]


class Odd(ThreadingHTTPServer):
    """Answers everything with `status` and `body`, and remembers who showed a token."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.body, self.location = 200, b"{}", ""
        self.tokens: list[str | None] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Odd

    def do_GET(self) -> None:
        self.server.tokens.append(self.headers["X-Vault-Token"])
        self.send_response(self.server.status)
        self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def odd() -> Iterator[Odd]:
    server = Odd()
    yield server
    server.shutdown()


def names(url: str, token: Secret) -> Any:
    return Vault(url, token).keys("secret/apim/orders")


def value(url: str, token: Secret) -> Any:
    return read_secret(url, token, "vault:secret/apim/orders#password")


@pytest.mark.parametrize("ask", [names, value])
def test_a_redirect_gets_no_token(odd: Odd, ask: Ask) -> None:
    thief = Odd()
    odd.status, odd.location = 307, f"{thief.url}/v1/secret/data/apim/orders"
    with pytest.raises(Transient):
        ask(odd.url, TOKEN)
    assert (odd.tokens, thief.tokens) == (["the-token"], [])
    thief.shutdown()


@pytest.mark.parametrize("ask", [names, value])
@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data": null}', b""])
def test_a_page_instead_of_an_answer_is_transient(odd: Odd, ask: Ask, body: bytes) -> None:
    odd.body = body
    with pytest.raises(Transient):
        ask(odd.url, TOKEN)


@pytest.mark.parametrize("ask", [names, value])
@pytest.mark.parametrize(("status", "alarm"), [(403, True), (503, False), (429, False)])
def test_a_refused_token_is_an_alarm_and_no_verdict(odd: Odd, ask: Ask, status: int, alarm: bool) -> None:
    odd.status, odd.body = status, b'{"errors": []}'
    with pytest.raises(Transient) as error:
        ask(odd.url, TOKEN)
    assert error.value.alarm == alarm


def test_a_real_server_gives_each_token_its_part(tmp_path: Path) -> None:
    server = OpenBao(tmp_path)
    server.start()
    try:
        tokens = {name: Secret(token) for name, token in grant(server.url, server.token).items()}
        write_secret(server.url, server.token, "apim/orders", {"password": "p"})
        assert names(server.url, tokens["functions"]) == {"password"}
        assert value(server.url, tokens["awx"]).value.reveal() == "p"
        with pytest.raises(Transient):
            value(server.url, tokens["functions"])
        with pytest.raises(Refused, match="SECRET_UNREADABLE"):
            read_secret(server.url, tokens["awx"], "vault:secret/apim/orders#other")
        with pytest.raises(Refused, match="SECRET_NOT_FOUND"):
            Vault(server.url, tokens["functions"]).keys("secret/apim/other")
    finally:
        server.stop()
