"""Whatever stands in a Kafka value: read, or refused with a stable code; no retry, nothing half-done."""

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stoa.bootstrap import App
from stoa.entrypoints.kafka import Consumer
from stoa.kernel.database import Database
from stoa.kernel.outbox import Row
from stoa.kernel.settings import from_environment

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = ("deployment_id", "push_id", "tenant", "api_id", "environment", "generation", "status", "action", "finished_at")
VALUES = st.dictionaries(st.sampled_from(NAMES), JSON) | JSON
HEADERS = {
    "ce_id": "e", "ce_type": "t", "ce_source": "s", "ce_time": "now", "ce_subject": "x", "ce_tenant": "tenant-acme"
}  # fmt: skip


class Fed:
    """The real flows of a function behind the real consumer; the outside is not there."""

    def __init__(self, url: str, database: Database) -> None:
        environment = {"STOA_DATABASE_URL": url, "STOA_AWX_URL": "http://127.0.0.1:1"}
        app = App(from_environment(environment), publish_wait_s=0)
        self.dead: list[Row] = []
        self.offset = 0
        gitops, deployments = app.gitops, app.deployments
        self.consumers = {
            "git-pushes": Consumer("g", database, self.send, gitops.plan_push, gitops.give_up, True, 1000),
            "deploy-requests": Consumer("d", database, self.send, deployments.launch, deployments.give_up, True, 1000),
            "api-changes": Consumer("a", database, self.send, app.authoring.write, app.authoring.give_up, True, 1000),
            "deploy-results": Consumer("r", database, self.send, app.catalog.record_result, None, True, 1000),
        }

    def send(self, rows: Sequence[Row]) -> None:
        self.dead += rows

    def feed(self, topic: str, value: bytes) -> list[dict[str, Any]]:
        self.offset += 1
        record = {
            "topic": topic,
            "partition": 0,
            "offset": self.offset,
            "key": base64.b64encode(b"k").decode(),
            "value": base64.b64encode(value).decode(),
            "headers": [{name: list(text.encode())} for name, text in HEADERS.items()],
        }
        answer = self.consumers[topic].process({"records": {f"{topic}-0": [record]}}, lambda: 60_000)
        failures: list[dict[str, Any]] = answer["batchItemFailures"]
        return failures


@pytest.fixture
def fed(database_url: str, database: Database) -> Fed:
    return Fed(database_url, database)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["git-pushes", "api-changes", "deploy-requests", "deploy-results"]), VALUES)
@example("git-pushes", {"push_id": "\0"})
@example("api-changes", {"change_id": "chg-\0"})
@example("deploy-requests", {"deployment_id": "dep-\0"})
@example("deploy-results", {name: "\0" for name in NAMES} | {"commit": "", "api_version": "", "generation": 2**70})
@example("deploy-results", dict.fromkeys((*NAMES, "commit", "api_version")))
@example("deploy-results", {**dict.fromkeys((*NAMES, "commit", "api_version"), "x"), "tenant": ["a"]})
def test_any_value_is_refused_with_a_code_and_delays_nobody(
    fed: Fed, database: Database, topic: str, value: object
) -> None:
    fed.dead.clear()
    assert fed.feed(topic, json.dumps(value).encode()) == []
    (dead,) = fed.dead
    assert dead.topic == f"{topic}.dlq"
    assert dead.headers["dlq_code"] in {
        "BAD_RECORD", "UNKNOWN_PUSH", "UNKNOWN_CHANGE",
        "BAD_REQUEST_EVENT", "UNKNOWN_DEPLOYMENT", "BAD_RESULT", "INVALID_VALUE"
    }, dead.headers  # fmt: skip
    with database.transaction(admin_read=True) as connection:
        assert connection.execute("SELECT 1 FROM deployments UNION ALL SELECT 1 FROM api_status").fetchall() == []
