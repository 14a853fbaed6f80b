"""Lists come in pages: every row once, in a stable order; a cursor is one that was handed out; no name is ignored."""

import base64
import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CONTRACT = json.loads((Path(__file__).resolve().parents[2] / "openapi/stoa.json").read_text())
LISTS = ("/v1/deployments", "/v1/pushes", "/v1/status", "/v1/traces")
TOKENS = {"X-Gitlab-Token": "hook-secret", "X-Stoa-Token": "awx-secret"}
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def all_of(api: Any, path: str, limit: int) -> list[dict[str, Any]]:
    found, after = [], ""
    while after is not None:
        query = f"limit={limit}&cursor={after}" if after else f"limit={limit}"
        page = api.get(f"{path}{'&' if '?' in path else '?'}{query}").json()
        assert len(page["items"]) <= limit
        found += page["items"]
        after = page["next_cursor"]
    return found


@pytest.fixture(scope="module")
def listed(start_api: Any) -> Any:
    """Thirty pushes, of which five at a time came at the same moment; twenty-four APIs in environments."""
    api = start_api()
    for n in range(30):
        api.rows(
            "INSERT INTO pushes (id, project_id, ref, before_sha, after_sha, pusher, trace_id, state, received_at)"
            " VALUES (%s, 1, 'refs/heads/main', '0', '1', 'gitlab:1', 'trc-1', 'accepted', %s)",
            f"push-{n * 7 % 30:02}",
            NOON + timedelta(microseconds=n // 5),
        )
    for tenant, name, environment in itertools.product(("a", "a-b", "ab"), ("x", "x-1", "x1", "xa"), ("dev", "prod")):
        api.rows(
            "INSERT INTO api_status (tenant, api, environment, generation, deployment_id, status, updated_at)"
            " VALUES (%s, %s, %s, 1, 'dep-1', 'failed', now())",
            tenant,
            name,
            environment,
        )
    api.rows(
        "INSERT INTO apis (tenant, api, generation, created_generation, project_id, commit_sha, environments,"
        " created_at, created_by, updated_at, updated_by)"
        " SELECT DISTINCT tenant, api, 1, 1, 1, 'c', '{dev}'::text[], now(), 'p', now(), 'p' FROM api_status"
    )
    return api


@pytest.mark.parametrize("limit", [1, 4, 30, 200])
def test_pages_of_pushes_hold_each_once_the_newest_first(listed: Any, limit: int) -> None:
    found = [(datetime.fromisoformat(push["received_at"]), push["id"]) for push in all_of(listed, "/v1/pushes", limit)]
    assert found == sorted(found, reverse=True)
    assert {push_id for _, push_id in found} == {f"push-{n:02}" for n in range(30)}
    assert len(found) == 30


@pytest.mark.parametrize("limit", [1, 5, 24, 200])
def test_pages_of_what_is_served_hold_each_once_in_one_order(listed: Any, limit: int) -> None:
    found = [(row["tenant"], row["api"], row["environment"]) for row in all_of(listed, "/v1/status", limit)]
    assert len(set(found)) == len(found) == 24
    assert found == [(r["tenant"], r["api"], r["environment"]) for r in all_of(listed, "/v1/status", 200)]
    assert {row["tenant"] for row in all_of(listed, "/v1/status?tenant=a-b", limit)} == {"a-b"}


@pytest.mark.parametrize("limit", [1, 5, 200])
def test_pages_of_apis_hold_each_once_in_one_order(listed: Any, limit: int) -> None:
    found = [(row["tenant"], row["api"]) for row in all_of(listed, "/v1/apis", limit)]
    assert len(set(found)) == len(found) == 12
    assert found == [(r["tenant"], r["api"]) for r in all_of(listed, "/v1/apis", 200)]
    named = all_of(listed, "/v1/apis?q=X&tenant=a-b", limit)
    assert [(row["tenant"], row["api"]) for row in named] == [pair for pair in found if pair[0] == "a-b"]
    assert {row["matched"] for row in named} == {"name"}
    idle = all_of(listed, "/v1/apis?state=idle", limit)
    assert [(row["tenant"], row["api"], row["matched"]) for row in idle] == [(*pair, None) for pair in found]


@pytest.mark.parametrize(
    "asked",
    [
        *("q=", "q=%21", "q=a%00", "q=" + "a" * 201, "tag=A", "owner=", "owner=a%00", "state=", "state=on"),
        *("cursor=hello", "cursor=" + cursor("A x"), "cursor=" + cursor("1 a x")),
        *(f"q=x&cursor={cursor(text)}" for text in ("a x", "0 a x", "4 a x", "1 A x")),
    ],
)
def test_what_is_no_word_and_no_cursor_finds_no_apis_but_a_refusal(listed: Any, asked: str) -> None:
    answer = listed.get(f"/v1/apis?{asked}")
    assert (answer.status_code, answer.json()["code"]) == (
        422,
        "BAD_CURSOR" if "cursor" in asked else "INVALID_REQUEST",
    )


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "given",
    [
        "",
        "x",
        cursor("hello"),
        cursor("dep-unknown"),
        cursor("dep-" + "i" * 26),
        cursor("dep-" + "0" * 26 + "\n"),
        cursor("dep-" + "0" * 26) + "=",
        cursor("0 push"),
        cursor("1767355200000000 "),
        cursor("99999999999999999 push"),
        cursor("a x nowhere"),
        cursor("A x dev"),
        cursor("a x dev prod"),
        cursor("a x\0 dev"),
        "%00",
        "%F0%9F%98%80",
        "A" * 3000,
    ],
)
def test_a_cursor_that_was_never_handed_out_is_refused(listed: Any, path: str, given: str) -> None:
    answer = listed.get(f"{path}?cursor={given}")
    assert (answer.status_code, answer.json()["code"]) == (422, "BAD_CURSOR")
    assert (answer.json()["field"], "cursor" in answer.json()["hint"]) == ("cursor", True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(LISTS), st.text(max_size=60).map(cursor) | st.from_regex(r"[A-Za-z0-9_-]{1,60}", fullmatch=True))
def test_no_text_becomes_a_cursor(listed: Any, path: str, junk: str) -> None:
    assert listed.get(f"{path}?cursor={junk}").json()["code"] == "BAD_CURSOR"


@pytest.mark.parametrize(
    ("path", "method"), [(path, method) for path, methods in CONTRACT["paths"].items() for method in methods]
)
def test_no_route_ignores_a_parameter_that_it_does_not_know(api: Any, path: str, method: str) -> None:
    token = "artefact-token" if path.startswith("/artefacts") else api.token
    names = {
        "tenant": "t",
        "api": "a",
        "name": "n",
        "sub": "u",
        "session": "s",
        "sha256": "0" * 64,
        "deployment_id": "dep-1",
        "change_id": "chg-1",
        "trace_id": f"trc-{0:032}",
    }
    filled = path.format(**names, api_id="1", application_id="1", alias_id="1")
    answer = api.ask(method.upper(), f"{filled}?tenannt=t", **TOKENS, Authorization=f"Bearer {token}")
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_REQUEST")
    assert answer.json()["field"] == "query.tenannt"


def test_a_parameter_that_is_given_twice_is_refused(listed: Any) -> None:
    answer = listed.get("/v1/deployments?tenant=tenant-a&limit=5&tenant=tenant-b").json()
    assert (answer["code"], answer["field"]) == ("INVALID_REQUEST", "query.tenant")
