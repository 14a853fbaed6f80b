"""What a developer reads over HTTP: deployments by page and by id, artefacts by hash; and every error's shape."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from stoa.deployments import store
from stoa.deployments.model import Deployment, Lane, Verdict, problem
from stoa.gitops.events import Prepared
from stoa.kernel import ids
from stoa.kernel.database import Database
from stoa.kernel.settings import Secret

DOCUMENT = b'{"openapi":"3.0.3"}'
SHA256 = hashlib.sha256(DOCUMENT).hexdigest()


@pytest.fixture(scope="module")
def seeded(start_api: Callable[..., Any]) -> tuple[Any, list[Deployment]]:
    """Twelve deployments of two tenants; the first is prepared, launched and failed."""
    api = start_api()
    database = Database(Secret(api.database_url), "stoa_worker")
    made = [deployment(f"tenant-{n % 2}", f"api-{n % 3}", n) for n in range(12)]
    for one in made:
        with database.transaction(one.lane.tenant) as connection:
            store.insert(connection, one)
    first, at = made[0], datetime.now(UTC)
    with database.transaction(first.lane.tenant) as connection:
        prepared = Prepared("1.0.0", {}, DOCUMENT, SHA256, report={"standards": {"entries": []}})
        store.put_artefact(
            connection,
            tenant=first.lane.tenant,
            sha256=SHA256,
            openapi_type="openapi",
            document=DOCUMENT,
            report=prepared.report or {},
            at=at,
        )
        store.set_prepared(connection, first.id, prepared)
        store.step(connection, first, "prepare", "success", at, at)
        store.finish(connection, first.id, Verdict("failed", None, problem("IMPORT_REFUSED", "no paths")), at)
    database.close()
    return api, made


def deployment(tenant: str, api: str, generation: int) -> Deployment:
    return Deployment(
        id=ids.deployment_id(),
        lane=Lane(tenant, api, "dev"),
        action="deploy",
        generation=generation + 1,
        state="requested",
        project_id=1,
        commit="a" * 40,
        trigger="gitlab-push",
        requested_by="gitlab:1",
        trace_id=ids.trace_id(),
        requested_at=datetime.now(UTC),
    )


def test_pages_hold_every_deployment_once_newest_first(seeded: tuple[Any, list[Deployment]]) -> None:
    api, made = seeded
    found, cursor = [], ""
    while cursor is not None:
        page = api.get(f"/v1/deployments?limit=5{'&cursor=' + cursor if cursor else ''}").json()
        assert len(page["items"]) <= 5
        found += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert found == sorted((d.id for d in made), reverse=True)


def test_filters_are_combined(seeded: tuple[Any, list[Deployment]]) -> None:
    api, made = seeded
    items = api.get("/v1/deployments?tenant=tenant-1&api=api-0&state=requested").json()["items"]
    assert {i["id"] for i in items} == {d.id for d in made if (d.lane.tenant, d.lane.api) == ("tenant-1", "api-0")}
    assert items


def test_one_deployment_has_its_steps_error_and_loss_report(seeded: tuple[Any, list[Deployment]]) -> None:
    api, made = seeded
    read = api.get(f"/v1/deployments/{made[0].id}").json()
    assert (read["state"], read["error"]["code"], read["api_version"]) == ("failed", "IMPORT_REFUSED", "1.0.0")
    assert [step["name"] for step in read["steps"]] == ["prepare"]
    assert read["loss_report"] == {"standards": {"entries": []}}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/deployments/dep-unknown", 404, "NOT_FOUND"),
        ("/v1/deployments?limit=0", 422, "INVALID_REQUEST"),
        ("/v1/deployments?tenannt=tenant-1", 422, "INVALID_REQUEST"),
        ("/v1/deployments?state=done", 422, "INVALID_REQUEST"),
        ("/v1/deployments?cursor=%20%C3%A9", 422, "BAD_CURSOR"),
        ("/v1/nothing", 404, "NOT_FOUND"),
    ],
)
def test_errors_are_problems_with_a_stable_code(
    seeded: tuple[Any, list[Deployment]], path: str, status: int, code: str
) -> None:
    answer = seeded[0].get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_nobody_reads_without_the_token(seeded: tuple[Any, list[Deployment]]) -> None:
    api, made = seeded
    for path in ("/v1/deployments", f"/v1/deployments/{made[0].id}", "/v1/pushes", "/v1/status"):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": api.token}):
            assert api.session.get(api.url + path, headers=headers, timeout=10).status_code == 401


def test_an_empty_secret_opens_nothing(start_api: Callable[..., Any]) -> None:
    bare = start_api(STOA_OIDC_ISSUER_URL="", STOA_ARTEFACT_TOKEN="", STOA_AWX_WEBHOOK_SECRET="")
    for value in ("", "Bearer ", "Bearer"):
        headers = {"Authorization": value, "X-Stoa-Token": ""}
        assert bare.session.get(f"{bare.url}/v1/deployments", headers=headers, timeout=10).status_code == 401
        assert bare.session.get(f"{bare.url}/artefacts/t/{SHA256}", headers=headers, timeout=10).status_code == 401
        hook = f"{bare.url}/webhooks/awx/job-complete"
        assert bare.session.post(hook, json={"id": 1}, headers=headers, timeout=10).status_code == 401


def test_an_artefact_is_read_by_its_tenant_and_hash_with_awxs_token_only(seeded: tuple[Any, list[Deployment]]) -> None:
    api, _ = seeded
    awx = {"Authorization": "Bearer artefact-token"}
    answer = api.session.get(f"{api.url}/artefacts/tenant-0/{SHA256}", headers=awx, timeout=10)
    assert (answer.status_code, answer.content) == (200, DOCUMENT)
    assert api.session.get(f"{api.url}/artefacts/tenant-1/{SHA256}", headers=awx, timeout=10).status_code == 404
    assert api.get(f"/artefacts/tenant-0/{SHA256}").status_code == 401


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"tenant": "tenant-9", "api": "a", "environment": "dev"}, 404, "NOT_FOUND"),
        ({"tenant": "tenant-9", "api": "a", "environment": "prod"}, 409, "APPROVAL_REQUIRED"),
        ({"tenant": "Tenant 9", "api": "a", "environment": "dev"}, 422, "INVALID_REQUEST"),
        ({"tenant": "tenant-9", "api": "a", "environment": "dev", "force": True}, 422, "INVALID_REQUEST"),
    ],
)
def test_a_start_by_hand_is_refused_with_a_reason(
    seeded: tuple[Any, list[Deployment]], asked: dict[str, Any], status: int, code: str
) -> None:
    api, _ = seeded
    headers = {"Authorization": f"Bearer {api.token}"}
    answer = api.session.post(f"{api.url}/v1/deployments", json=asked, headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_awx_is_heard_when_it_proves_itself_and_only_then(seeded: tuple[Any, list[Deployment]]) -> None:
    api, _ = seeded
    hook = f"{api.url}/webhooks/awx/job-complete"
    good = {"X-Stoa-Token": "awx-secret"}
    assert api.session.post(hook, json={"id": 7}, headers={"X-Stoa-Token": "no"}, timeout=10).status_code == 401
    assert api.session.post(hook, json={"id": 7}, headers=good, timeout=10).json() == {"status": "unknown job"}
    assert api.session.post(hook, json={"body": "Test Notification"}, headers=good, timeout=10).status_code == 200
    assert api.session.post(hook, data=b"[", headers=good, timeout=10).status_code == 422


def test_a_trace_shows_the_sync_of_its_applications(seeded: tuple[Any, list[Deployment]]) -> None:
    api, made = seeded
    trace = made[0].trace_id
    api.rows(
        "INSERT INTO rollouts (tenant, api, generation, revision, trace_id, state, started_at, finished_at, detail)"
        " VALUES ('tenant-0', 'api-0', 1, %s, %s, 'superseded', now(), now(), 'another came'),"
        " ('tenant-0', 'api-1', 1, %s, %s, 'waiting', now(), NULL, NULL),"
        " ('tenant-1', 'api-1', 1, %s, 'trc-other', 'waiting', now(), NULL, NULL)",
        *("a" * 40, trace, "a" * 40, trace, "a" * 40),
    )
    shown = api.get(f"/v1/traces/{trace}").json()
    steps = [step for step in shown["timeline"] if step["name"] == "argocd_sync"]
    assert sorted((step["status"], step["detail"], step["duration_ms"]) for step in steps) == [
        ("in_progress", "tenant-0-api-1: waiting", None),
        ("skipped", "tenant-0-api-0: another came", 0),
    ]
    assert shown["status"] == "failed", "as its deployment says"
