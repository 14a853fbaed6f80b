"""What a person does to a deployment: cancel it while it waits or runs, ask for it again, go back to an older one."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from typer.testing import CliRunner

from local.cli.main import app
from local.workspace import api_folder


@pytest.fixture
def slow_jobs(lab: Any) -> Iterator[Callable[[float], None]]:
    def slow(seconds: float) -> None:
        url = f"{lab.stack.url('awx')}/_emulator/timing"
        requests.put(url, json={"running_s": seconds}, timeout=60).raise_for_status()

    yield slow
    slow(0)


def fresh() -> str:
    return f"api-{uuid.uuid4().hex[:8]}"


def ask(lab: Any, path: str, key: str | None = None) -> requests.Response:
    headers = {"Idempotency-Key": key} if key else {}
    url = f"{lab.stack.url('api')}/v1/deployments/{path}"
    return requests.post(url, headers=headers, auth=lab.stack.admin, timeout=60)


def pushed(lab: Any, api: str, *paths: str) -> Any:
    """The deployment of a push, as soon as there is one."""
    lab.write(api, *paths)
    commit = lab.workspace.push(f"{api} has {paths}")
    return lab.until(lambda: lab.deployments(commit), "the deployment")[0]


def in_state(lab: Any, deployment_id: str, *states: str) -> dict[str, Any]:
    def reached() -> Any:
        found = lab.control_plane.deployment(deployment_id)
        return found if found["state"] in states else None

    found: dict[str, Any] = lab.until(reached, f"{deployment_id} to be {' or '.join(states)}")
    return found


def test_who_rolls_back_gets_what_was_deployed_under_a_new_generation_and_once(lab: Any) -> None:
    api = fresh()
    old = in_state(lab, pushed(lab, api, "/old")["id"], "succeeded")
    in_state(lab, pushed(lab, api, "/new")["id"], "succeeded")
    key = lab.key(api)
    assert (lab.call(api, "/old", key).status_code, lab.call(api, "/new", key).status_code) == (404, 200)
    answers = [ask(lab, f"{old['id']}/rollback", "again-1") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    made = in_state(lab, answers[0].json()["id"], "succeeded", "failed")
    assert (made["state"], made["trigger"], made["generation"]) == ("succeeded", "rollback", 3)
    assert made["trace_id"] != old["trace_id"], "a story of its own"
    assert (lab.call(api, "/old", key).status_code, lab.call(api, "/new", key).status_code) == (200, 404)
    assert ask(lab, f"{made['id']}/retry", "again-1").json()["code"] == "IDEMPOTENCY_KEY_REUSED"


def test_what_waits_is_cancelled_at_once_and_what_runs_as_soon_as_awx_stopped(
    lab: Any, slow_jobs: Callable[[float], None]
) -> None:
    api = fresh()
    slow_jobs(60)
    running = in_state(lab, pushed(lab, api, "/one")["id"], "running")
    waiting = pushed(lab, api, "/two")
    cancelled = ask(lab, f"{waiting['id']}/cancel").json()
    assert (cancelled["state"], cancelled["error"]["code"]) == ("cancelled", "CANCELLED")
    assert ask(lab, f"{running['id']}/cancel").status_code == 202
    assert in_state(lab, running["id"], "cancelled")["error"]["code"] == "AWX_JOB_CANCELED"
    said = {result["deployment_id"]: result["status"] for result in lab.ends([running["id"], waiting["id"]])}
    assert said == {running["id"]: "cancelled", waiting["id"]: "cancelled"}
    assert ask(lab, f"{running['id']}/cancel").json()["code"] == "ALREADY_FINISHED"
    assert lab.admin.api(f"tenant-demo.{api}") is None
    slow_jobs(0)
    assert ask(lab, f"{running['id']}/retry").json()["code"] == "NOT_NEWEST"
    again = ask(lab, f"{waiting['id']}/retry").json()
    assert in_state(lab, again["id"], "succeeded", "failed")["state"] == "succeeded"
    assert lab.call(api, "/two", lab.key(api)).status_code == 200
    launched = [job["skip_tags"] for job in lab.launches()]
    assert f"stoa-{waiting['id']}" not in launched


def test_a_trace_tells_all_that_a_push_and_a_person_after_it_set_going(
    lab: Any, slow_jobs: Callable[[float], None]
) -> None:
    api = fresh()
    slow_jobs(60)
    first = in_state(lab, pushed(lab, api)["id"], "running")
    ask(lab, f"{first['id']}/cancel")
    in_state(lab, first["id"], "cancelled")
    slow_jobs(0)
    second = in_state(lab, ask(lab, f"{first['id']}/retry").json()["id"], "succeeded")
    trace = lab.control_plane.trace(first["trace_id"])
    assert (trace["status"], trace["push"]["after_sha"]) == ("success", first["commit"]), "the last word counts"
    assert [deployment["id"] for deployment in trace["deployments"]] == [first["id"], second["id"]]
    told = [(step["name"], step["of"]) for step in trace["timeline"] if step["name"] != "lane"]
    each = ("requested", "prepare", "awx_trigger", "awx_running")
    assert told[:2] == [("webhook_received", None), ("analyze_changes", None)]
    assert sorted(told[2:]) == sorted((name, d["id"]) for d in (first, second) for name in each)
    assert all(step["duration_ms"] is not None for step in trace["timeline"])
    assert trace["total_duration_ms"] >= max(step["duration_ms"] for step in trace["timeline"])
    assert trace["completed_at"] == second["finished_at"]
    shown = CliRunner().invoke(app, ["trace", first["trace_id"], "--home", str(lab.stack.home.folder)])
    assert (shown.exit_code, "awx_running" in shown.stdout, first["trace_id"] in shown.stdout) == (0, True, True)
    unknown = CliRunner().invoke(app, ["trace", f"trc-{'0' * 32}", "--home", str(lab.stack.home.folder)])
    assert (unknown.exit_code, "NOT_FOUND" in unknown.stderr) == (2, True)


def test_a_retry_and_a_rollback_need_no_git_and_a_removed_api_stays_removed(lab: Any) -> None:
    api = fresh()
    good = in_state(lab, pushed(lab, api)["id"], "succeeded")
    lab.stack.fault("gitlab", mode="down", path="/repository/")
    try:
        lab.stack.fault("gateway", mode="down")
        lost = in_state(lab, ask(lab, f"{good['id']}/rollback").json()["id"], "failed")
        lab.stack.fault("gateway", mode="ok")
        newest = "SELECT id, trigger FROM deployments WHERE api = %s AND state = 'succeeded' ORDER BY generation DESC"
        lab.until(lambda: lab.rows(newest, api)[0]["id"] != good["id"], "what was lost to be asked for again")
        assert lab.rows(newest, api)[0]["trigger"] == "retry"
        assert lost["error"]["code"] == "GATEWAY_UNAVAILABLE"
    finally:
        lab.stack.fault("gateway", mode="ok")
        lab.stack.fault("gitlab", mode="ok")
    lab.workspace.remove_api(api)
    lab.done(lab.workspace.push(f"Remove {api}"))
    assert ask(lab, f"{good['id']}/rollback").json()["code"] == "API_REMOVED"


def test_what_is_being_launched_can_be_cancelled_too(lab: Any) -> None:
    api = fresh()
    lab.stack.fault("awx", mode="down")
    launching = in_state(lab, pushed(lab, api)["id"], "launching")
    assert ask(lab, f"{launching['id']}/cancel").status_code == 202
    lab.stack.fault("awx", mode="ok")
    assert in_state(lab, launching["id"], "cancelled", "succeeded")["state"] == "cancelled"
    assert f"stoa-{launching['id']}" not in [
        job["skip_tags"] for job in lab.launches() if job["status"] == "successful"
    ]


def test_what_cannot_be_done_is_refused_with_a_reason(lab: Any) -> None:
    api = fresh()
    # a document of its own: below it is damaged wherever it is used
    good = in_state(lab, pushed(lab, api, f"/{api}")["id"], "succeeded")
    lab.workspace.write(f"{api_folder(api)}/openapi.yaml", "openapi: 3.1.0\npaths: [\n")
    (bad,) = lab.done(lab.workspace.push("Broken"))
    for path, code in (
        (f"{good['id']}/retry", "NOT_FAILED"),
        (f"{bad['id']}/rollback", "NEVER_DEPLOYED"),
        ("dep-00000000000000000000000000/retry", "NOT_FOUND"),
    ):
        answer = ask(lab, path).json()
        assert (answer["code"], bool(answer["detail"])) == (code, True)
    lab.execute("DELETE FROM project_tenants")
    assert ask(lab, f"{good['id']}/rollback").json()["code"] == "TENANT_NOT_REGISTERED"
    lab.stack.register(lab.project_id, "tenant-demo")
    damage = "UPDATE artefacts SET document = %s WHERE sha256 = (SELECT artefact_sha256 FROM deployments WHERE id = %s)"
    lab.execute(damage, b"{}", good["id"])
    assert ask(lab, f"{good['id']}/rollback").json()["code"] == "ARTEFACT_DAMAGED"


def operator(lab: Any) -> dict[str, str]:
    """The headers of the operators' client, signed in at the realm."""
    realm, secret = f"{lab.stack.url('identity')}/realms/stoa", lab.stack.home.secret("stoa_operator_client_secret")
    form, client = {"grant_type": "client_credentials"}, ("stoa-operator", secret)
    answer = requests.post(f"{realm}/protocol/openid-connect/token", data=form, auth=client, timeout=60)
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_the_operators_client_deploys_in_its_tenant_and_reaches_no_other(lab: Any) -> None:
    first = in_state(lab, pushed(lab, fresh(), "/a")["id"], "succeeded")
    headers, url = operator(lab), f"{lab.stack.url('api')}/v1/deployments"
    answer = requests.post(f"{url}/{first['id']}/rollback", headers=headers, timeout=60)
    assert answer.status_code == 202, answer.text
    again = in_state(lab, answer.json()["id"], "succeeded")
    assert again["requested_by"] not in {first["requested_by"], lab.admin_id}
    assert requests.get(url, params={"tenant": "tenant-other"}, headers=headers, timeout=60).status_code == 404
