"""The server around it: credentials, the Accept rule, health, the journal, restarts, faults, the command line."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.emulators.webmethods.app import create_app
from local.emulators.webmethods.settings import Config


def test_bad_credentials_get_the_dump_of_the_server_underneath(kit: Any) -> None:
    url = f"{kit.url}/rest/apigateway/apis"
    accept = {"accept": "application/json"}

    for auth in (None, ("ops", "wrong"), ("Administrator", "manage")):
        response = httpx.get(url, auth=auth, headers=accept)
        assert response.status_code == 401
        assert "[ISS.0084.9004] Access Denied" in response.json()["$errorDump"]
        assert response.json()["$errorType"] == "com.wm.app.b2b.server.AccessException"


def test_without_an_accept_header_the_answer_is_a_page_and_the_deed_is_done(kit: Any) -> None:
    for accept in ("*/*", "text/html"):
        page = kit.admin.get("/apis", headers={"accept": accept})
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    with kit.variant(missing_accept="xml"):
        assert kit.admin.get("/apis", headers={"accept": "*/*"}).headers["content-type"].startswith("text/xml")
    name = kit.name()
    kit.admin.post("/alias", json={"name": name, "type": "simple", "value": "1"}, headers={"accept": "*/*"})
    assert name in {alias["name"] for alias in kit.admin.get("/alias").json()["alias"]}


def test_the_probe_needs_no_credentials_and_the_details_do(kit: Any) -> None:
    base = f"{kit.url}/rest/apigateway/health"

    assert httpx.get(base).status_code == 200
    assert httpx.get(f"{base}/engine").status_code == 401
    engine = kit.admin.get("/health/engine").json()
    assert (engine["status"], engine["elasticsearch"]["status"]) == ("green", "yellow")
    assert isinstance(engine["is"]["response_time_ms"], str)
    for part in ("admin", "externalServices", "all"):
        assert kit.admin.get(f"/health/{part}").json()["status"] == "green"


def test_an_unknown_resource_or_method_has_the_usual_error_body(kit: Any) -> None:
    assert kit.admin.get("/nonsense").json() == {"errorDetails": " Resource not found"}
    assert kit.admin.patch("/apis").status_code == 405


def test_the_journal_lists_writes_in_order_with_what_they_changed(fresh: Any) -> None:
    record = fresh.api(active=True)
    alias = fresh.alias("simple", value='{"generation":7}')
    fresh.admin.put(f"/alias/{alias['id']}", json={**alias, "value": '{"generation":8}'})
    fresh.admin.get("/apis")
    fresh.admin.put(f"/apis/{record['id']}/activate")

    journal = fresh.plain.get("/_emulator/journal").json()

    assert [entry["seq"] for entry in journal] == [1, 2, 3, 4, 5]
    assert [(entry["method"], entry["status"]) for entry in journal] == [
        ("POST", 201),
        ("PUT", 200),
        ("POST", 201),
        ("PUT", 200),
        ("PUT", 500),
    ]
    created, activated, *_ = journal
    assert (created["api_id"], created["name"], created["active"]) == (record["id"], record["apiName"], False)
    assert len(created["document_sha256"]) == 64
    assert activated["active"] is True
    assert [entry.get("value") for entry in journal[2:4]] == ['{"generation":7}', '{"generation":8}']
    assert [entry["seq"] for entry in fresh.plain.get("/_emulator/journal", params={"after": 4}).json()] == [5]


def test_an_import_of_an_archive_is_journalled_by_api_and_document(kit: Any) -> None:
    record = kit.api(active=True)
    kit.load(kit.export(record["id"]), "apis,policies,policyactions")

    entries = [one for one in kit.plain.get("/_emulator/journal").json() if one.get("api_id") == record["id"]]

    assert entries[-1]["path"] == "/rest/apigateway/archive"
    assert entries[-1]["document_sha256"] == entries[0]["document_sha256"]


def test_variants_and_timing_are_checked(kit: Any) -> None:
    for path, body in (
        ("variants", {"nonsense": 1}),
        ("variants", {"unknown_api_id": 500}),
        ("timing", {"activation_ms": -1}),
        ("timing", {"activation_ms": "1"}),
        ("timing", {"nonsense": 1}),
    ):
        assert kit.plain.put(f"/_emulator/{path}", json=body).status_code == 400
    assert kit.plain.get("/_emulator/timing").json()["activation_ms"] == 0


def test_it_does_not_start_without_credentials(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="GATEWAY_USER"):
        create_app(Config(tmp_path, "ops", ""))
    command = [sys.executable, "-m", "local.emulators.webmethods", "--port", "1", "--state", str(tmp_path)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GATEWAY_")}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode != 0
    assert "GATEWAY_PASSWORD must be set" in ended.stderr


def test_a_dropped_connection_leaves_the_effect_behind(kit: Any) -> None:
    name = kit.name()
    kit.plain.put("/_emulator/faults", json={"mode": "drop", "path": "POST .*/apis$", "count": 1})

    with pytest.raises(httpx.TransportError):
        kit.send(kit.document(), name=name)

    assert name in {item["api"]["apiName"] for item in kit.admin.get("/apis").json()["apiResponse"]}


def test_a_restart_can_be_injected_as_503_pages(kit: Any) -> None:
    kit.plain.put("/_emulator/faults", json={"mode": "fail", "status": 503, "path": "/rest/", "count": 1})

    page = kit.admin.get("/apis")

    assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert kit.admin.get("/apis").status_code == 200


class Process:
    """The emulator as a program of its own, so that it can be killed."""

    def __init__(self, state: Path, *options: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "local.emulators.webmethods", "--port", str(self.port)]
        environment = {**os.environ, "GATEWAY_USER": "ops", "GATEWAY_PASSWORD": "not-a-default"}
        self.child = subprocess.Popen([*command, "--state", str(state), *options], env=environment)
        deadline = time.monotonic() + 120
        while not self.healthy():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/rest/apigateway/health").status_code == 200
        except httpx.TransportError:
            return False


def test_state_survives_a_kill_and_the_data_plane_may_lag_behind_the_health(kit: Any, tmp_path: Path) -> None:
    one = Process(tmp_path / "state", "--activation-ms", "1", "--import-ms", "2")
    here = type(kit)(one.url, kit.backend)
    record = here.api(active=True)
    here.identify(record)
    key = {"x-Gateway-APIKey": here.key(here.application(record["id"]))}
    assert here.plain.get("/_emulator/timing").json()["import_ms"] == 2
    here.plain.put("/_emulator/timing", json={"health_lead_ms": 4000})
    here.plain.put("/_emulator/variants", json={"unknown_api_id": 404})
    one.child.kill()
    one.child.wait()

    other = Process(tmp_path / "state")
    there = type(kit)(other.url, kit.backend)
    try:
        assert there.call(record, headers=key).status_code == 404
        assert there.record(record["id"])["isActive"] is True
        assert there.admin.get("/apis/nobody").status_code == 404
        assert there.plain.get("/_emulator/timing").json()["activation_ms"] == 1
        deadline = time.monotonic() + 120
        while there.call(record, headers=key).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        journal = there.plain.get("/_emulator/journal").json()
        assert json.dumps(journal).count(record["id"]) > 2
    finally:
        other.child.terminate()
        assert other.child.wait(60) is not None
