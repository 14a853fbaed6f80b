"""A tenant's channels over HTTP: made, read, replaced, removed; and what none may be."""

import json
from typing import Any

import pytest

TEAM = "/v1/tenants/tenant-a/channels/team"
SLACK = {"kind": "slack", "target": "vault:channels/tenant-a/team#url", "messages": ["deploy_failed"], "enabled": True}
MAIL = {"kind": "email", "target": "team@example.com"}


@pytest.fixture(scope="module")
def tenants(api: Any) -> Any:
    for number, tenant in enumerate(("tenant-a", "tenant-b"), 1):
        api.rows("INSERT INTO project_tenants (project_id, tenant) VALUES (%s, %s)", number, tenant)
    return api


def put(api: Any, path: str, body: Any) -> Any:
    return api.ask("PUT", path, data=json.dumps(body).encode(), **{"Content-Type": "application/json"})


def test_a_channel_is_made_read_replaced_listed_and_removed(tenants: Any) -> None:
    made = put(tenants, TEAM, SLACK)
    assert made.status_code == 200
    assert {k: made.json()[k] for k in SLACK} == SLACK
    assert put(tenants, TEAM.replace("team", "all"), MAIL).json()["messages"] == ["deploy_success", "deploy_failed"]
    assert put(tenants, TEAM, {**SLACK, "enabled": False}).json()["enabled"] is False
    assert tenants.get(TEAM).json()["enabled"] is False
    listed = tenants.get("/v1/tenants/tenant-a/channels").json()["items"]
    assert [c["name"] for c in listed] == ["all", "team"]
    for path in (TEAM, TEAM.replace("team", "all")):
        assert tenants.ask("DELETE", path).status_code == 204
        assert tenants.ask("DELETE", path).json()["code"] == "NOT_FOUND"
    assert tenants.get("/v1/tenants/tenant-a/channels").json() == {"items": []}


def test_what_a_person_does_to_a_channel_is_on_the_audit_log_without_its_target(tenants: Any) -> None:
    path = "/v1/tenants/tenant-a/channels/heard"
    address = {**MAIL, "target": "someone@example.com"}
    for wanted in (MAIL, {**address, "enabled": False}):
        assert put(tenants, path, wanted).status_code == 200
    assert put(tenants, path, {**SLACK, "target": "https://hooks.slack.example/T/B/secret"}).status_code == 422
    assert [tenants.ask("DELETE", path).status_code for _ in range(2)] == [204, 404]
    rows = tenants.rows("SELECT value FROM outbox WHERE topic = 'audit-log' ORDER BY seq")
    said = [one for row in rows if (one := json.loads(bytes(row["value"])))["resource"] == "channels/tenant-a/heard"]
    assert [(one["action"], one["actor"], one["tenant"], one["ip"]) for one in said] == [
        (f"CHANNEL_{verb}", "admin-of-tests", "tenant-a", "127.0.0.1") for verb in ("CREATED", "REPLACED", "REMOVED")
    ]
    on = {"kind": "email", "messages": ["deploy_success", "deploy_failed"], "enabled": True}
    off = {**on, "enabled": False}
    assert [one["before"] for one in said] == [None, on, off]
    assert [one["after"] for one in said] == [{**on, "target_changed": True}, {**off, "target_changed": True}, None]
    assert all(one["trace_id"].startswith("trc-") for one in said)
    assert "example.com" not in json.dumps(said)


def test_a_channel_that_was_disabled_is_as_good_as_new_after_a_put(tenants: Any) -> None:
    put(tenants, TEAM, SLACK)
    tenants.rows(
        "UPDATE notification_channels SET enabled = false, disabled_reason = 'no_service', rests_until = now()"
    )
    assert tenants.get(TEAM).json()["disabled_reason"] == "no_service"
    again = put(tenants, TEAM, SLACK).json()
    assert (again["enabled"], again["disabled_reason"], again["rests_until"]) == (True, None, None)


def test_one_tenant_does_not_see_the_channels_of_another(tenants: Any) -> None:
    put(tenants, TEAM, SLACK)
    assert tenants.get("/v1/tenants/tenant-b/channels").json() == {"items": []}
    assert tenants.get(TEAM.replace("tenant-a", "tenant-b")).status_code == 404
    assert tenants.ask("DELETE", TEAM.replace("tenant-a", "tenant-b")).status_code == 404
    assert tenants.get(TEAM).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_tenant_that_nobody_registered_and_a_channel_that_is_not_there_are_a_404(tenants: Any, method: str) -> None:
    body = json.dumps(MAIL).encode() if method == "PUT" else None
    headers = {"Content-Type": "application/json"} if body else {}
    answer = tenants.ask(method, "/v1/tenants/nobody/channels/team", data=body, **headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    assert answer.headers["content-type"] == "application/problem+json"
    if method == "GET":
        assert tenants.get("/v1/tenants/nobody/channels").status_code == 404
        assert tenants.get("/v1/tenants/tenant-a/channels/none").status_code == 404


def test_nobody_comes_near_without_the_token(tenants: Any) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = tenants.ask(method, TEAM, Authorization="Bearer wrong")
        assert (answer.status_code, "Bearer" in answer.json()["hint"]) == (401, True)


@pytest.mark.parametrize("body", [b'{"kind": "\xff"}', b"[" * 100_000, b"{", b"[]", b'"x"', b""])
def test_a_body_that_cannot_be_read_is_refused_with_its_code_its_field_and_what_to_do(
    tenants: Any, body: bytes
) -> None:
    answer = tenants.ask("PUT", TEAM, data=body, **{"Content-Type": "application/json"})
    said = answer.json()
    assert (answer.status_code, said["code"]) in ((400, "BAD_REQUEST"), (422, "INVALID_REQUEST"))
    assert said["field"].startswith("body")
    assert said["hint"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"target": "https://hooks.slack.com/services/T0/B0/do-not-say-this"}, "BAD_TARGET"),
        ({"target": "vault:channels/tenant-b/team#url"}, "BAD_TARGET"),
        ({"target": "vault:channels/tenant-a/../tenant-b/team#url"}, "BAD_TARGET"),
        ({"target": "vault:secret/apim/tenant-a/dev/orders#password"}, "BAD_TARGET"),
        ({"target": "vault:channels/tenant-a/team#url\n"}, "BAD_TARGET"),
        ({"target": "team@example.com"}, "BAD_TARGET"),
        ({"kind": "email"}, "BAD_TARGET"),
        ({"kind": "email", "target": "a@example.com, b@example.com"}, "BAD_TARGET"),
        ({"kind": "email", "target": "a@example.com\r\nBcc: b@example.com"}, "BAD_TARGET"),
        ({"kind": "pager"}, "INVALID_REQUEST"),
        ({"messages": []}, "INVALID_REQUEST"),
        ({"messages": ["everything"]}, "INVALID_REQUEST"),
        ({"enabled": "yes"}, "INVALID_REQUEST"),
        ({"url": "x"}, "INVALID_REQUEST"),
        ({"target": "x" * 400}, "INVALID_REQUEST"),
    ],
)
def test_a_target_is_one_that_may_be_kept_and_a_body_has_nothing_else(tenants: Any, change: Any, code: str) -> None:
    answer = put(tenants, TEAM, {**SLACK, **change})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["field"]
    assert answer.json()["hint"]
    assert "do-not-say-this" not in answer.text + json.dumps(tenants.log())


def test_a_tenant_has_so_many_channels_and_no_more(tenants: Any) -> None:
    for number in range(50):
        assert put(tenants, f"/v1/tenants/tenant-b/channels/c-{number}", MAIL).status_code == 200
    answer = put(tenants, "/v1/tenants/tenant-b/channels/c-50", MAIL)
    assert (answer.status_code, answer.json()["code"]) == (409, "TOO_MANY_CHANNELS")
    assert put(tenants, "/v1/tenants/tenant-b/channels/c-0", MAIL).status_code == 200
