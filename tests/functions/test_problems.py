"""Every refusal is problem+json with a stable code and the trace id of its request, which the log has too."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from functions.api.edge import BODY_LIMIT, TRACEPARENT
from local.parts.ports import free_port

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
TOKENS = {"X-Gitlab-Token": "hook-secret", "X-Stoa-Token": "awx-secret"}


@pytest.fixture(scope="module")
def broken(start_api: Callable[..., Any]) -> Any:
    """An API whose code and database disagree."""
    api = start_api()
    api.rows("DROP TABLE api_status CASCADE")
    return api


@pytest.fixture(scope="module")
def alone(start_api: Callable[..., Any]) -> Iterator[Any]:
    """An API without a database."""
    return start_api(STOA_DATABASE_URL=f"postgresql://stoa@127.0.0.1:{free_port()}/stoa")


def is_problem(answer: requests.Response, status: int, code: str, trace: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert (said["code"], said["status"], said["type"]) == (code, status, f"urn:stoa:problem:{code.lower()}")
    assert re.fullmatch("trc-[0-9a-f]{32}", said["trace_id"])
    assert trace is None or said["trace_id"] == f"trc-{trace}"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/artefacts/t/" + "0" * 64, 401, "UNAUTHORIZED"),
        ("GET", "/v1/deployments/dep-unknown", 404, "NOT_FOUND"),
        ("GET", "/v1/nothing", 404, "NOT_FOUND"),
        ("GET", "/v1/pushes/", 404, "NOT_FOUND"),
        ("DELETE", "/v1/deployments", 405, "METHOD_NOT_ALLOWED"),
        ("OPTIONS", "/v1/deployments", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/deployments?limit=x", 422, "INVALID_REQUEST"),
        ("POST", "/v1/deployments", 422, "INVALID_REQUEST"),
    ],
)
def test_a_refusal_names_its_code_and_its_trace(api: Any, method: str, path: str, status: int, code: str) -> None:
    is_problem(api.ask(method, path, traceparent=PARENT), status, code, TRACE)
    assert ("hint" in api.ask(method, path).json()) is (path != "/v1/deployments/dep-unknown")
    is_problem(api.ask(method, path), status, code)


def test_405_says_what_is_allowed_and_head_has_no_body(api: Any) -> None:
    assert set(api.ask("PUT", "/v1/deployments").headers["allow"].split(", ")) & {"GET", "POST"}
    head = api.ask("HEAD", "/v1/deployments")
    assert (head.status_code, head.content) == (405, b"")


@pytest.mark.parametrize("path", ["/v1/deployments", "/webhooks/gitlab", "/webhooks/awx/job-complete"])
def test_a_body_over_the_limit_is_refused(api: Any, path: str) -> None:
    json = {"Content-Type": "application/json"}
    is_problem(api.ask("POST", path, data=b" " * (BODY_LIMIT + 1), **json, **TOKENS), 413, "PAYLOAD_TOO_LARGE")
    assert api.ask("POST", path, data=b" " * BODY_LIMIT, **json, **TOKENS).status_code == 422


@pytest.mark.parametrize("path", ["/v1/deployments", "/webhooks/gitlab", "/webhooks/awx/job-complete"])
@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_body_that_goes_too_deep_is_refused(api: Any, path: str, opening: bytes) -> None:
    body = opening * (BODY_LIMIT // len(opening))
    assert api.ask("POST", path, data=body, **{"Content-Type": "application/json"}, **TOKENS).status_code in {400, 422}


def test_what_the_caller_sent_is_quoted_without_breaking_the_answer(api: Any) -> None:
    body = b'{"' + b"\\ud800" * 5000 + b'": 1}'
    answer = api.ask("POST", "/v1/deployments", data=body, **{"Content-Type": "application/json"})
    is_problem(answer, 422, "INVALID_REQUEST")
    assert len(answer.content) < 10_000


def test_a_bug_is_told_without_its_text_and_logged_with_its_trace(broken: Any) -> None:
    answer = broken.get("/v1/status", traceparent=PARENT)
    is_problem(answer, 500, "INTERNAL", TRACE)
    assert "api_status" not in answer.text
    line = next(line for line in broken.log() if line["message"] == "request.failed")
    assert line["trace_id"] == f"trc-{TRACE}"
    assert "api_status" in line["exception"]


def test_a_warm_container_forgets_the_trace_of_the_request_before(broken: Any) -> None:
    first = [broken.get("/v1/status").json()["trace_id"] for _ in range(6)]
    logged = [line["trace_id"] for line in broken.log() if line["message"] == "request.failed"]
    assert logged[-6:] == first
    assert len(set(first)) == 6


def test_alive_without_a_database_but_not_ready(alone: Any) -> None:
    assert alone.get("/health/live").json() == {"status": "alive"}
    answer = alone.get("/health/ready", traceparent=PARENT)
    is_problem(answer, 503, "UNAVAILABLE", TRACE)
    assert answer.headers["retry-after"] == "5"
    assert alone.log()[-1]["trace_id"] == f"trc-{TRACE}"


def test_without_a_database_nothing_passes_the_limit(alone: Any) -> None:
    is_problem(alone.get("/v1/status"), 503, "UNAVAILABLE")


def test_ready_with_a_database(api: Any) -> None:
    assert (api.get("/health/ready").status_code, api.get("/health/live").status_code) == (200, 200)


@pytest.mark.parametrize(
    ("header", "good"),
    [
        (PARENT, True),
        ("cc" + PARENT[2:], True),
        ("cc" + PARENT[2:] + "-what-the-future-brings", True),
        (PARENT + "-more", False),
        ("ff" + PARENT[2:], False),
        (PARENT.upper(), False),
        (PARENT.replace(TRACE, "0" * 32), False),
        (PARENT.replace("b7ad6b7169203331", "0" * 16), False),
        (f"{PARENT},{PARENT}", False),
        (f"trc-{TRACE}", False),
        ("", False),
    ],
)
def test_only_a_valid_traceparent_is_gone_on_with(header: str, good: bool) -> None:
    found = TRACEPARENT.fullmatch(header.encode())
    assert (found is not None) is good
    assert found is None or found[1].decode() == TRACE
