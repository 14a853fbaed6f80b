"""The platform as a person uses it: stopped and started again, shown, and ended with Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from local.commands import GATEWAY_USER
from local.control_plane import ControlPlane
from local.demo import Demonstration
from local.gateway_consumer import Admin
from local.home import Home
from local.seed import Demo, seed
from local.stack import Options, Stack
from local.up import API_NAME, _first_push
from local.workspace import GitFailed, Workspace, openapi_document

STOA = str(Path(sys.executable).with_name("stoa"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Outside root's home, because PostgreSQL opens the parents of its data."""
    with tempfile.TemporaryDirectory(prefix="stoa local ", dir="/var/tmp", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Path(made)


def until(seen: Callable[[], Any], what: str, limit_s: float = 180.0) -> Any:
    deadline = time.monotonic() + limit_s
    while not (found := seen()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


def silent(_what: str, _begun: float) -> None:
    pass


class Running:
    """A started stack with its demo tenant."""

    def __init__(self, folder: Path) -> None:
        self.stack = Stack(Home(folder), Options(executor="direct", around=False), silent)
        self.stack.start()
        self.workspace = seed(self.stack).workspace
        self.admin = Admin(self.stack.url("gateway"), GATEWAY_USER, self.stack.home.secret("gateway_password"))
        self.control_plane = ControlPlane(self.stack.url("api"), self.stack.admin)

    def push(self, *paths: str) -> None:
        self.workspace.write_api(self.stack.url("backend"), openapi_document(paths=paths))
        commit = self.workspace.push(f"Serve {', '.join(paths)}")
        until(lambda: self.state_of(commit) == "succeeded", f"deployment of {paths}")

    def state_of(self, commit: str) -> str | None:
        return next((d["state"] for d in self.control_plane.deployments() if d["commit"] == commit), None)

    def status(self, path: str, key: str) -> int:
        url = f"{self.stack.url('gateway')}/gateway/{API_NAME}/1.0.0{path}"
        return requests.get(url, headers={"x-Gateway-APIKey": key}, timeout=10).status_code


@pytest.mark.slow
def test_what_was_deployed_serves_after_a_restart_until_ctrl_c_leaves_nothing(folder: Path) -> None:
    first = Running(folder)
    try:
        first.push("/orders")
        key = first.admin.subscribe("shop", (first.admin.api(API_NAME) or {})["id"])
        assert first.status("/orders", key) == 200
    finally:
        first.stack.stop()

    # the same ports and secrets, so that the first one's clients work on
    command = [STOA, "up", "--home", str(folder), "--executor", "direct"]
    second = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert second.stdout is not None
    try:
        assert next((line for line in second.stdout if "Ctrl-C stops everything" in line), ""), "it came up"
        assert first.status("/orders", key) == 200
        first.push("/orders", "/refunds")
        assert first.status("/refunds", key) == 200
        children = psutil.Process(second.pid).children(recursive=True)
        assert len(children) > 10
    finally:
        second.send_signal(signal.SIGINT)
        second.stdout.read()
        code = second.wait(60)
    _, alive = psutil.wait_procs(children, timeout=10)
    assert (code, [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]) == (0, [])


def last_line(output: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    return found


def test_the_demo_ends_with_its_line_and_says_whether_all_went_well(folder: Path) -> None:
    done = subprocess.run(
        [STOA, "demo", "--pushes", "1", "--executor", "direct"],
        env={**os.environ, "STOA_HOME": str(folder)},
        capture_output=True,
        text=True,
    )
    said = last_line(done.stdout)
    took = said["seconds"]
    fast = took["push_to_serving_minus_playbook_p95"] < 2 and took["playbook_longest"] <= 6
    # how busy the machine is with something else is no fault of ours; that the demo says so is what is asked for
    assert (done.returncode == 0, said["ok"]) == (fast, fast), done.stdout + done.stderr
    seen = {step["step"]: step["ok"] for step in said["steps"]}
    assert seen == {**dict.fromkeys(seen, True), "as fast as promised": fast}


class Told:
    """Takes what a demonstration prints."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def print(self, line: str, **_: object) -> None:
        self.lines.append(line)


@pytest.mark.parametrize("broken", ["_tell_all", "_timeline"])
def test_the_demo_ends_with_its_line_and_stops_whatever_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    stopped: list[bool] = []

    def fail(*_: object) -> None:
        raise GitFailed("git push: refused [/red]")

    for name in ("_tell_all", "_timeline"):
        monkeypatch.setattr(Demonstration, name, fail if name == broken else silent_part)
    monkeypatch.setattr(Stack, "stop", lambda self: stopped.append(True))
    told: Any = Told()
    assert Demonstration(Home(tmp_path), Options(around=False), told, 1).run() is False
    assert (stopped, last_line(capsys.readouterr().out)["ok"]) == ([True], False)
    assert told.lines == ["stopped: GitFailed: git push: refused [/red]"]


def silent_part(*_: object) -> None:
    pass


def test_a_first_push_that_failed_is_made_again(tmp_path: Path) -> None:

    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(remote)], check=True)
    workspace = Workspace(tmp_path / "clone", str(remote), "u", "p")
    workspace.clone()
    demo, stack, told = Demo(1, workspace), Stack(Home(tmp_path / "home"), Options(), silent), Told()
    console: Any = told
    away = remote.rename(tmp_path / "away.git")
    workspace.write_api("http://127.0.0.1:1", openapi_document())
    workspace.commit("Add the orders API")
    with pytest.raises(GitFailed):
        workspace.push_commits()
    away.rename(remote)

    _first_push(demo, stack, console)
    assert workspace.pushed()
    _first_push(demo, stack, console)
    assert len(told.lines) == 1


def test_a_person_pushes_without_typing_the_password_wherever_the_state_is(tmp_path: Path) -> None:
    home = tmp_path / "a home, it's odd"
    home.mkdir()
    subprocess.run(["git", "init", "--quiet", str(home / "clone")], check=True)
    Workspace(home / "clone", "http://127.0.0.1:8929/demo.git", "oauth2", "p/w").keep_password(home / "git-credentials")
    asked = subprocess.run(
        ["git", "-C", str(home / "clone"), "credential", "fill"],
        input="protocol=http\nhost=127.0.0.1:8929\n\n",
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert "password=p/w\n" in asked.stdout, asked.stderr
