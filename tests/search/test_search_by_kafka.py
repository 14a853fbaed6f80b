"""The function over Kafka: killed after the index took a batch and before Kafka heard of it."""

import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest
import requests

from local.dead_letters import newest
from local.parts.ports import free_port
from local.runtime.platform import Platform
from local.topics import create_topics
from stoa.adapters.kafka import Producer
from stoa.kernel import ids
from stoa.kernel.outbox import Row
from tests.search.server import Server, asked_and_ended, audit, deployment, push

BOUND_S = 120.0


class Gate:
    """In front of the server: lets everything through, and holds back what it answers to the first bulk request."""

    def __init__(self, url: str) -> None:
        self.port = free_port()
        self.stored, self.open = Flag(), Flag()
        self.bulks: list[bytes] = []
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                kind = {"Content-Type": self.headers.get("Content-Type", "")}
                answer = requests.request(self.command, url + self.path, data=body, headers=kind, timeout=10)
                if self.path == "/_bulk":
                    gate.bulks.append(body)
                    gate.stored.set()
                    gate.open.wait(BOUND_S)
                self.send_response(answer.status_code)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_PUT = do_POST = _any  # noqa: N815

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionError:  # of the function that was killed
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def gate(server: Server) -> Iterator[Gate]:
    made = Gate(server.url)
    yield made
    made.open.set()
    made.server.shutdown()
    made.server.server_close()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + BOUND_S
    while not true():
        assert time.monotonic() < deadline, "it did not come to this"
        time.sleep(0.1)


def test_a_kill_between_the_index_and_the_commit_doubles_and_loses_nothing(
    kafka: Any, database_url: str, server: Server, gate: Gate, run_folder: Path
) -> None:
    create_topics(kafka.bootstrap)
    environment = {
        "STOA_DATABASE_URL": database_url,
        "STOA_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "STOA_OPENSEARCH_URL": f"http://127.0.0.1:{gate.port}",
    }
    events = [event for n in range(10) for event in asked_and_ended(deployment(f"api-{n}"))]
    events += [push(ids.trace_id()), audit(events[0].time)]
    wanted = sorted(event.id for event in events)
    platform = Platform(environment, run_folder / "search-by-kafka", time_scale=20)
    platform.start({"events_to_search"})
    try:
        rows = [Row(n, e.topic, e.key, e.headers(), e.value()) for n, e in enumerate(events)]
        key = f"poison-{ids.event_id()}"
        rows.insert(5, Row(99, "deploy-requests", key, {"content-type": "text/plain"}, b"\xff no event"))
        producer = Producer(kafka.bootstrap)
        producer.send(rows)
        producer.close()
        assert gate.stored.wait(BOUND_S)
        for _ in range(4):  # a runner reports the processes of a function a moment after it started them
            time.sleep(0.3)
            platform.kill_function("events_to_search")
        gate.open.set()
        until(lambda: stored(server, wanted) == wanted and dead(kafka.bootstrap, key))
    finally:
        platform.stop()
    assert stored(server, wanted) == wanted
    killed, *others = (set(body.splitlines()[::2]) for body in gate.bulks)
    assert killed <= set().union(*others), "what was stored before the kill came again"
    traces = server.documents("apim-traces-*")
    assert {d["status"] for d in traces.values() if d["api_name"].startswith("api-")} == {"success"}


def stored(server: Server, wanted: list[str]) -> list[str]:
    """Every document with one of these event ids, those of other tests' events left out."""
    body = {"size": 5000, "query": {"terms": {"event_id": wanted}}, "_source": False}
    hits = server.look.search(index="stoa-events-*,audit-*", body=body)["hits"]["hits"]
    return sorted(hit["_id"] for hit in hits)


def dead(bootstrap: str, key: str) -> bool:
    letters = [letter for letter in newest(bootstrap, 200) if letter.key == key]
    return bool(letters) and letters[0].headers["dlq_consumer"] == "events_to_search.deploy-requests"
