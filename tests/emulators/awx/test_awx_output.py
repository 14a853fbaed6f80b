"""Runs with Ansible: output, events, artifacts, credentials, and what is left when one is stopped."""

import time
from pathlib import Path
from typing import Any

PASSWORD = "awx-pass"


def template(kit: Any, name: str, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = kit.prompting(playbook=f"{name}.yaml", **fields)
    return made


def test_a_playbook_runs_with_its_variables_and_the_environment_of_the_credential(playing: Any, gateway: Any) -> None:
    kit, _ = playing

    ended = kit.wait(kit.launch(template(kit, "ok"), extra_vars={"word": "hello"}, skip_tags="stoa-1")["id"])

    assert (ended["status"], ended["host_status_counts"]) == ("successful", {"ok": 1})
    assert ended["artifacts"] == {
        "seen": gateway["GATEWAY_URL"],
        "given": "hello",
        "secret_length": len(PASSWORD),
    }


def test_a_failing_playbook_is_failed_and_keeps_what_it_published(playing: Any) -> None:
    kit, _ = playing

    ended = kit.wait(kit.launch(template(kit, "bad"))["id"])

    assert (ended["status"], ended["failed"], ended["artifacts"]) == ("failed", True, {"outcome": "refused"})
    failed = kit.api.get(f"/jobs/{ended['id']}/job_events/", params={"failed": "true"}).json()["results"]
    assert [event["event"] for event in failed] == ["runner_on_failed"]
    assert kit.api.get(f"/jobs/{ended['id']}/relaunch/").json()["retry_counts"]["failed"] == 1
    again = kit.api.post(f"/jobs/{ended['id']}/relaunch/", json={"hosts": "failed"}).json()
    assert again["limit"] == "localhost"
    kit.wait(again["id"])


def test_artifacts_under_no_log_are_hidden(playing: Any) -> None:
    kit, _ = playing

    ended = kit.wait(kit.launch(template(kit, "hidden"))["id"])

    assert ended["artifacts"] == "$hidden due to Ansible no_log flag$"


def test_the_output_comes_in_every_format(playing: Any) -> None:
    kit, _ = playing
    job = kit.wait(kit.launch(template(kit, "ok"))["id"])["id"]
    path = f"/jobs/{job}/stdout/"

    text = kit.api.get(path, params={"format": "txt"})
    assert text.headers["content-type"].startswith("text/plain")
    assert "PLAY [localhost]" in text.text
    assert "\x1b[" not in text.text
    assert "\x1b[" in kit.api.get(path, params={"format": "ansi"}).text
    assert kit.api.get(path, params={"format": "html"}).headers["content-type"].startswith("text/html")
    download = kit.api.get(path, params={"format": "txt_download"})
    assert download.headers["content-disposition"] == f'attachment; filename="job_{job}.txt"'
    assert download.text == text.text
    whole = kit.api.get(path, params={"format": "json"}).json()
    assert whole["range"]["end"] == whole["range"]["absolute_end"]
    part = kit.api.get(path, params={"format": "json", "start_line": 1, "end_line": 3}).json()
    assert part["range"] == {"start": 1, "end": 3, "absolute_end": whole["range"]["absolute_end"]}
    assert part["content"] in whole["content"]
    assert kit.api.get(path, params={"format": "pdf"}).status_code == 404


def test_a_very_large_output_is_a_notice_except_as_a_download(playing: Any) -> None:
    kit, _ = playing
    job = kit.wait(kit.launch(template(kit, "ok"), extra_vars={"length": 1_100_000})["id"])["id"]

    notice = kit.api.get(f"/jobs/{job}/stdout/", params={"format": "txt"}).text
    assert notice.startswith("Standard Output too large to display")
    assert kit.api.get(f"/jobs/{job}/stdout/", params={"format": "json"}).json()["content"] == notice
    assert len(kit.api.get(f"/jobs/{job}/stdout/", params={"format": "txt_download"}).text) > 1_100_000


def test_events_are_ordered_by_counter_and_cut_in_lists(playing: Any) -> None:
    kit, _ = playing
    job = kit.wait(kit.launch(template(kit, "ok"), extra_vars={"length": 3000})["id"])["id"]

    events = kit.api.get(f"/jobs/{job}/job_events/", params={"order_by": "counter"}).json()["results"]

    assert [event["counter"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["event"], events[-1]["event"]) == ("playbook_on_start", "playbook_on_stats")
    assert {
        *("event", "counter", "event_data", "event_level", "failed", "changed", "uuid", "parent_uuid", "host_name"),
        *("play", "task", "role", "stdout", "start_line", "end_line"),
    } <= set(events[0])
    long = [event for event in events if "xxx" in event["stdout"]]
    assert [len(event["stdout"]) for event in long] == [1024]
    assert len(kit.api.get(f"/job_events/{long[0]['id']}/").json()["stdout"]) > 3000
    page = kit.api.get(f"/jobs/{job}/job_events/", params={"limit": 2, "order_by": "-counter"}).json()
    assert [event["counter"] for event in page["results"]] == [len(events), len(events) - 1]


def test_a_run_longer_than_its_timeout_is_failed_and_says_so(playing: Any, tmp_path: Path) -> None:
    kit, _ = playing
    variables = {"file": str(tmp_path / "written")}

    ended = kit.wait(kit.launch(template(kit, "slow", timeout=5), extra_vars=variables)["id"])

    assert (ended["status"], ended["job_explanation"]) == ("failed", "Job terminated due to timeout")
    assert stands_still(tmp_path / "written")


def test_a_cancelled_run_is_really_stopped(playing: Any, tmp_path: Path) -> None:
    kit, state = playing
    file = tmp_path / "written"
    job = kit.launch(template(kit, "slow"), extra_vars={"file": str(file)})["id"]
    kit.until(file.exists)

    assert kit.api.post(f"/jobs/{job}/cancel/").status_code == 202
    ended = kit.wait(job)

    assert (ended["status"], ended["canceled_on"] is not None) == ("canceled", True)
    assert stands_still(file)
    assert not (state / "runs" / str(job)).exists()


def test_a_secret_is_in_no_command_line_and_in_no_file(playing: Any, tmp_path: Path) -> None:
    kit, state = playing
    file = tmp_path / "written"
    job = kit.launch(template(kit, "slow"), extra_vars={"file": str(file)})["id"]
    kit.until(file.exists)

    assert leaks(state) == []
    running = [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(file).encode() in read(path)]
    assert running
    assert [path for path in running if PASSWORD.encode() in read(path)] == []
    kit.api.post(f"/jobs/{job}/cancel/")
    kit.wait(job)
    assert leaks(state) == []
    assert list((state / "runs").iterdir()) == []


def leaks(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and PASSWORD.encode() in read(path)]


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def stands_still(file: Path) -> bool:
    """Nobody writes there any more, or yet: the playbook would, 20 times a second once it has started."""
    sizes = []
    for wait in (0, 0.3):
        time.sleep(wait)
        sizes.append(file.stat().st_size if file.exists() else 0)
    return sizes[0] == sizes[1]
