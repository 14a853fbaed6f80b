"""An incoming webhook: who may post to it, and how it says no."""

import threading
from typing import Any

import pytest


def test_a_message_is_answered_ok_and_kept(people: Any) -> None:
    url = people.webhook("kept")
    assert people.post(url, {"text": "first"}) == (200, "ok")
    assert people.post(url, {"text": "second"}) == (200, "ok")
    assert [(m["webhook"], m["payload"]["text"]) for m in people.messages("slack")] == [
        ("kept", "first"),
        ("kept", "second"),
    ]


def test_an_address_that_nobody_made_is_refused_by_what_is_wrong_with_it(people: Any) -> None:
    base, team, service, secret = people.webhook().rsplit("/", 3)
    assert people.post(f"{base}/{team}/{service}/other") == (403, "invalid_token")
    assert people.post(f"{base}/{team}/B000/{secret}") == (404, "no_service")
    assert people.post(f"{base}/T000/{service}/{secret}") == (404, "no_team")
    assert people.messages("slack") == []


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("user_not_found", 400),
        ("action_prohibited", 403),
        ("invalid_token", 403),
        ("channel_not_found", 404),
        ("no_service", 404),
        ("channel_is_archived", 410),
        ("rollup_error", 500),
    ],
)
def test_a_webhook_gives_the_error_that_it_was_told_to_as_plain_text(people: Any, answer: str, status: int) -> None:
    url = people.webhook("told", answer)
    assert people.post(url) == (status, answer)
    assert people.client.post(url, json={"text": "x"}).headers["content-type"].startswith("text/plain")
    assert people.webhook("told") == url
    assert people.post(url) == (200, "ok")


def test_only_a_post_of_json_is_a_message(people: Any) -> None:
    url = people.webhook()
    assert people.client.get(url).status_code == 405
    assert people.post(url, content=b"{", headers={"Content-Type": "application/json"}) == (400, "invalid_payload")
    assert people.post(url, content=b"[1]", headers={"Content-Type": "application/json"}) == (400, "invalid_payload")
    assert people.post(url, content=b'{"text":"x"}', headers={"Content-Type": "text/plain"}) == (400, "invalid_payload")


def test_one_message_per_second_and_webhook_when_that_is_switched_on(people: Any) -> None:
    people.put("variants", rate_limit=True, retry_after_s=3)
    url, other = people.webhook(), people.webhook()
    assert people.post(url) == (200, "ok")
    refused = people.client.post(url, json={"text": "x"})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3")
    assert people.post(other) == (200, "ok")


def test_the_answer_may_come_long_after_the_message_was_kept(people: Any) -> None:
    people.put("variants", answer_after_s=0.5)
    url = people.webhook()
    answers: list[Any] = []
    posting = threading.Thread(target=lambda: answers.append(people.post(url)))
    posting.start()
    people.until("slack", 1)
    assert answers == []
    posting.join(60)
    assert answers == [(200, "ok")]


def test_a_fault_speaks_like_slack(people: Any) -> None:
    url = people.webhook()
    people.put("faults", mode="fail", status=429, count=1)
    answer = people.client.post(url, json={"text": "x"})
    assert (answer.status_code, answer.text, answer.headers["retry-after"]) == (429, "rate_limited", "1")
    people.put("faults", mode="fail", status=500, count=1)
    assert people.post(url) == (500, "rollup_error")


def test_a_control_that_makes_no_sense_is_a_400(people: Any) -> None:
    for control, body in [
        ("webhooks/x", {"answer": "no_such_word"}),
        ("webhooks/x", ["answer"]),
        ("variants", {"speed": 1}),
        ("smtp", {"at": "noon", "reply": "451 later"}),
        ("smtp", {"at": "rcpt", "reply": "250 fine"}),
        ("smtp", {"when": "rcpt"}),
    ]:
        assert people.client.put(f"/_emulator/{control}", json=body).status_code == 400, (control, body)


def test_webhooks_and_messages_outlive_a_restart(people: Any) -> None:
    url = people.webhook("stays", "no_service")
    people.post(people.webhook("other"))
    people.child.stop()
    people.start()
    assert people.post(url) == (404, "no_service")
    assert [m["webhook"] for m in people.messages("slack")] == ["other"]
    assert {hook["name"]: hook["url"] for hook in people.client.get("/_emulator/webhooks").json()["webhooks"]}[
        "stays"
    ] == url
