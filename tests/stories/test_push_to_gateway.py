"""A push becomes a running API: git, webhook, Kafka, AWX, the gateway, the result. By the playbooks: test_played.py."""

import json
import uuid
from collections import Counter
from typing import Any

import requests
from prometheus_client.parser import text_string_to_metric_families

from local.workspace import api_folder


def fresh() -> str:
    return f"api-{uuid.uuid4().hex[:8]}"


def test_a_broken_document_fails_with_file_and_line_and_the_old_one_keeps_serving(lab: Any) -> None:
    api = fresh()
    lab.write(api)
    lab.done(lab.workspace.push(f"Add {api}"))
    key = lab.key(api)
    lab.workspace.write(f"{api_folder(api)}/openapi.yaml", "openapi: 3.1.0\ninfo: {title: X, version: '1'}\npaths: [\n")
    (one,) = lab.done(lab.workspace.push(f"Break {api}"))
    assert (one["state"], one["error"]["file"]) == ("failed", f"{api_folder(api)}/openapi.yaml")
    assert one["error"]["line"]
    assert one["error"]["hint"]
    assert lab.call(api, key=key).status_code == 200


def test_prod_waits_for_an_approval(lab: Any) -> None:
    api = fresh()
    lab.write(api, environments=("dev", "prod"))
    dev, prod = lab.done(lab.workspace.push(f"Add {api} in dev and prod"))
    assert (dev["environment"], dev["state"]) == ("dev", "succeeded")
    assert (prod["environment"], prod["state"], prod["error"]["code"]) == ("prod", "failed", "APPROVAL_REQUIRED")
    assert not [job for job in lab.launches() if prod["id"] in job["skip_tags"]]


def test_a_project_touches_only_the_tenants_registered_to_it(lab: Any) -> None:
    api = fresh()
    lab.write(api, tenant="tenant-other")
    commit = lab.workspace.push(f"Add {api} of another tenant")
    assert lab.done(commit) == []
    (left_out,) = lab.push_row(commit)["outcome"]
    assert (left_out["code"], left_out["tenant"]) == ("TENANT_NOT_REGISTERED", "tenant-other")


def test_a_push_of_many_commits_deploys_what_all_of_them_changed(lab: Any) -> None:
    apis = [fresh() for _ in range(3)]
    for api in apis:
        lab.write(api)
        lab.workspace.commit(f"Add {api}")
    for number in range(22):
        lab.workspace.write("README.md", f"{number}\n")
        lab.workspace.commit(f"Change {number}")
    commit = lab.workspace.push_commits()
    assert [(d["api"], d["state"]) for d in lab.done(commit)] == [(api, "succeeded") for api in sorted(apis)]


def test_a_missing_secret_is_named_with_its_place(lab: Any) -> None:
    api = fresh()
    lab.write(api)
    path = f"{api_folder(api)}/api.yaml"
    text = (lab.workspace.folder / path).read_text().replace("orders#password", "orders#passwrod")
    lab.workspace.write(path, text)
    (one,) = lab.done(lab.workspace.push(f"Add {api} with a slip"))
    assert (one["error"]["code"], one["error"]["file"]) == ("SECRET_NOT_FOUND", path)
    assert one["error"]["line"] == text.splitlines().index(next(x for x in text.splitlines() if "passwrod" in x)) + 1


def test_a_person_starts_a_deployment_once_per_idempotency_key(lab: Any) -> None:
    api = fresh()
    lab.write(api)
    lab.done(lab.workspace.push(f"Add {api}"))
    token = {"Authorization": f"Bearer {lab.stack.admin.token()}", "Idempotency-Key": str(uuid.uuid4())}
    asked = {"tenant": "tenant-demo", "api": api, "environment": "dev"}
    url = f"{lab.stack.url('api')}/v1/deployments"
    first, second = (requests.post(url, json=asked, headers=token, timeout=60) for _ in range(2))
    assert (first.status_code, first.json()["id"]) == (202, second.json()["id"])
    other = requests.post(url, json={**asked, "api": "another"}, headers=token, timeout=60)
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    lab.until(lambda: lab.control_plane.deployment(first.json()["id"])["state"] == "succeeded", "the deployment")
    read = lab.control_plane.deployment(first.json()["id"])
    assert (read["generation"], read["trigger"]) == (2, "api-call")
    assert read["result"]["outcome"] == "unchanged"
    said = [json.loads(record.value) for record in lab.records("audit-log")]
    mine = [one for one in said if one["resource"] == f"deployments/{read['id']}"]
    assert [(one["action"], one["actor"], one["ip"]) for one in mine] == [
        ("DEPLOYMENT_STARTED", lab.admin_id, "127.0.0.1")
    ]


def test_lost_and_doubled_notifications_change_nothing(lab: Any) -> None:
    made = {}
    for mode in ("lose", "duplicate"):
        requests.put(f"{lab.stack.url('awx')}/_emulator/notifications", json={"mode": mode}, timeout=60)
        api = fresh()
        lab.write(api)
        (one,) = lab.done(lab.workspace.push(f"Add {api} while AWX would {mode} its notifications"))
        assert one["state"] == "succeeded"
        made[one["id"]] = 1
    requests.put(f"{lab.stack.url('awx')}/_emulator/notifications", json={"mode": "normal"}, timeout=60)
    assert Counter(said["deployment_id"] for said in lab.ends(made)) == made


def test_a_launch_without_an_answer_is_found_again(lab: Any) -> None:
    lab.stack.fault("awx", mode="drop", path="/launch/$", count=1)
    api = fresh()
    lab.write(api)
    (one,) = lab.done(lab.workspace.push(f"Add {api} while AWX's answer gets lost"))
    assert one["state"] == "succeeded"
    assert len([job for job in lab.launches() if one["id"] in job["skip_tags"]]) == 1


def test_a_push_whose_webhook_never_came_is_found(lab: Any) -> None:
    requests.put(f"{lab.stack.url('gitlab')}/_emulator/deliveries", json={"mode": "lose"}, timeout=60)
    api = fresh()
    lab.write(api)
    commit = lab.workspace.push(f"Add {api}, unheard")
    (one,) = lab.done(commit)
    requests.put(f"{lab.stack.url('gitlab')}/_emulator/deliveries", json={"mode": "normal"}, timeout=60)
    assert (one["state"], lab.push_row(commit)["pusher"]) == ("succeeded", "machine:stoa")


def test_the_metrics_tell_of_all_that_a_push_went_through(lab: Any) -> None:
    def told() -> dict[str, float]:
        text = requests.get(f"{lab.stack.url('metrics')}/metrics", timeout=30).text
        found: Counter[str] = Counter()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name] += sample.value
        return found

    def more(before: dict[str, float]) -> bool:
        return all(value > before[name] for name, value in told().items() if name in expected)

    expected = {
        "stoa_webhooks_accepted_total",
        "stoa_records_processed_total",
        "stoa_deployments_finished_total",
        "stoa_deployment_duration_seconds_count",
        "stoa_launch_latency_seconds_sum",
        "stoa_outbox_published_total",
        "stoa_requests_total",
        "stoa_request_duration_seconds_count",
        "stoa_ticks_total",
        "stoa_topic_records_total",
        "stoa_event_source_records_total",
    }
    before = told()
    assert expected <= set(before)
    assert before["stoa_up"] == 3
    api = fresh()
    lab.write(api)
    lab.done(lab.workspace.push(f"Add {api}"))
    lab.until(lambda: more(before), "the metrics")
