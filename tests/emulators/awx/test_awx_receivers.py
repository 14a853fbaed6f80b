"""Templates started by a webhook of GitHub or GitLab."""

import hashlib
import hmac
import json
from typing import Any

BODY = b'{"after": "abc", "event_id": "e1"}'


def github(kit: Any, template: dict[str, Any], guid: str, body: bytes = BODY, **headers: str) -> Any:
    key = kit.api.get(f"/job_templates/{template['id']}/webhook_key/").json()["webhook_key"]
    signature = hmac.new(key.encode(), body, hashlib.sha1).hexdigest()
    sent = {
        "x-github-event": "push",
        "x-github-delivery": guid,
        "x-hub-signature": f"sha1={signature}",
        "content-type": "application/json",
        **headers,
    }
    return kit.plain.post(f"/api/v2/job_templates/{template['id']}/github/", content=body, headers=sent)


def test_a_signed_event_queues_one_job_and_its_repetition_none(kit: Any) -> None:
    template = kit.template(webhook_service="github")

    first = github(kit, template, "guid-1")
    again = github(kit, template, "guid-1")
    other = github(kit, template, "guid-2")

    assert (first.status_code, first.json()) == (202, {"message": "Job queued."})
    assert (again.status_code, again.json()) == (202, {"message": "Webhook previously received, aborting."})
    assert other.json() == {"message": "Job queued."}
    assert len(kit.ids("/jobs/", webhook_guid="guid-1")) == 1


def test_the_payload_of_an_event_arrives_as_a_variable(kit: Any) -> None:
    template = kit.template(webhook_service="github", extra_vars="mine: 1")
    github(kit, template, "guid-1")

    job = kit.job(kit.ids("/jobs/", webhook_guid="guid-1")[0])
    variables = json.loads(job["extra_vars"])

    assert job["launch_type"] == "webhook"
    assert (variables["mine"], variables["awx_webhook_event_type"]) == (1, "push")
    assert variables["awx_webhook_payload"] == json.loads(BODY)
    assert variables["awx_webhook_event_guid"] == "guid-1"


def test_a_wrong_signature_or_a_template_without_receiver_is_a_403(kit: Any) -> None:
    template = kit.template(webhook_service="github")

    for signature in ("sha1=00", "sha256=00", ""):
        assert github(kit, template, "guid-1", **{"x-hub-signature": signature}).status_code == 403
    assert kit.plain.post("/api/v2/job_templates/1/github/", content=BODY).status_code == 403
    assert kit.plain.post(f"/api/v2/job_templates/{template['id']}/gitlab/", content=BODY).status_code == 403
    assert kit.ids("/jobs/") == []


def test_the_same_body_from_gitlab_is_a_repetition(kit: Any) -> None:
    template = kit.template(webhook_service="gitlab")
    path = f"/api/v2/job_templates/{template['id']}/gitlab/"
    key = kit.api.post(f"/job_templates/{template['id']}/webhook_key/").json()["webhook_key"]
    headers = {"x-gitlab-token": key, "x-gitlab-event": "Push Hook"}

    assert kit.plain.post(path, content=BODY, headers={"x-gitlab-token": "no"}).status_code == 403
    assert kit.plain.post(path, content=BODY, headers=headers).json() == {"message": "Job queued."}
    repeated = kit.plain.post(path, content=BODY, headers=headers)
    assert repeated.json() == {"message": "Webhook previously received, aborting."}
    assert len(kit.ids("/jobs/", webhook_guid=hashlib.sha1(BODY, usedforsecurity=False).hexdigest())) == 1
