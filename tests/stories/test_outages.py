"""Parts go away and come back; nobody lends a hand; the outage sentence holds.

Each accepted request has one final state and one result; launches per lane have rising generations; no
deployment ran twice; the gateway serves, per lane, the newest valid request.
"""

import time
import uuid
from collections import Counter, defaultdict
from typing import Any

from kafka import KafkaProducer

from local.workspace import api_folder, openapi_document

OUTAGE_S = 7200
APIS = tuple(f"api-{number}" for number in range(10))
ROUNDS = 4


def assert_the_sentence_holds(lab: Any, commits: list[str]) -> dict[str, dict[str, Any]]:
    """Returns the newest succeeded deployment by API."""
    rows = {row["id"]: row for commit in commits for row in lab.deployments(commit)}
    results = Counter(said["deployment_id"] for said in lab.ends(rows))
    assert results == Counter(dict.fromkeys(rows, 1)), "one result each"
    jobs = [job for job in lab.launches() if job["skip_tags"].removeprefix("stoa-") in rows]
    assert max(Counter(job["skip_tags"] for job in jobs).values()) == 1, "doubled"
    by_lane = defaultdict(list)
    for job in jobs:
        row = rows[job["skip_tags"].removeprefix("stoa-")]
        by_lane[row["api"]].append(row["generation"])
    assert all(order == sorted(order) for order in by_lane.values()), f"misordered: {dict(by_lane)}"
    served = {}
    for row in sorted(rows.values(), key=lambda row: row["generation"]):
        if row["state"] == "succeeded":
            served[row["api"]] = row
    return served


def test_two_hours_without_awx_and_a_poison_record_among_them(lab: Any) -> None:
    lab.stack.emulators["awx"].stop()
    began = time.monotonic()
    poison = f"tenant-demo/{APIS[1]}".encode()
    producer = KafkaProducer(bootstrap_servers=lab.stack.kafka.bootstrap, acks="all")
    producer.send("deploy-requests", key=poison, value=b"not what it seems", headers=[("ce_id", b"x")])
    producer.flush()
    commits = []
    for number in range(ROUNDS):
        for api in APIS:
            lab.write(api, f"/round-{number}")
        if number == ROUNDS - 1:
            lab.workspace.write(f"{api_folder(APIS[0])}/openapi.yaml", "openapi: 3.1.0\npaths: [\n")
        commits.append(lab.workspace.push(f"Round {number}"))
        lab.until(lambda: lab.is_planned(commits[-1]), "the push to be planned, AWX or not")
    asked = lab.until(lambda: [r for c in commits for r in lab.deployments(c)][39:], "40 requests to be accepted")
    assert len(asked) == 1
    dead = lab.until(lambda: lab.records("deploy-requests.dlq"), "the poison record to be set aside, AWX or not")
    assert [record.value for record in dead if record.key == poison] == [b"not what it seems"]
    time.sleep(max(0.0, OUTAGE_S / lab.stack.options.time_scale - (time.monotonic() - began)))
    lab.stack.start_emulator("awx")
    for commit in commits:
        lab.done(commit)
    served = assert_the_sentence_holds(lab, commits)
    newest = {api: commits[-1] for api in APIS} | {APIS[0]: commits[-2]}
    assert {api: row["commit_sha"] for api, row in served.items()} == newest
    for api in APIS:
        path = f"/round-{ROUNDS - 2 if api == APIS[0] else ROUNDS - 1}"
        assert lab.call(api, path, lab.key(api)).status_code == 200


def test_pushes_while_kafka_is_away_are_done_once_when_it_is_back(lab: Any) -> None:
    api = f"api-{uuid.uuid4().hex[:8]}"
    lab.stack.kafka.kill()
    lab.write(api)
    commit = lab.workspace.push(f"Add {api} without Kafka")
    accepted = lab.until(lambda: [p for p in lab.control_plane.pushes() if p["after_sha"] == commit], "the 202")
    assert accepted[0]["state"] == "accepted"
    lab.stack.kafka.start()
    lab.done(commit)
    assert assert_the_sentence_holds(lab, [commit])[api]["generation"] == 1


def test_a_push_while_gitlab_is_away_waits_for_it(lab: Any) -> None:
    """Before the tests that fail webhooks: GitLab rests a hook that failed, and what finds pushes then is down here."""
    api = f"api-{uuid.uuid4().hex[:8]}"
    lab.write(api)
    lab.stack.fault("gitlab", mode="down", path="/repository/")
    commit = lab.workspace.push(f"Add {api} while GitLab's API is down")
    consumer = "git_pushes_to_deploy_requests.git-pushes"
    lab.until(lambda: lab.rows("SELECT 1 FROM waiting_keys WHERE consumer = %s", consumer), "it to have been tried")
    assert lab.push_row(commit)["state"] == "accepted"
    lab.stack.fault("gitlab", mode="ok")
    assert [row["state"] for row in lab.done(commit)] == ["succeeded"]


def test_functions_and_awx_killed_while_they_work_lose_and_double_nothing(lab: Any) -> None:
    apis = [f"api-{uuid.uuid4().hex[:8]}" for _ in range(5)]
    commits = []
    for number in range(3):
        for api in apis:
            lab.write(api, f"/kill-{number}")
        commits.append(lab.workspace.push(f"Kill round {number}"))
        lab.stack.platform.kill_function("git_pushes_to_deploy_requests")
        time.sleep(0.2)
        lab.stack.platform.kill_function("deploy_requests_to_awx")
        lab.stack.platform.kill("api")
        lab.stack.platform.restart("api")
        lab.stack.emulators["awx"].kill()
        lab.stack.start_emulator("awx")
    lab.stack.platform.wait_ready()
    for commit in commits:
        lab.done(commit)
    assert_the_newest_is_served(lab, apis, commits, "/kill-2")


def test_postgresql_killed_while_everything_works_loses_and_doubles_nothing(lab: Any) -> None:
    apis = [f"api-{uuid.uuid4().hex[:8]}" for _ in range(4)]
    commits = []
    for number in range(3):
        for api in apis:
            lab.write(api, f"/database-{number}")
        commits.append(lab.workspace.push(f"Database round {number}"))
        lab.stack.postgres.kill()
        lab.stack.postgres.start()
    assert_the_newest_is_served(lab, apis, commits, "/database-2")


def test_what_the_gateways_outage_failed_is_asked_for_again(lab: Any) -> None:
    api = f"api-{uuid.uuid4().hex[:8]}"
    lab.stack.fault("gateway", mode="down")
    lab.write(api)
    commit = lab.workspace.push(f"Add {api} while the gateway is down")
    lab.until(lambda: [d for d in lab.deployments(commit) if d["state"] == "failed"], "the first to fail")
    lab.stack.fault("gateway", mode="ok")
    assert_the_newest_is_served(lab, [api], [commit], "/orders")
    assert lab.deployments(commit)[0]["error"]["code"] == "GATEWAY_UNAVAILABLE"
    assert {row["trigger"] for row in lab.deployments(commit)} == {"gitlab-push", "retry"}


def assert_the_newest_is_served(lab: Any, apis: list[str], commits: list[str], path: str) -> None:
    """Also where AWX or the gateway lost a job: the platform asks again by itself."""

    def newest() -> bool:
        found = [row for row in lab.deployments(commits[-1]) if row["state"] == "succeeded"]
        return {row["api"] for row in found} == set(apis)

    lab.until(newest, "the newest of each to be served")
    served = assert_the_sentence_holds(lab, commits)
    assert {api: row["commit_sha"] for api, row in served.items()} == dict.fromkeys(apis, commits[-1])
    assert {api: lab.call(api, path, lab.key(api)).status_code for api in apis} == dict.fromkeys(apis, 200)


def test_the_documents_of_two_apis_may_change_in_one_push(lab: Any) -> None:
    pair = sorted(f"api-{uuid.uuid4().hex[:8]}" for _ in range(2))
    for api in pair:
        lab.workspace.write_api(lab.stack.url("backend"), openapi_document(paths=(f"/{api}",)), api=api)
    assert [row["api"] for row in lab.done(lab.workspace.push("Add two"))] == pair
