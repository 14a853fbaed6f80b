"""What our client of the gateway makes of a deletion that is answered with 200 or 500, and how it finds an alias."""

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from stoa.adapters.webmethods.gateway import Gateway
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret

USER, PASSWORD = "admin", "gateway-pass"  # of conftest.py
REFUSED = {"apiId": "1", "responseStatus": "ERROR", "errorReason": "API orders is active, hence cannot be deleted"}
DONE = {"apiId": "1", "responseStatus": "SUCCESS"}


class Answers(ThreadingHTTPServer):
    """Says `status` and `body` to every deletion."""

    daemon_threads = True
    body = b""
    status = 200


class Handler(BaseHTTPRequestHandler):
    server: Answers

    def do_DELETE(self) -> None:
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def answers() -> Iterator[Answers]:
    server = Answers(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()


def client(answers: Answers) -> Gateway:
    return Gateway(f"http://127.0.0.1:{answers.server_address[1]}", "u", Secret("p"))


@pytest.mark.parametrize("body", [{"apiResponse": [DONE, REFUSED]}, {"apiResponse": REFUSED}])
def test_an_error_item_in_a_200_is_a_refusal(answers: Answers, body: object) -> None:
    answers.body = json.dumps(body).encode()
    with pytest.raises(Refused, match="hence cannot be deleted"):
        client(answers).delete_api("1")


def test_a_page_in_a_200_is_no_success(answers: Answers) -> None:
    answers.body = b"<html>"
    with pytest.raises(Transient):
        client(answers).delete_alias("1")


@pytest.mark.parametrize("body", [b"", b"{}", json.dumps({"apiResponse": [DONE]}).encode()])
def test_success_in_a_200_is_success(answers: Answers, body: bytes) -> None:
    answers.body = body
    client(answers).delete_policy_action("1")


def simple(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "type": "simple", "value": value}


def test_an_alias_is_found_by_exactly_its_name_whoever_made_it(lab: Any) -> None:
    mine, other = (Gateway(lab.gateway, USER, Secret(PASSWORD)) for _ in range(2))
    name = f"tenant-acme.{uuid.uuid4().hex}"
    assert mine.alias(name) is None
    mine.add_alias(simple(f"{name}-backend", "another"))
    assert other.alias(name.replace(".", "-")) is None
    other.add_alias(simple(name, "one"))
    found = mine.alias(name)
    assert found is not None
    other.put_alias({**found, "value": "two"})
    assert [client.alias(name)["value"] for client in (mine, other)] == ["two", "two"]  # type: ignore[index]
    other.delete_alias(found["id"])
    assert [client.alias(name) for client in (mine, other)] == [None, None]


def test_an_alias_that_the_search_did_not_show_is_changed_and_keeps_its_id(lab: Any) -> None:
    """One that is deleted and made anew breaks what is bound to it."""
    mine, other = (Gateway(lab.gateway, USER, Secret(PASSWORD)) for _ in range(2))
    name = f"tenant-acme.{uuid.uuid4().hex}"
    other.add_alias(simple(name, "one"))
    known = other.alias(name)
    mine.add_alias(simple(name, "two"))
    assert mine.alias(name) == {**known, "value": "two"}  # type: ignore[dict-item]
    with pytest.raises(Refused, match="not supported"):
        mine.add_alias({"name": f"{name}-x", "type": "nonsense"})


def test_nothing_of_the_environment_gets_between_us_and_the_gateway(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    assert Gateway(lab.gateway, USER, Secret(PASSWORD)).alias("nobody's") is None


def test_a_500_with_a_page_is_a_gateway_that_is_away_and_one_with_a_reason_is_a_refusal(answers: Answers) -> None:
    answers.status, answers.body = 500, b"<html>"
    with pytest.raises(Transient):
        client(answers).delete_alias("1")
    answers.body = json.dumps({"errorDetails": " Policy [X] is in active state, hence cannot be deleted."}).encode()
    with pytest.raises(Refused, match="active state"):
        client(answers).delete_alias("1")
