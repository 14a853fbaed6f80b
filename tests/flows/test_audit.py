"""What people do by hand is on the audit log in the transaction of the change, and what is refused is not."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from stoa.adapters.awx import Awx
from stoa.deployments.events import Cause
from stoa.deployments.flows import Deployments
from stoa.deployments.flows_by_hand import ByHand
from stoa.gitops.events import Prepared
from stoa.gitops.flows_by_hand import ByHand as GitOpsByHand
from stoa.kernel import ids
from stoa.kernel.database import Database
from stoa.kernel.errors import Refused
from stoa.kernel.settings import Secret
from tests.flows.thrown_away_awx import ThrownAwayAwx

TENANT = "tenant-acme"
WANTED: Any = {"tenant": TENANT, "api": "orders", "environment": "dev", "action": "deploy"}


class Lab:
    def __init__(self, database: Database, awx_url: str) -> None:
        client = Awx(awx_url, Secret("token"), timeout_s=2)
        none = Prepared(api_version="1", launch_vars={}, document=None)
        self.database = database
        self.flows = Deployments(database, lambda _k: None, client, lambda _d: none, "http://127.0.0.1:1", 0.0, 60.0)
        self.by_hand = ByHand(database, lambda _keys: None, client)
        self.gitops = GitOpsByHand(database, lambda _keys: None, self.flows.request)
        with database.transaction() as connection:
            connection.execute("INSERT INTO project_tenants (project_id, tenant) VALUES (1, %s)", (TENANT,))
            connection.execute(
                "INSERT INTO project_heads (project_id, ref, head, moved_at) VALUES (1, 'refs/heads/main', %s, now())",
                ("c" * 40,),
            )

    def ask(self) -> str:
        cause = Cause(project_id=1, commit="c" * 40, trigger="gitlab-push", actor="gitlab:1", trace_id=ids.trace_id())
        with self.database.transaction() as connection:
            (made,), _ = self.flows.request(connection, cause, [WANTED])
        return made

    def audit(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Value and headers, in order."""
        with self.database.transaction() as connection:
            rows = connection.execute("SELECT key, headers, value FROM outbox WHERE topic = 'audit-log' ORDER BY seq")
            return [(json.loads(bytes(row["value"])), {**row["headers"], "key": row["key"]}) for row in rows]


@pytest.fixture
def lab(database: Database) -> Iterator[Lab]:
    awx = ThrownAwayAwx()
    yield Lab(database, awx.url)
    awx.shutdown()


def test_each_act_is_written_once_with_who_from_where_and_on_what(lab: Lab) -> None:
    started = [lab.gitops.start(WANTED, "sub-1", "key-1", "192.0.2.1") for _ in range(2)]
    lab.by_hand.cancel(started[0], "sub-2", "192.0.2.2")
    retried = [lab.by_hand.retry(started[0], "sub-3", "key-2") for _ in range(2)]
    said = [value for value, _ in lab.audit()]
    assert [(one["action"], one["actor"], one["ip"], one["resource"]) for one in said] == [
        ("DEPLOYMENT_STARTED", "sub-1", "192.0.2.1", f"deployments/{started[0]}"),
        ("DEPLOYMENT_CANCELLED", "sub-2", "192.0.2.2", f"deployments/{started[0]}"),
        ("DEPLOYMENT_RETRIED", "sub-3", "", f"deployments/{retried[0]}"),
    ]
    assert {(one["tenant"], one["outcome"], one["git_commit"]) for one in said} == {(TENANT, "done", "c" * 40)}
    assert [one["before"] for one in said[1:]] == [
        {"state": "requested"},
        {"deployment_id": started[0], "state": "cancelled"},
    ]
    for value, headers in lab.audit():
        assert (headers["key"], headers["ce_partitionkey"]) == (value["event_id"], TENANT)
        assert (headers["ce_id"], headers["ce_type"]) == (value["event_id"], "stoa.audit.acted")


def test_what_is_refused_or_rolled_back_leaves_no_trace_of_a_change(lab: Lab, monkeypatch: Any) -> None:
    asked = lab.ask()
    for act in (
        lambda: lab.by_hand.retry(asked, "sub-1", None),
        lambda: lab.by_hand.roll_back(asked, "sub-1", None, ids.trace_id()),
        lambda: lab.gitops.start({**WANTED, "environment": "prod"}, "sub-1", None),
    ):
        with pytest.raises(Refused):
            act()
    lab.by_hand.cancel(asked, "sub-1")
    with pytest.raises(Refused, match="ALREADY_FINISHED"):
        lab.by_hand.cancel(asked, "sub-1")
    monkeypatch.setattr("stoa.kernel.idempotency.remember", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        lab.by_hand.retry(asked, "sub-1", "key")
    assert [value["action"] for value, _ in lab.audit()] == ["DEPLOYMENT_CANCELLED"]
