"""The real search server of the local platform, opensearch-py to look at it with, and events to put into it."""

import base64
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch as Independent

from local.commands import search_server as command
from local.parts.ports import free_port
from local.parts.process import Child
from local.stack import wait_until_it_answers
from stoa.deployments.events import finished, requested
from stoa.deployments.model import Deployment, Lane, Verdict
from stoa.gitops.events import push_accepted
from stoa.kernel import ids
from stoa.kernel.clock import iso
from stoa.kernel.envelope import Event


@dataclass
class Server:
    """`look` is a client that shares nothing with ours."""

    url: str
    child: Child
    look: Independent

    def ids(self, pattern: str) -> list[str]:
        """Of every document in the indices that match, in order."""
        self.look.indices.refresh(index=pattern, ignore_unavailable=True)  # a real one shows what is a second old
        body = {"size": 5000, "query": {"match_all": {}}, "_source": False}
        return sorted(hit["_id"] for hit in self.look.search(index=pattern, body=body)["hits"]["hits"])

    def documents(self, pattern: str) -> dict[str, dict[str, Any]]:
        self.look.indices.refresh(index=pattern, ignore_unavailable=True)
        body = {"size": 5000, "query": {"match_all": {}}}
        return {hit["_id"]: hit["_source"] for hit in self.look.search(index=pattern, body=body)["hits"]["hits"]}

    def start(self) -> None:
        self.child.start()
        wait_until_it_answers(self.url, self.child)

    def lose_everything(self) -> None:
        """Its memory is all it has."""
        self.child.stop()
        self.start()

    def empty(self) -> None:
        """The same, ten times as fast."""
        self.look.indices.delete(index="*")
        self.look.indices.delete_index_template(name="*")


@contextmanager
def search_server(log: Path) -> Iterator[Server]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = Server(url, Child("opensearch", command(port), dict(os.environ), log), Independent(url))
    server.start()
    try:
        yield server
    finally:
        server.child.stop()


NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
_OFFSETS = itertools.count()


def record(event: Event) -> dict[str, Any]:
    """The event as Lambda hands it out."""
    return {
        "topic": event.topic,
        "partition": 0,
        "offset": next(_OFFSETS),
        "timestamp": 0,
        "key": base64.b64encode(event.key.encode()).decode(),
        "value": base64.b64encode(event.value()).decode(),
        "headers": [{name: list(value.encode())} for name, value in event.headers().items()],
    }


def deployment(api: str = "orders", at: datetime = NOON, **fields: Any) -> Deployment:
    given = {
        "id": ids.deployment_id(), "lane": Lane("tenant-acme", api, "dev"), "action": "deploy", "generation": 1,
        "state": "requested", "project_id": 7, "commit": "c0ffee" + "0" * 34, "trigger": "gitlab-push",
        "requested_by": "gitlab:5", "trace_id": ids.trace_id(), "requested_at": at, **fields,
    }  # fmt: skip
    return Deployment(**given)


def asked_and_ended(d: Deployment, verdict: Verdict | None = None) -> tuple[Event, Event]:
    ended = verdict or Verdict("succeeded", {"verified": True})
    return requested(d), finished(d, ended, d.requested_at + timedelta(seconds=20))


def push(trace_id: str, after: str = "beef" * 10, at: datetime = NOON, pusher: str = "gitlab:5") -> Event:
    value = {
        "trace_id": trace_id, "push_id": f"push-{trace_id}", "project_id": 7, "ref": "refs/heads/main",
        "before": "0" * 40, "after": after, "pusher": pusher, "received_at": iso(at),
    }  # fmt: skip
    return push_accepted(value, at)  # type: ignore[arg-type]


def audit(at: datetime) -> Event:
    return Event(
        topic="audit-log", key="x", type="stoa.audit.denied", subject="a/b", tenant="tenant-acme", actor="user:1",
        trace_id=ids.trace_id(), time=at, data={"why": {"any": [1, None, {"": 2}]}},
    )  # fmt: skip
