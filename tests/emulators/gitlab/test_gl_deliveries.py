"""One delivery: its headers, both ways to authenticate it, how it can go wrong, and that it is never repeated."""

import base64
import hashlib
import hmac
import re
import time
from typing import Any

SIGNING_KEY = bytes(range(32))
SIGNING_TOKEN = "whsec_" + base64.b64encode(SIGNING_KEY).decode()
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_a_delivery_has_gitlabs_headers(kit: Any) -> None:
    project = kit.project()
    _, inbox = kit.hook(project)
    kit.write(project, {"a": ""})
    inbox.wait()
    (headers,) = inbox.headers

    assert headers["content-type"] == "application/json"
    assert re.fullmatch(r"GitLab/17\.\d+\.\d+.*", headers["user-agent"])
    assert (headers["x-gitlab-event"], headers["x-gitlab-instance"]) == ("Push Hook", kit.url)
    for name in ("x-gitlab-event-uuid", "x-gitlab-webhook-uuid", "idempotency-key"):
        assert UUID.fullmatch(headers[name])


def test_hooks_of_one_chain_share_the_event_uuid_and_nothing_else(kit: Any) -> None:
    project = kit.project()
    inboxes = [kit.hook(project)[1] for _ in range(2)]
    kit.write(project, {"a": ""})
    for inbox in inboxes:
        inbox.wait()
    one, other = (inbox.headers[0] for inbox in inboxes)

    assert one["x-gitlab-event-uuid"] == other["x-gitlab-event-uuid"]
    assert one["x-gitlab-webhook-uuid"] != other["x-gitlab-webhook-uuid"]
    assert one["idempotency-key"] != other["idempotency-key"]


def test_the_secret_token_is_sent_in_clear_only_where_there_is_one(kit: Any) -> None:
    project = kit.project()
    _, secret = kit.hook(project, token="s3cret")
    _, plain = kit.hook(project)
    kit.write(project, {"a": ""})
    secret.wait()
    plain.wait()

    assert secret.headers[0]["x-gitlab-token"] == "s3cret"
    assert not {"x-gitlab-token", "webhook-id", "webhook-signature"} & plain.headers[0].keys()


def test_a_signing_token_signs_as_standard_webhooks_do(kit: Any) -> None:
    project = kit.project()
    _, inbox = kit.hook(project, signing_token=SIGNING_TOKEN)
    kit.write(project, {"ä": "ü"})
    inbox.wait()
    headers = inbox.headers[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + inbox.raw[0]
    wanted = base64.b64encode(hmac.new(SIGNING_KEY, signed, hashlib.sha256).digest()).decode()

    assert headers["webhook-id"] == headers["idempotency-key"]
    assert abs(time.time() - int(headers["webhook-timestamp"])) < 60
    assert f"v1,{wanted}" in headers["webhook-signature"].split()


def test_custom_headers_are_added_and_override_nothing(kit: Any) -> None:
    project = kit.project()
    custom = [{"key": "X-Mine", "value": "yes"}, {"key": "x-gitlab-event", "value": "no"}]
    hook, inbox = kit.hook(project, custom_headers=custom)
    kit.write(project, {"a": ""})
    inbox.wait()

    assert (inbox.headers[0]["x-mine"], inbox.headers[0]["x-gitlab-event"]) == ("yes", "Push Hook")
    assert hook.custom_headers == [{"key": "X-Mine"}, {"key": "x-gitlab-event"}]


def test_a_custom_template_replaces_the_body(kit: Any) -> None:
    project = kit.project()
    template = '{"where": "{{project.path_with_namespace}}", "count": {{total_commits_count}}, "no": {{none.such}}}'
    _, inbox = kit.hook(project, custom_webhook_template=template)
    kit.write(project, {"a": ""})

    assert inbox.wait() == [{"where": project.path_with_namespace, "count": 1, "no": None}]


def test_an_error_is_logged_and_never_repeated(kit: Any) -> None:
    project = kit.project()
    hook, inbox = kit.hook(project)
    inbox.answer(500)
    kit.write(project, {"a": ""})
    kit.log(hook, 1)
    inbox.answer(202)
    kit.write(project, {"b": ""})

    assert [entry["status"] for entry in kit.log(hook, 2)] == [500, 202]
    assert [len(body["commits"]) for body in inbox.bodies] == [1, 1]
    assert len({headers["idempotency-key"] for headers in inbox.headers}) == 2


def test_a_timeout_is_10_s_and_never_repeated(kit: Any) -> None:
    assert kit.plain.get("/_emulator/variants").json()["hook_timeout_s"] == 10
    project = kit.project()
    hook, inbox = kit.hook(project)
    inbox.answer(delay_s=1)
    with kit.variants(hook_timeout_s=0.2):
        kit.write(project, {"a": ""})
        (entry,) = kit.log(hook, 1)

    assert (entry["status"], "Timeout" in entry["reason"], 200 <= entry["ms"] < 1000) == (None, True, True)
    inbox.wait()
    inbox.answer()
    kit.write(project, {"b": ""})
    assert len(inbox.wait(2)) == len(kit.log(hook, 2)) == 2


def test_a_redirect_is_a_success_and_not_followed(kit: Any) -> None:
    project = kit.project()
    hook, inbox = kit.hook(project)
    for number, status in enumerate((500, 500, 500, 302, 500, 500, 500)):
        inbox.answer(status)
        kit.write(project, {f"{number}": ""})
        kit.log(hook, number + 1)

    assert project.hooks.get(hook.id).alert_status == "executable"
    assert "/elsewhere" not in {path for path, _, _ in inbox.receiver.received}


def test_a_receiver_that_is_not_there_is_a_failure(kit: Any) -> None:
    project = kit.project()
    hook = project.hooks.create({"url": "http://127.0.0.1:9/hook", "push_events": True})
    kit.write(project, {"a": ""})
    (entry,) = kit.log(hook, 1)

    assert (entry["status"], "ConnectError" in entry["reason"]) == (None, True)


def test_deliveries_can_be_lost(kit: Any) -> None:
    project = kit.project()
    hook, inbox = kit.hook(project)
    with kit.deliveries("lose"):
        kit.write(project, {"a": ""})
        (entry,) = kit.log(hook, 1)
    kit.write(project, {"b": ""})

    assert (entry["status"], entry["reason"]) == (None, "lost")
    assert [body["commits"][0]["added"] for body in inbox.wait()] == [["b"]]


def test_deliveries_can_be_doubled_with_the_same_idempotency_key(kit: Any) -> None:
    project = kit.project()
    _, inbox = kit.hook(project)
    with kit.deliveries("duplicate"):
        kit.write(project, {"a": ""})
        inbox.wait(2)
    one, other = inbox.headers

    assert (one["idempotency-key"], inbox.raw[0]) == (other["idempotency-key"], inbox.raw[1])
    assert one["x-gitlab-webhook-uuid"] != other["x-gitlab-webhook-uuid"]


def test_deliveries_can_be_held_and_come_in_another_order(kit: Any) -> None:
    project = kit.project()
    _, inbox = kit.hook(project)
    with kit.deliveries("hold"):
        commits = [kit.write(project, {name: ""}).id for name in "abc"]
        assert kit.plain.get("/_emulator/deliveries").json()["held"] == 3
        assert inbox.raw == []
        released = kit.plain.post("/_emulator/deliveries/release", json={"backwards": True})

    assert released.json() == {"released": 3}
    assert [body["after"] for body in inbox.wait(3)] == commits[::-1]


def test_a_mode_can_be_for_a_number_of_deliveries(kit: Any) -> None:
    project = kit.project()
    _, inbox = kit.hook(project)
    kit.put("deliveries", mode="lose", count=2)
    for name in "abc":
        kit.write(project, {name: ""})

    assert [body["commits"][0]["added"] for body in inbox.wait()] == [["c"]]
    assert kit.plain.get("/_emulator/deliveries").json()["mode"] == "normal"


def test_a_body_above_25_mb_is_not_sent(kit: Any) -> None:
    project = kit.project()
    hook, inbox = kit.hook(project)
    copy = kit.clone(project)
    (copy.folder / "message").write_text("m" * (13 * 2**20))
    copy.git("commit", "--quiet", "--allow-empty", "--file", "message")
    copy.push("origin", "HEAD:refs/heads/main")
    (entry,) = kit.log(hook, 1)

    assert (entry["status"], entry["reason"]) == (None, "the payload is larger than 25 MB")
    assert inbox.raw == []
