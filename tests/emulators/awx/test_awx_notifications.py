"""The notification webhook: what is sent, when, and how often."""

from typing import Any

ATTACHED = {"ask_variables_on_launch": True, "allow_simultaneous": True}


def test_the_default_body_is_posted_when_a_job_succeeds(flowing: Any, listening: Any, wanted: Any) -> None:
    job = flowing.wait(flowing.launch(3, extra_vars=wanted())["id"])

    (body,) = flowing.until(lambda: listening.of(job["id"]))
    headers = next(headers for headers, sent in listening.received if sent == body)
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == "AWX 24.6.1 (open)"
    assert headers["x-stoa-token"] == "hook-token"
    assert set(body) == {
        *("id", "name", "url", "created_by", "started", "finished", "status", "traceback", "inventory", "project"),
        *("playbook", "credential", "limit", "extra_vars", "hosts"),
    }
    assert (body["id"], body["name"], body["status"]) == (job["id"], "sync-alias", "successful")
    assert body["url"].endswith(f"/#/jobs/playbook/{job['id']}")
    assert (body["inventory"], body["project"], body["playbook"]) == ("localhost", "playbooks", "sync-alias.yaml")
    assert body["finished"].endswith("+00:00")
    assert body["extra_vars"] == job["extra_vars"]
    assert set(body["hosts"]["localhost"]) == {
        *("failed", "changed", "dark", "failures", "ok", "processed", "skipped", "rescued", "ignored")
    }


def test_error_covers_failed_error_and_cancelled(flowing: Any, listening: Any, wanted: Any) -> None:
    failed = flowing.wait(flowing.launch(3, extra_vars=wanted(nonsense=1))["id"])
    died = flowing.wait(flowing.launch(3, extra_vars={})["id"])
    with flowing.timing(pending_s=60):
        canceled = flowing.launch()
        flowing.api.post(f"/jobs/{canceled['id']}/cancel/")

    for job, status in ((failed, "failed"), (died, "error"), (canceled, "canceled")):
        (body,) = flowing.until(lambda number=job["id"]: listening.of(number))
        assert body["status"] == status


def test_a_refused_notification_is_marked_failed_and_never_sent_again(
    flowing: Any, listening: Any, wanted: Any
) -> None:
    listening.status = 500

    job = flowing.wait(flowing.launch(3, extra_vars=wanted())["id"])

    sent = flowing.until(lambda: sent_for(flowing, job["id"], "failed"))
    assert (len(sent), sent[0]["notifications_sent"]) == (1, 0)
    assert "500" in sent[0]["error"]
    assert len(listening.of(job["id"])) == 1
    assert flowing.job(job["id"])["status"] == "successful"


def test_a_notification_follows_a_redirect(flowing: Any, listening: Any, wanted: Any) -> None:
    listening.redirect = 307

    job = flowing.wait(flowing.launch(3, extra_vars=wanted())["id"])

    flowing.until(lambda: sent_for(flowing, job["id"], "successful"))
    assert len(listening.of(job["id"])) == 2


def test_notifications_can_be_doubled_or_lost(flowing: Any, listening: Any, wanted: Any) -> None:
    flowing.put("notifications", mode="duplicate")
    twice = flowing.wait(flowing.launch(3, extra_vars=wanted())["id"])["id"]
    flowing.put("notifications", mode="lose")
    never = flowing.wait(flowing.launch(3, extra_vars=wanted())["id"])["id"]
    flowing.put("notifications", mode="normal")
    once = flowing.wait(flowing.launch(3, extra_vars=wanted())["id"])["id"]

    flowing.until(lambda: listening.of(once))
    assert [len(listening.of(number)) for number in (twice, never, once)] == [2, 0, 1]


def test_notification_templates_are_attached_listed_and_detached(kit: Any) -> None:
    made = kit.api.post(
        "/notification_templates/",
        json={
            "name": "mine",
            "organization": 1,
            "notification_type": "webhook",
            "notification_configuration": {"url": "http://127.0.0.1:9/", "username": "u", "password": "p"},
        },
    ).json()
    path = f"/job_templates/{kit.template()['id']}/notification_templates_error/"

    assert made["notification_configuration"]["password"] == "$encrypted$"
    assert kit.api.post(path, json={"id": made["id"]}).status_code == 204
    assert kit.ids(path) == [made["id"]]
    assert kit.api.post(path, json={"id": made["id"], "disassociate": True}).status_code == 204
    assert kit.ids(path) == []
    assert kit.api.post(path, json={"id": 99}).status_code == 404
    assert kit.api.post(path, json={}).status_code == 400


def test_a_start_is_notified_only_where_that_is_attached(flowing: Any, listening: Any, wanted: Any) -> None:
    template = flowing.template(**ATTACHED)
    path = f"/job_templates/{template['id']}/notification_templates_started/"
    flowing.api.post(path, json={"id": flowing.ids("/notification_templates/", name="stoa")[0]})

    job = flowing.wait(flowing.launch(template, extra_vars=wanted())["id"])

    (body,) = flowing.until(lambda: listening.of(job["id"]))
    assert (body["status"], body["finished"], body["hosts"]) == ("running", None, {})


def test_the_test_button_sends_a_sentence(flowing: Any, listening: Any) -> None:
    number = flowing.ids("/notification_templates/", name="stoa")[0]

    assert flowing.api.post(f"/notification_templates/{number}/test/").status_code == 202

    (_, body) = flowing.until(lambda: listening.received)[-1]
    assert body["body"].startswith(f"Test Notification {number} http://")


def sent_for(kit: Any, job: int, status: str) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = kit.api.get(f"/jobs/{job}/notifications/", params={"status": status}).json()["results"]
    return sent
