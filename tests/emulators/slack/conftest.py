"""The emulator as a program, and the calls that every story begins with."""

import itertools
import os
import smtplib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.parts.ports import free_port
from local.parts.process import Child
from local.stack import wait_until_it_answers

NUMBERS = itertools.count(1)


class People:
    def __init__(self, folder: Path) -> None:
        self.port, self.smtp_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        where = ["--port", str(self.port), "--smtp-port", str(self.smtp_port), "--state", str(folder / "state")]
        command = [sys.executable, "-m", "local.emulators.people", *where]
        self.child = Child("people", command, os.environ, folder / "people.log")
        self.client = httpx.Client(base_url=self.url, timeout=10)
        self.start()

    def start(self) -> None:
        self.child.start()
        wait_until_it_answers(self.url, self.child)

    def stop(self) -> None:
        self.client.close()
        self.child.stop()

    def webhook(self, name: str | None = None, answer: str | None = None) -> str:
        made = self.client.put(f"/_emulator/webhooks/{name or next(NUMBERS)}", json={"answer": answer})
        assert made.status_code == 200, made.text
        return str(made.json()["url"])

    def post(self, url: str, payload: Any = None, **options: Any) -> tuple[int, str]:
        given = options or {"json": {"text": "hello"} if payload is None else payload}
        answer = self.client.post(url, **given)
        return answer.status_code, answer.text

    def put(self, control: str, **body: Any) -> None:
        answer = self.client.put(f"/_emulator/{control}", json=body)
        assert answer.status_code == 200, answer.text

    def messages(self, kind: str) -> list[dict[str, Any]]:
        return list(self.client.get("/_emulator/messages", params={"kind": kind}).json()["messages"])

    def mail(self, to: str = "ada@example.com", text: str = "Subject: hi\n\nhello\n") -> None:
        with smtplib.SMTP("127.0.0.1", self.smtp_port, local_hostname="test", timeout=5) as smtp:
            smtp.sendmail("stoa@example.com", [to], text)

    def until(self, kind: str, count: int) -> list[dict[str, Any]]:
        deadline = time.monotonic() + 60
        while len(found := self.messages(kind)) < count:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return found


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    made = People(tmp_path_factory.mktemp("people"))
    yield made
    made.stop()


@pytest.fixture
def people(server: People) -> Iterator[People]:
    """With nothing in it, and nothing changed afterwards."""
    server.client.delete("/_emulator/messages")
    yield server
    server.put("variants", rate_limit=False, retry_after_s=1, answer_after_s=0)
    server.put("smtp")
    server.put("faults", mode="ok")
