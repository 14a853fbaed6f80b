"""A push becomes a running API: git, webhook, Kafka, the real playbooks, the gateway, the result."""

import json
import uuid
from collections import Counter
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from local.workspace import api_folder, openapi_document


@pytest.fixture(scope="module")
def lab(played_lab: Any) -> Any:
    return played_lab


def fresh() -> str:
    return f"api-{uuid.uuid4().hex[:8]}"


def test_a_pushed_31_document_serves_with_a_key_and_leaves_a_full_trace(lab: Any) -> None:
    api = fresh()
    lab.write(api)
    commit = lab.workspace.push(f"Add {api}")
    (one,) = lab.done(commit)
    assert (one["state"], one["generation"], one["api_version"]) == ("succeeded", 1, "1.0.0")
    assert lab.call(api).status_code == 401
    answer = lab.call(api, key=lab.key(api))
    assert (answer.status_code, answer.json()["path"]) == (200, "/orders")
    read = lab.control_plane.deployment(one["id"])
    assert [(s["name"], s["status"]) for s in read["steps"] if s["name"] != "lane"] == [
        ("requested", "success"),
        ("prepare", "success"),
        ("awx_trigger", "success"),
        ("awx_running", "success"),
    ]
    assert read["loss_report"]["standards"]["entries"]
    (said,) = lab.ends([one["id"]])
    assert (said["status"], said["verified"], said["awx_job_id"]) == ("success", True, one["awx_job_id"])
    assert said["trace_id"] == lab.push_row(commit)["trace_id"]
    lab.until(lambda: lab.rows("SELECT 1 FROM api_status WHERE api = %s AND status = 'success'", api), "the status")


def test_the_backends_password_is_nowhere_but_in_vault_and_on_the_gateway(lab: Any) -> None:
    api = fresh()
    lab.write(api)
    lab.done(lab.workspace.push(f"Add {api}"))
    password = lab.stack.home.secret("backend_password").encode()
    assert lab.call(api, key=lab.key(api)).status_code == 200, "the gateway does not send the credentials"
    events = [r.value + str(r.headers).encode() for t in ("deploy-requests", "deploy-results") for r in lab.records(t)]
    assert events
    assert not [event for event in events if password in event]
    assert password not in json.dumps(lab.launches()).encode()
    assert not [path for path in lab.stack.home.logs.iterdir() if password in path.read_bytes()]
    tables = [row["tablename"] for row in lab.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    held = [row["row"] for table in tables for row in lab.rows(f"SELECT t::text AS row FROM {table} t")]
    assert held
    assert not [row for row in held if password.decode() in row or password.hex() in row]


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


def test_removed_files_take_the_api_off_the_gateway(lab: Any) -> None:
    api = fresh()
    lab.write(api)
    lab.done(lab.workspace.push(f"Add {api}"))
    lab.workspace.remove_api(api)
    (one,) = lab.done(lab.workspace.push(f"Remove {api}"))
    assert (one["action"], one["state"], one["generation"]) == ("undeploy", "succeeded", 2)
    assert lab.admin.api(f"tenant-demo.{api}") is None
    assert lab.call(api).status_code == 404


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
    first, second = (requests.post(url, json=asked, headers=token, timeout=10) for _ in range(2))
    assert (first.status_code, first.json()["id"]) == (202, second.json()["id"])
    other = requests.post(url, json={**asked, "api": "another"}, headers=token, timeout=10)
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
        requests.put(f"{lab.stack.url('awx')}/_emulator/notifications", json={"mode": mode}, timeout=5)
        api = fresh()
        lab.write(api)
        (one,) = lab.done(lab.workspace.push(f"Add {api} while AWX would {mode} its notifications"))
        assert one["state"] == "succeeded"
        made[one["id"]] = 1
    requests.put(f"{lab.stack.url('awx')}/_emulator/notifications", json={"mode": "normal"}, timeout=5)
    assert Counter(said["deployment_id"] for said in lab.ends(made)) == made


def test_a_launch_without_an_answer_is_found_again(lab: Any) -> None:
    lab.stack.fault("awx", mode="drop", path="/launch/$", count=1)
    api = fresh()
    lab.write(api)
    (one,) = lab.done(lab.workspace.push(f"Add {api} while AWX's answer gets lost"))
    assert one["state"] == "succeeded"
    assert len([job for job in lab.launches() if one["id"] in job["skip_tags"]]) == 1


def test_a_push_whose_webhook_never_came_is_found(lab: Any) -> None:
    requests.put(f"{lab.stack.url('gitlab')}/_emulator/deliveries", json={"mode": "lose"}, timeout=5)
    api = fresh()
    lab.write(api)
    commit = lab.workspace.push(f"Add {api}, unheard")
    (one,) = lab.done(commit)
    requests.put(f"{lab.stack.url('gitlab')}/_emulator/deliveries", json={"mode": "normal"}, timeout=5)
    assert (one["state"], lab.push_row(commit)["pusher"]) == ("succeeded", "machine:stoa")


class Writer:
    """A person who writes APIs over HTTP."""

    def __init__(self, lab: Any) -> None:
        self.lab, self.session, self.url = lab, requests.Session(), lab.stack.url("api")
        self.session.headers["Authorization"] = f"Bearer {lab.stack.admin.token()}"

    def read(self, path: str) -> requests.Response:
        return self.session.get(self.url + path, timeout=10)

    def ask(self, method: str, path: str, seen: str | None = None, body: Any = None) -> Any:
        """The change that was asked for, at its end, and the deployments of its commit at theirs."""
        headers = {"If-Match": seen} if seen else {}
        answer = self.session.request(method, self.url + path, json=body, headers=headers, timeout=10)
        assert answer.status_code == 202, answer.text
        where = answer.headers["Location"]
        self.lab.until(lambda: self.read(where).json()["state"] in ("done", "refused"), "the change to end")
        change = self.read(where).json()
        assert (change["state"], change["error"]) == ("done", None)
        return change["commit"], self.lab.done(change["commit"])

    def definition(self) -> dict[str, Any]:
        basic = {f"{name}Ref": f"vault:secret/apim/tenant-demo/dev/orders#{name}" for name in ("username", "password")}
        return {
            "spec": {
                "displayName": "Orders",
                "version": "1.0.0",
                "backend": {"url": "${BACKEND_URL}", "authentication": {"type": "basic", **basic}},
                "security": {"type": "api-key"},
            },
            "document": {"name": "openapi.json", "content": json.dumps(openapi_document(paths=("/orders",)))},
            "environments": {"dev": {"BACKEND_URL": self.lab.stack.url("backend")}},
        }


def test_an_api_that_a_person_writes_over_http_is_committed_and_deployed_once(lab: Any) -> None:
    lab.workspace.write("README.md", "there is a branch\n")
    lab.done(lab.workspace.push("Begin"))
    api, writer = fresh(), Writer(lab)
    mine = f"/v1/apis/tenant-demo/{api}"
    made, (one,) = writer.ask("POST", "/v1/apis", body={**writer.definition(), "tenant": "tenant-demo", "api": api})
    assert (one["state"], one["requested_by"], one["generation"]) == ("succeeded", lab.admin_id, 1)
    assert lab.call(api, key=lab.key(api)).status_code == 200
    published, _ = writer.ask("POST", f"{mine}/publish", writer.read(mine).headers["ETag"])
    read = writer.read(mine)
    assert (read.json()["lifecycle"]["state"], read.json()["updated_by"]) == ("published", lab.admin_id)
    gone, (off,) = writer.ask("DELETE", mine, read.headers["ETag"])
    assert (off["action"], off["state"], off["requested_by"]) == ("undeploy", "succeeded", lab.admin_id)
    assert writer.read(mine).status_code == 404
    commits = (made, published, gone)
    lab.until(lambda: all(len(lab.pushes_of(commit)) == 2 for commit in commits), "GitLab's webhook of each")
    assert [len(lab.done(commit)) for commit in commits] == [1, 1, 1]
    lab.workspace.pull()


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
