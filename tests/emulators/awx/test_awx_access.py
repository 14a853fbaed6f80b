"""Who may call, what is refused and how, and the resources that describe AWX itself."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.emulators.awx.app import create_app
from local.emulators.awx.settings import Config

HINT = "To establish a login session, visit /api/login/."


def test_without_or_with_bad_credentials_the_401_carries_the_login_hint(kit: Any) -> None:
    url = f"{kit.url}/api/v2/jobs/"

    missing = httpx.get(url)
    assert missing.status_code == 401
    assert missing.json() == {"detail": f"Authentication credentials were not provided. {HINT}"}
    for headers in ({"authorization": "Bearer nope"}, {"authorization": "Basic %%"}, {"authorization": "Bearer"}):
        refused = httpx.get(url, headers=headers)
        assert (refused.status_code, refused.json()["detail"].endswith(HINT)) == (401, True)
    assert httpx.get(url, auth=("admin", "wrong")).json()["detail"] == f"Invalid username/password. {HINT}"


def test_a_bearer_token_or_basic_is_accepted(kit: Any) -> None:
    assert kit.api.get("/jobs/").status_code == 200
    assert httpx.get(f"{kit.url}/api/v2/jobs/", auth=("admin", "awx-pass")).status_code == 200


def test_a_created_token_works_and_is_shown_once(kit: Any) -> None:
    made = kit.api.post("/tokens/", json={"scope": "write"})

    assert made.status_code == 201
    own = {"authorization": f"Bearer {made.json()['token']}"}
    assert httpx.post(f"{kit.url}/api/v2/job_templates/1/launch/", headers=own).status_code == 201
    assert kit.api.get(f"/tokens/{made.json()['id']}/").json()["token"] == "************"
    assert kit.api.post("/tokens/", json={"scope": "everything"}).status_code == 400


def test_what_is_not_allowed_is_403_and_404_by_a_named_url(kit: Any) -> None:
    token = kit.api.post("/tokens/", json={"scope": "read"}).json()["token"]
    reader = httpx.Client(base_url=f"{kit.url}/api/v2", headers={"authorization": f"Bearer {token}"})

    assert reader.get("/jobs/").status_code == 200
    refused = reader.post("/job_templates/1/launch/", json={})
    assert (refused.status_code, refused.json()) == (
        403,
        {"detail": "You do not have permission to perform this action."},
    )
    assert reader.post("/job_templates/deploy-api++STOA/launch/", json={}).status_code == 404


def test_the_unknown_is_a_404(kit: Any) -> None:
    for path in ("/jobs/99/", "/job_templates/99/launch/", "/nonsense/", "/job_templates/nobody++STOA/"):
        answer = kit.api.get(path)
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})


def test_a_wrong_method_is_a_405(kit: Any) -> None:
    answer = kit.api.post("/jobs/", json={})

    assert (answer.status_code, answer.json()) == (405, {"detail": 'Method "POST" not allowed.'})


def test_a_missing_slash_is_a_redirect(kit: Any) -> None:
    answer = kit.api.get("/jobs?page_size=3")

    assert answer.status_code == 301
    assert answer.headers["location"] == "/api/v2/jobs/?page_size=3"


def test_every_answer_names_node_time_version_and_product(kit: Any) -> None:
    for answer in (kit.api.get("/jobs/"), kit.api.get("/jobs/99/"), httpx.get(f"{kit.url}/api/v2/jobs/")):
        assert answer.headers["x-api-node"]
        assert answer.headers["x-api-time"].endswith("s")
        assert (answer.headers["x-api-product-name"], answer.headers["x-api-product-version"]) == ("AWX", "24.6.1")


def test_ping_needs_no_login_and_fails_in_an_outage(kit: Any) -> None:
    url = f"{kit.url}/api/v2/ping/"

    ping = httpx.get(url).json()
    assert set(ping) == {"ha", "version", "active_node", "install_uuid", "instances", "instance_groups"}
    assert {"node", "node_type", "uuid", "heartbeat", "capacity", "version"} == set(ping["instances"][0])
    kit.put("faults", mode="down")
    assert httpx.get(url).status_code == 502


def test_the_roots_need_no_login_and_name_version_and_resources(kit: Any) -> None:
    root = httpx.get(f"{kit.url}/api/").json()

    assert (root["current_version"], root["available_versions"]) == ("/api/v2/", {"v2": "/api/v2/"})
    assert httpx.get(f"{kit.url}/api/v2/").json()["job_templates"] == "/api/v2/job_templates/"


def test_me_is_a_list_page_and_config_tells_the_version(kit: Any) -> None:
    me = kit.api.get("/me/").json()

    assert (me["count"], me["results"][0]["username"]) == (1, "admin")
    assert kit.api.get("/config/").json()["version"] == "24.6.1"
    assert httpx.get(f"{kit.url}/api/v2/config/").status_code == 401


def test_a_browser_login_opens_a_session(kit: Any) -> None:
    browser = httpx.Client(base_url=kit.url)

    assert "csrftoken" in browser.get("/api/login/").cookies
    assert browser.post("/api/login/", data={"username": "admin", "password": "no"}).status_code == 401
    entered = browser.post("/api/login/", data={"username": "admin", "password": "awx-pass", "next": "/api/"})
    assert (entered.status_code, entered.headers["x-api-session-cookie-name"]) == (302, "awx_sessionid")
    assert browser.get("/api/v2/jobs/").status_code == 200


def test_a_bad_body_is_a_400(kit: Any) -> None:
    answer = kit.api.post("/job_templates/1/launch/", content=b"{", headers={"content-type": "application/json"})

    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("JSON parse error")


def test_it_does_not_start_without_credentials(tmp_path: Path) -> None:
    for config in (Config(tmp_path, tmp_path, "", "admin", "x"), Config(tmp_path, tmp_path, "t", "admin", "")):
        with pytest.raises(ValueError, match="AWX_TOKEN"):
            create_app(config)
    command = [sys.executable, "-m", "local.emulators.awx", "--port", "1", "--state", str(tmp_path)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWX_")}
    ended = subprocess.run(
        [*command, "--playbooks", str(tmp_path)], env=environment, capture_output=True, text=True, timeout=30
    )
    assert ended.returncode != 0
    assert "AWX_PASSWORD must be set" in ended.stderr
