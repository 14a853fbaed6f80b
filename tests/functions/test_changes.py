"""GET /v1/changes, as a page follows it: the cursor of now, then each thing that changed, in its present state."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from stoa.deployments import store
from stoa.deployments.model import Deployment, Lane, Verdict
from stoa.kernel import ids
from stoa.kernel.database import Database
from stoa.kernel.settings import Secret

TENANT = "tenant-feed"


class Tenant:
    """One tenant over HTTP; `database` writes beside it."""

    def __init__(self, api: Any) -> None:
        self.api = api
        self.database = Database(Secret(api.database_url), "stoa_worker")

    def get(self, cursor: str | None = None, **parameters: object) -> dict[str, Any]:
        given = {"tenant": TENANT, **parameters, **({"cursor": cursor} if cursor else {})}
        answer = self.api.get("/v1/changes?" + "&".join(f"{name}={value}" for name, value in given.items()))
        found: dict[str, Any] = answer.json()
        return found

    def deploy(self, api: str) -> Deployment:
        made = Deployment(
            ids.deployment_id(), Lane(TENANT, api, "dev"), "deploy", 1, "requested", 1, "a" * 40, "gitlab-push",
            "gitlab:1", ids.trace_id(), datetime.now(UTC),
        )  # fmt: skip
        with self.database.transaction(TENANT) as connection:
            store.insert(connection, made)
            store.step(connection, made, "requested", "success", made.requested_at, made.requested_at)
        return made

    def end(self, deployment: Deployment) -> None:
        with self.database.transaction(TENANT) as connection:
            store.finish(connection, deployment.id, Verdict("succeeded"), datetime.now(UTC))


@pytest.fixture(scope="module")
def tenant(start_api: Callable[..., Any]) -> Tenant:
    return Tenant(start_api())


def test_a_page_sees_every_change_in_its_present_state_and_is_told_when_to_ask_again(tenant: Tenant) -> None:
    start = tenant.get()
    assert start["items"] == []
    assert 13_000 < start["poll_after_ms"] < 17_000
    one, two = tenant.deploy("one"), tenant.deploy("two")
    tenant.end(one)
    seen = tenant.get(start["cursor"])
    assert [(i["kind"], i["id"], i["data"]["state"]) for i in seen["items"]] == [
        ("deployment", two.id, "requested"), ("deployment", one.id, "succeeded"),
    ]  # fmt: skip
    assert [step["name"] for step in seen["items"][0]["data"]["steps"]] == ["requested"]
    assert 600 < seen["poll_after_ms"] < 800, "the second is under way"
    assert tenant.get(seen["cursor"])["items"] == []
    page = tenant.get(start["cursor"], limit=1)
    assert [i["id"] for i in page["items"] + tenant.get(page["cursor"])["items"]] == [two.id, one.id]
    tenant.end(two)
    assert tenant.get(seen["cursor"])["items"][0]["version"] > seen["items"][-1]["version"]


def test_what_is_there_no_more_or_of_another_kind_is_passed(tenant: Tenant) -> None:
    start = tenant.get()["cursor"]
    gone, there = tenant.deploy("gone"), tenant.deploy("there")
    tenant.api.rows("DELETE FROM deployment_steps WHERE deployment_id = %s", gone.id)
    tenant.api.rows("DELETE FROM deployments WHERE id = %s", gone.id)
    tenant.api.rows("INSERT INTO changes VALUES (%s, 'ticket', 't1', 100000)", TENANT)
    seen = tenant.get(start, limit=1)
    assert seen["items"] == []
    assert [item["id"] for item in tenant.get(seen["cursor"])["items"]] == [there.id]


def test_a_cursor_of_another_database_or_tenant_is_refused(tenant: Tenant) -> None:
    cursor = tenant.get()["cursor"]
    tenant.api.rows("UPDATE change_counters SET last = 0 WHERE tenant = %s", TENANT)
    assert tenant.get(cursor)["code"] == "BAD_CURSOR"
    assert tenant.get(cursor, tenant="tenant-other")["code"] == "BAD_CURSOR"
