"""A push becomes a running API by the real playbooks. That without Ansible the gateway is left the same is in
tests/playbooks/test_direct_equals_playbooks.py."""

import json
import uuid
from typing import Any

import pytest
import requests

from local.workspace import openapi_document
from tests.stories.documents import LARGEST, needs_them, pushed_and_served


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


def test_removed_files_take_the_api_off_the_gateway(lab: Any) -> None:
    api = fresh()
    lab.write(api)
    lab.done(lab.workspace.push(f"Add {api}"))
    lab.workspace.remove_api(api)
    (one,) = lab.done(lab.workspace.push(f"Remove {api}"))
    assert (one["action"], one["state"], one["generation"]) == ("undeploy", "succeeded", 2)
    assert lab.admin.api(f"tenant-demo.{api}") is None
    assert lab.call(api).status_code == 404


class Writer:
    """A person who writes APIs over HTTP."""

    def __init__(self, lab: Any) -> None:
        self.lab, self.session, self.url = lab, requests.Session(), lab.stack.url("api")
        self.session.headers["Authorization"] = f"Bearer {lab.stack.admin.token()}"

    def read(self, path: str) -> requests.Response:
        return self.session.get(self.url + path, timeout=60)

    def ask(self, method: str, path: str, seen: str | None = None, body: Any = None) -> Any:
        """The change that was asked for, at its end, and the deployments of its commit at theirs."""
        headers = {"If-Match": seen} if seen else {}
        answer = self.session.request(method, self.url + path, json=body, headers=headers, timeout=60)
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


@needs_them
def test_the_largest_real_document_is_served_as_its_author_pushed_it(lab: Any) -> None:
    pushed_and_served(lab, [LARGEST])
