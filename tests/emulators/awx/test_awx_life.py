"""Outages, kills and restarts."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest


def test_a_dropped_connection_leaves_the_job_behind(kit: Any) -> None:
    kit.put("faults", mode="drop", path="POST .*/launch/$", count=1)

    with pytest.raises(httpx.TransportError):
        kit.api.post("/job_templates/1/launch/", json={"skip_tags": "stoa-1"})

    assert len(kit.ids("/jobs/", skip_tags="stoa-1")) == 1


def test_an_outage_is_html_and_a_migration_redirects_everything(kit: Any) -> None:
    kit.put("faults", mode="down", count=1)
    page = kit.api.get("/jobs/")
    assert (page.status_code, page.headers["content-type"]) == (502, "text/html; charset=utf-8")

    kit.put("faults", mode="fail", status=302, path="/api/", count=2)
    assert kit.api.get("/jobs/").headers["location"] == "/migrations_notran/"
    moved = kit.api.post("/job_templates/1/launch/", json={})
    assert moved.status_code == 302
    assert kit.plain.get("/migrations_notran/").headers["content-type"] == "text/html; charset=utf-8"
    assert kit.ids("/jobs/") == []


def test_too_many_requests_are_a_429(kit: Any) -> None:
    kit.put("faults", mode="fail", status=429, count=1)

    answer = kit.api.post("/job_templates/1/launch/", json={})

    assert (answer.status_code, answer.json()["detail"].startswith("Request was throttled")) == (429, True)


def test_a_slow_answer_is_late_and_a_hanging_one_never_comes(kit: Any) -> None:
    kit.put("faults", mode="slow", delay_s=0.2, count=1)
    began = time.monotonic()
    assert kit.api.get("/jobs/").status_code == 200
    assert time.monotonic() - began >= 0.2
    kit.put("faults", mode="hang", delay_s=0.1, count=1)
    with pytest.raises(httpx.TransportError):
        kit.api.get("/jobs/")


def test_jobs_and_controls_survive_a_kill(started: Any, playbooks: Path, tmp_path: Path) -> None:
    one = started(tmp_path, playbooks, "direct")
    one.kit.put("timing", pending_s=3600)
    one.kit.put("notifications", mode="lose")
    template = one.kit.template()
    token = one.kit.api.post("/tokens/", json={}).json()["token"]
    job = one.kit.launch(skip_tags="stoa-1")["id"]
    one.kill()

    other = started(tmp_path, playbooks, "direct")

    assert other.kit.ids("/jobs/", skip_tags="stoa-1") == [job]
    assert other.kit.job(job)["status"] == "pending"
    assert other.kit.plain.get("/_emulator/notifications").json() == {"mode": "lose"}
    assert other.kit.plain.get("/_emulator/timing").json()["pending_s"] == 3600
    bearer = {"authorization": f"Bearer {token}"}
    assert other.kit.plain.get(f"/api/v2/job_templates/{template['id']}/", headers=bearer).status_code == 200


def test_a_killed_emulator_leaves_no_run_and_reaps_it_at_its_next_start(
    started: Any, playbooks: Path, tmp_path: Path, listening: Any
) -> None:
    file, told = tmp_path / "written", {"AWX_NOTIFICATION_URL": listening.url}
    one = started(tmp_path / "state", playbooks, **told)
    template = one.kit.prompting(playbook="slow.yaml", allow_simultaneous=False)
    notified = one.kit.ids("/notification_templates/")[0]
    one.kit.api.post(f"/job_templates/{template['id']}/notification_templates_error/", json={"id": notified})
    running = one.kit.launch(template, extra_vars={"file": str(file)})["id"]
    pending = one.kit.launch(template, extra_vars={"file": str(tmp_path / "other")})["id"]
    one.kit.until(file.exists)
    one.kit.put("timing", waiting_s=1)
    waiting = one.kit.launch()["id"]
    one.kit.wait(waiting, "waiting")

    one.kill()
    one.kit.until(lambda: not programs_with(str(file)))
    size = file.stat().st_size
    other = started(tmp_path / "state", playbooks, **told)

    reaped = other.kit.job(running)
    assert (reaped["status"], reaped["failed"]) == ("error", True)
    assert reaped["job_explanation"].startswith("Task was marked as running at system start up.")
    assert other.kit.until(lambda: listening.of(running))[0]["status"] == "error"
    assert other.kit.wait(waiting)["status"] == "successful"
    other.kit.wait(pending, "running")
    other.kit.until((tmp_path / "other").exists)
    assert file.stat().st_size == size
    other.stop()
    assert programs_with(str(tmp_path)) == []


def programs_with(word: str) -> list[str]:
    """Command lines of the processes of a run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if word in text and "local.emulators.awx" not in text:
            found.append(text)
    return found
