"""Our client of Vault: what it makes of answers that no real server gives to order."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

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
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Odd

    def do_POST(self) -> None:
        """A token that nobody can renew."""
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.server.tokens.append(self.headers["X-Vault-Token"])
        self.send_response(self.server.status)
        self.send_header("Location", self.server.location)
        self.send_header("Retry-After", "7")
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
@pytest.mark.parametrize(("status", "alarm", "again_s"), [(403, True, None), (503, False, 7), (429, False, 7)])
def test_a_refused_token_is_an_alarm_and_no_verdict(
    odd: Odd, ask: Ask, status: int, alarm: bool, again_s: float | None
) -> None:
    odd.status, odd.body = status, b'{"errors": []}'
    with pytest.raises(Transient) as error:
        ask(odd.url, TOKEN)
    assert (error.value.alarm, error.value.retry_after_s) == (alarm, again_s)


def held(lease_s: object) -> bytes:
    said = {"lease_duration": lease_s, "data": {"data": {"password": "p"}, "metadata": {"version": 1}}}
    return json.dumps(said).encode()


@pytest.mark.parametrize(("lease_s", "fresh_s", "asked"), [(0, 60, 1), (1, 60, 2), (60, 0.01, 2), ("long", 60, 1)])
def test_a_value_is_kept_for_its_lease_and_no_longer_than_we_say(
    odd: Odd, monkeypatch: pytest.MonkeyPatch, lease_s: object, fresh_s: float, asked: int
) -> None:
    odd.body = held(lease_s)
    vault = Vault(odd.url, TOKEN, fresh_s=fresh_s)
    assert vault.read("vault:secret/apim/orders#password").value.reveal() == "p"
    later = time.monotonic() + 2
    monkeypatch.setattr("stoa.adapters.vault.time.monotonic", lambda: later)
    vault.read("vault:secret/apim/orders#password")
    assert len(odd.tokens) == asked


def test_what_is_not_there_is_asked_for_again(odd: Odd) -> None:
    odd.status = 404
    vault = Vault(odd.url, TOKEN)
    for _ in range(2):
        with pytest.raises(Refused, match="SECRET_UNREADABLE"):
            vault.read("vault:secret/apim/orders#password")
    odd.status, odd.body = 200, held(0)
    assert vault.read("vault:secret/apim/orders#password").version == 1
