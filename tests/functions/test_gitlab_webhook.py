"""POST /webhooks/gitlab: genuine pushes are stored and answered, everything else is refused or ignored, never lost."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kafka import KafkaConsumer

from local.parts.ports import free_port

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "gitlab"
BEFORE, AFTER, NONE = "a" * 40, "b" * 40, "0" * 40
SIGNING_KEY = b"signing-secret-of-the-tests"


def push(**changes: Any) -> dict[str, Any]:
    """A push event as GitLab sends it, shortened to what differs between pushes."""
    commit = {"id": AFTER, "message": "Change", "author": {"name": "Ada", "email": "[REDACTED]"}, "added": []}
    return {
        "object_kind": "push",
        "event_name": "push",
        "before": BEFORE,
        "after": AFTER,
        "ref": "refs/heads/main",
        "user_id": 7,
        "user_email": "[REDACTED]",
        "project_id": 41,
        "project": {"id": 41, "default_branch": "main"},
        "commits": [commit] * 20,
        "total_commits_count": 57,
        **changes,
    }


def fresh() -> str:
    return str(uuid.uuid4())


def signature(message_id: str, timestamp: str, body: bytes, key: bytes = SIGNING_KEY) -> str:
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def test_a_push_is_stored_and_published_with_its_trace(api: Any, kafka: Any) -> None:
    key = fresh()
    answer = api.push(push(), **{"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    trace = answer.json()["trace_id"]
    row = api.rows("SELECT * FROM pushes WHERE id = %s", key)[0]
    assert (row["trace_id"], row["project_id"], row["state"], row["pusher"]) == (trace, 41, "accepted", "gitlab:7")
    consumer = KafkaConsumer(
        "git-pushes", bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=10_000
    )
    found = next(record for record in consumer if json.loads(record.value)["push_id"] == key)
    assert (found.key, json.loads(found.value)["trace_id"]) == (b"41/refs/heads/main", trace)
    consumer.close()


def test_the_same_delivery_again_gets_the_first_trace_and_starts_nothing(api: Any) -> None:
    key = fresh()
    answers = [api.push(push(), **{"Idempotency-Key": key}) for _ in range(3)]
    assert len({a.json()["trace_id"] for a in answers}) == 1
    assert len(api.rows("SELECT 1 FROM pushes WHERE id = %s", key)) == 1
    assert len(api.rows("SELECT 1 FROM outbox WHERE convert_from(value, 'UTF8') LIKE %s", f"%{key}%")) == 1


def test_without_an_idempotency_key_the_body_is_the_key(api: Any) -> None:
    body = json.dumps(push(after="c" * 40)).encode()
    first, second = api.push(body), api.push(body)
    assert first.json() == second.json()
    other = api.push(json.dumps(push(after="d" * 40)).encode())
    assert other.json()["trace_id"] != first.json()["trace_id"]


@pytest.mark.parametrize("token", ["", "wrong", "hook-secre", "hook-secret\u00e9"])
def test_a_wrong_token_is_refused_and_nothing_is_stored(api: Any, token: str) -> None:
    key = fresh()
    answer = api.push(push(), **{"X-Gitlab-Token": token.encode("latin-1"), "Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")
    assert answer.headers["content-type"] == "application/problem+json"
    assert api.rows("SELECT 1 FROM pushes WHERE id = %s", key) == []


def test_an_empty_secret_refuses_everything(start_api: Callable[..., Any]) -> None:
    bare = start_api(STOA_WEBHOOK_SECRET="", STOA_WEBHOOK_SIGNING_SECRET="")
    body, stamp = json.dumps(push()).encode(), str(int(time.time()))
    signed = {"webhook-id": "m", "webhook-timestamp": stamp, "webhook-signature": signature("m", stamp, body, b"")}
    assert bare.push(body, **{"X-Gitlab-Token": ""}).status_code == 401
    assert bare.push(body, **{"X-Gitlab-Token": "", **signed}).status_code == 401


@pytest.mark.parametrize(
    ("age_s", "key", "tampered", "status"),
    [
        (0, SIGNING_KEY, False, 202),
        (0, b"another", False, 401),
        (0, SIGNING_KEY, True, 401),
        (400, SIGNING_KEY, False, 401),
        (-400, SIGNING_KEY, False, 401),
    ],
)
def test_a_signature_decides_even_beside_a_good_token(
    api: Any, age_s: int, key: bytes, tampered: bool, status: int
) -> None:
    body, stamp, message = json.dumps(push()).encode(), str(int(time.time()) - age_s), fresh()
    headers = {"webhook-id": message, "webhook-timestamp": stamp}
    headers["webhook-signature"] = "v1,bm90aGluZw== " + signature(message, stamp, body, key)
    sent = body.replace(b'"user_id": 7', b'"user_id": 8') if tampered else body
    assert api.push(sent, **headers, **{"Idempotency-Key": message}).status_code == status


def test_a_captured_delivery_is_the_same_push_under_any_key(api: Any) -> None:
    """The signature covers webhook-id, not Idempotency-Key."""
    body, stamp, message = json.dumps(push(after="e" * 40)).encode(), str(int(time.time())), fresh()
    headers = {"webhook-id": message, "webhook-timestamp": stamp, "webhook-signature": signature(message, stamp, body)}
    answers = [api.push(body, **headers, **{"Idempotency-Key": key}) for key in (message, fresh(), fresh())]
    assert {a.status_code for a in answers} == {202}
    assert len({a.json()["trace_id"] for a in answers}) == 1
    assert len(api.rows("SELECT 1 FROM pushes WHERE after_sha = %s", "e" * 40)) == 1
    assert api.rows("SELECT 1 FROM pushes WHERE id = %s", message)


def test_a_push_goes_on_in_the_trace_of_its_caller(api: Any) -> None:
    trace, key = uuid.uuid4().hex, fresh()
    answer = api.push(push(), **{"Idempotency-Key": key, "traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    assert answer.json()["trace_id"] == f"trc-{trace}"
    assert api.rows("SELECT trace_id FROM pushes WHERE id = %s", key) == [{"trace_id": f"trc-{trace}"}]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (push(object_kind="tag_push", ref="refs/tags/v1"), "tag_push events start nothing"),
        ({"object_kind": "merge_request"}, "merge_request events start nothing"),
        ({"object_kind": "x" * 1_000_000}, "such events start nothing"),
        (push(after=NONE, checkout_sha=None), "the branch was deleted"),
        (push(ref="refs/heads/topic"), "only the default branch is deployed"),
        (push(project={"id": 41, "default_branch": None}), "only the default branch is deployed"),
        (
            push(ref="refs/heads/None", project={"id": 41, "default_branch": None}),
            "only the default branch is deployed",
        ),
        (push(ref="refs/heads/", project={"id": 41, "default_branch": ""}), "only the default branch is deployed"),
    ],
)
def test_what_is_genuine_but_means_nothing_to_us_is_answered_200(api: Any, event: dict[str, Any], reason: str) -> None:
    answer = api.push(event)
    assert (answer.status_code, answer.json()) == (200, {"status": "ignored", "reason": reason})


def test_a_new_branch_with_more_than_twenty_commits_is_a_push_like_any_other(api: Any) -> None:
    assert api.push(push(before=NONE), **{"Idempotency-Key": fresh()}).status_code == 202


@pytest.mark.parametrize("name", ["push-util.json", "push-applicationset.json", "merge-request-open.json"])
def test_real_payloads_of_gitlab_are_understood(api: Any, name: str) -> None:
    if not (DATA / name).exists():
        pytest.skip("../shared/data is not here")
    assert api.push((DATA / name).read_bytes(), **{"Idempotency-Key": fresh()}).status_code in (200, 202)


BROKEN = st.binary(max_size=300) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
).map(lambda value: json.dumps({**push(), **value} if isinstance(value, dict) else value).encode())
WRONG_FIELD = st.tuples(
    st.sampled_from(["ref", "before", "after", "project_id", "project", "object_kind", "user_id"]),
    st.none() | st.integers() | st.text(max_size=60) | st.lists(st.integers(), max_size=2),
).map(lambda pair: json.dumps(push(**{pair[0]: pair[1]})).encode())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BROKEN | WRONG_FIELD)
def test_no_body_whatever_breaks_the_webhook(api: Any, body: bytes) -> None:
    answer = api.push(body)
    assert answer.status_code in (200, 202, 422), answer.text
    if answer.status_code == 422:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "INVALID_PAYLOAD"


def test_true_is_no_project(api: Any) -> None:
    answer = api.push(push(project_id=True))
    assert (answer.status_code, answer.json()["field"]) == (422, "project_id")


@pytest.mark.parametrize("name", ["refs/heads/m\x00n", "refs/heads/\ud800"])
def test_a_name_that_cannot_be_stored_is_refused(api: Any, name: str) -> None:
    event = push(ref=name, project={"id": 41, "default_branch": name.removeprefix("refs/heads/")})
    answer = api.push(event)
    assert (answer.status_code, answer.json()["code"][:7]) == (422, "INVALID")


def test_a_push_is_accepted_without_kafka_and_waits_in_the_outbox(start_api: Callable[..., Any]) -> None:
    alone = start_api(STOA_KAFKA_BOOTSTRAP=f"127.0.0.1:{free_port()}")
    answers = [alone.push(push(), **{"Idempotency-Key": fresh()}) for _ in range(20)]
    assert {a.status_code for a in answers} == {202}
    assert len(alone.rows("SELECT 1 FROM outbox WHERE published_at IS NULL")) == 20
    assert alone.get("/health/ready").json() == {"status": "ready"}


def test_without_a_database_nothing_is_accepted_and_gitlab_hears_so(start_api: Callable[..., Any]) -> None:
    answer = start_api(STOA_DATABASE_URL=f"postgresql://stoa@127.0.0.1:{free_port()}/stoa").push(push())
    assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
    assert answer.headers["retry-after"] == "5"
    assert "127.0.0.1" not in answer.text
