"""Writing to the catalogue over HTTP: 202 and where to follow it, or what to do first."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from local.issuer import Issuer
from tests.authoring.desk import wanted

TENANT, PATH = "tenant-w", "/v1/apis/tenant-w/orders"


@pytest.fixture(scope="module")
def writing(api: Any) -> Any:
    """The API orders in generation 4, a draft."""
    api.rows("INSERT INTO project_tenants (project_id, tenant) VALUES (7, %s)", TENANT)
    listed(api, "orders")
    return api


def ask(api: Any, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str | None, Any]:
    """Status, code, the answer."""
    data = None if body is None else json.dumps(body).encode()
    answer = api.ask(method, path, data=data, **{"Content-Type": "application/json", **headers})
    return answer.status_code, answer.json().get("code"), answer


def test_a_change_is_made_to_the_state_that_its_asker_has_seen(writing: Any) -> None:
    read = writing.get(PATH)
    assert (read.headers["ETag"], read.json()["lifecycle"]["state"]) == ('"4"', "draft")
    assert {name: read.json()[f"can_{name}"] for name in ("update", "delete", "publish", "deprecate")} == {
        "update": True, "delete": True, "publish": True, "deprecate": False,
    }  # fmt: skip
    assert ask(writing, "PUT", PATH, wanted())[:2] == (428, "PRECONDITION_REQUIRED")
    for stale in ('"3"', 'W/"4"', "4", '"3", "5"', "x"):
        assert ask(writing, "DELETE", PATH, **{"If-Match": stale})[:2] == (412, "PRECONDITION_FAILED")
    assert ask(writing, "POST", f"{PATH}/deprecate", {"sunset": "2020-01-01T00:00:00Z"}, **{"If-Match": "*"})[:2] == (
        422, "SUNSET_INVALID",
    )  # fmt: skip
    later = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    assert ask(writing, "POST", f"{PATH}/deprecate", {"sunset": later}, **{"If-Match": "*"})[:2] == (409, "WRONG_STATE")
    seen = {"If-Match": '"3", "4"', "Idempotency-Key": "key-1"}
    status, _, answer = ask(writing, "PUT", PATH, wanted("2.0.0"), **seen)
    assert (status, answer.json()["state"], answer.json()["action"]) == (202, "requested", "replace")
    followed = writing.get(answer.headers["Location"]).json()
    assert followed == answer.json()
    assert ask(writing, "PUT", PATH, wanted("2.0.0"), **seen)[2].json() == followed
    assert ask(writing, "PUT", PATH, wanted("2.0.1"), **seen)[:2] == (422, "IDEMPOTENCY_KEY_REUSED")
    assert ask(writing, "DELETE", PATH, **{"If-Match": '"4"'})[:2] == (409, "CHANGE_UNDER_WAY")
    read = writing.get(PATH).json()
    assert (read["change"], read["can_delete"], "not finished" in read["blocked"]["delete"]) == (
        followed["id"], False, True,
    )  # fmt: skip
    assert writing.get(f"/v1/apis/{TENANT}/pets/changes/{followed['id']}").status_code == 404
    (said,) = writing.rows(
        "SELECT convert_from(value, 'UTF8')::jsonb AS said FROM outbox WHERE topic = 'audit-log'"
        " AND convert_from(value, 'UTF8')::jsonb ->> 'action' = 'API_REPLACE_REQUESTED'"
    )
    audit = said["said"]
    assert (audit["actor"], audit["ip"], audit["before"]["generation"]) == ("admin-of-tests", "127.0.0.1", 4)
    assert (audit["after"]["version"], sorted(audit["after"]["files"])) == (
        "2.0.0", ["api.yaml", "environments/dev.yaml", "openapi.yaml"],
    )  # fmt: skip
    assert "BACKEND_URL" not in json.dumps(audit)


def test_a_new_api_needs_one_project_and_a_definition(writing: Any) -> None:
    new = {**wanted(), "tenant": TENANT, "api": "pets"}
    assert ask(writing, "POST", "/v1/apis", {**new, "tenant": "tenant-none"})[:2] == (409, "NO_REPOSITORY")
    assert ask(writing, "POST", "/v1/apis", {**new, "project_id": 8})[:2] == (409, "NO_REPOSITORY")
    assert ask(writing, "POST", "/v1/apis", {**new, "api": "orders"})[:2] == (409, "API_EXISTS")
    lives = {**new, "spec": {**new["spec"], "lifecycle": {"state": "published"}}}
    assert ask(writing, "POST", "/v1/apis", lives)[:2] == (422, "INVALID_REQUEST")
    assert ask(writing, "POST", "/v1/apis", {**new, "environments": {"qa": {}}})[:2] == (422, "INVALID_REQUEST")
    many: Any = []
    for _ in range(300):
        many = [many]
    assert ask(writing, "POST", "/v1/apis", {**new, "environments": {"dev": {"A": many}}})[1] == "YAML_TOO_DEEP"
    nul = {**new, "document": {"content": "a\0b"}}
    assert ask(writing, "POST", "/v1/apis", nul)[:2] == (422, "INVALID_VALUE")
    large = {**new, "document": {"content": "x" * 2_000_001}}
    assert ask(writing, "POST", "/v1/apis", large)[:2] == (422, "INVALID_REQUEST")
    writing.rows("INSERT INTO project_tenants (project_id, tenant) VALUES (8, %s)", TENANT)
    assert ask(writing, "POST", "/v1/apis", new)[:2] == (422, "PROJECT_AMBIGUOUS")
    assert ask(writing, "POST", "/v1/apis", {**new, "project_id": 8})[0] == 202


HALF = "\ud800"


@pytest.mark.parametrize(
    "changed",
    [
        {"document": {"content": f"openapi: 3.0.3{HALF}"}},
        {"spec": {**wanted()["spec"], "displayName": HALF}},
        {"spec": {**wanted()["spec"], HALF: 1}},
        {"environments": {"dev": {"A": HALF}}},
        {"environments": {"dev": {HALF: "a"}}},
        {"spec": {**wanted()["spec"], "tags": ["\u202e"]}},
    ],
)
def test_text_that_no_file_can_hold_is_refused(writing: Any, changed: dict[str, Any]) -> None:
    new = {**wanted(), "tenant": TENANT, "api": "halves", "project_id": 7, **changed}
    assert ask(writing, "POST", "/v1/apis", new)[0] == 422


def test_of_many_who_saw_the_same_state_one_changes_it(writing: Any, issuer: Issuer) -> None:
    listed(writing, "raced")
    path, codes = f"/v1/apis/{TENANT}/raced", []

    def change(number: int) -> tuple[int, str | None]:
        token = issuer.token("cpi-admin", sub=f"racer-{number}")
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "the-same", "If-Match": '"4"'}
        with requests.Session() as alone:
            sent = {"Content-Type": "application/json", **headers}
            answer = alone.put(writing.url + path, json=wanted(f"2.0.{number}"), headers=sent, timeout=20)
        return answer.status_code, answer.json().get("code")

    with ThreadPoolExecutor(6) as pool:
        codes = sorted(pool.map(change, range(6)), key=str)
    assert codes == [(202, None), *[(409, "CHANGE_UNDER_WAY")] * 5]


def test_an_idempotency_key_is_of_the_person_who_chose_it(writing: Any, issuer: Issuer) -> None:
    """Nobody else's work is stopped by it, or answered with what was not theirs."""
    tokens = [issuer.token("cpi-admin", sub=f"chooser-{n}") for n in range(2)]
    made = []
    for number, token in enumerate(tokens):
        new = {**wanted(), "tenant": TENANT, "api": f"chosen-{number}", "project_id": 7}
        sent = {"Authorization": f"Bearer {token}", "Idempotency-Key": "one"}
        made.append(ask(writing, "POST", "/v1/apis", new, **sent)[2].json())
        assert ask(writing, "POST", "/v1/apis", new, **sent)[2].json() == made[-1]
    assert [one["api"] for one in made] == ["chosen-0", "chosen-1"]


def listed(api: Any, name: str) -> None:
    api.rows(
        "INSERT INTO apis (tenant, api, generation, created_generation, project_id, commit_sha, environments,"
        " created_at, created_by, updated_at, updated_by)"
        " VALUES (%s, %s, 4, 1, 7, %s, '{dev}', now(), 'gitlab:1', now(), 'gitlab:1')",
        TENANT, name, "a" * 40,
    )  # fmt: skip
