"""Containers of the api function as local/runtime has them, without a front."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.runtime import http_event
from local.runtime.worker import FunctionSpec, Worker


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str

    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json", self
        said: dict[str, Any] = json.loads(self.body)
        assert said["status"] == self.status
        return said


class Container:
    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def ask(
        self,
        method: str,
        path: str,
        token: str = "",
        *,
        address: str = "192.0.2.1",
        body: bytes = b"",
        query: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = {"host": "api", **({"authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        request = http_event.Request(method, path, query, tuple(sent.items()), body, address, datetime.now(UTC))
        answer = http_event.response(self.worker.invoke(http_event.event(request)))
        return Answer(answer.status, dict(answer.headers), answer.body.decode())


def container(environment: Mapping[str, str], log: Path) -> Container:
    worker = Worker(FunctionSpec("api", "functions.api.handler:handler", 29, 1024, environment, log))
    worker.start()
    return Container(worker)


def again(ask: Callable[[], int]) -> bool:
    """Whether it is let through once more, soon."""
    until = time.monotonic() + 60
    while (status := ask()) == 429 and time.monotonic() < until:
        time.sleep(0.1)
    return status == 200
