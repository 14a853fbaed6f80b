"""The process that does the runs: one JSON request per line in, events and one result per line out.

It asks the kernel to be told when the emulator dies and takes in its orphaned descendants, so that
nothing of a run outlives it: on SIGTERM every process below it is killed, then itself.
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import ansible_runner

from local.emulators.awx import direct

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
HIDDEN = "$hidden due to Ansible no_log flag$"
Result = dict[str, Any]


class Line:
    """The way back to the emulator."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def say(self, **message: Any) -> None:
        self._stream.write(json.dumps(message) + "\n")
        self._stream.flush()


class Heard:
    """What a run of ansible-runner tells while it goes on."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._hidden = False
        self._published: Result = {}
        self.hosts: Result = {}

    @property
    def artifacts(self) -> Result | str:
        return HIDDEN if self._hidden else self._published

    def event(self, data: Result) -> bool:
        about = data.get("event_data", {})
        if data.get("event") == "playbook_on_stats":
            self._published.update(about.get("artifact_data", {}))
            self.hosts.update(_hosts(about))
        if str(about.get("task_action", "")).endswith("set_stats") and "censored" in (about.get("res") or {}):
            self._hidden = True
        self._line.say(event=data)
        return False

    def status(self, data: Result, runner_config: Any) -> None:
        # the runner has just written the environment down there, secrets included
        if data["status"] == "running":
            (Path(runner_config.artifact_dir) / "command").unlink(missing_ok=True)


def run_ansible(request: Result, line: Line) -> Result:
    """The playbook by ansible-runner; secrets stay in the environment of the processes."""
    folder, heard = Path(request["folder"]), Heard(line)
    (folder / "env").mkdir()
    (folder / "env" / "settings").write_text(json.dumps({"pexpect_timeout": 0.5}))
    done = ansible_runner.run(
        private_data_dir=str(folder),
        project_dir=request["project"],
        playbook=request["playbook"],
        inventory="localhost,",
        extravars=request["extra_vars"],
        envvars=_environment(request, folder),
        skip_tags=request["skip_tags"] or None,
        tags=request["job_tags"] or None,
        limit=request["limit"] or None,
        verbosity=request["verbosity"] or None,
        timeout=request["timeout"] or None,
        suppress_env_files=True,
        quiet=True,
        event_handler=heard.event,
        status_handler=heard.status,
        cancel_callback=lambda: False,
    )
    # a timeout kills only the first of the run's process groups
    _kill_descendants()
    timeout = done.status == "timeout"
    return {"status": _status(done.status), "timeout": timeout, "artifacts": heard.artifacts, "hosts": heard.hosts}


def run_direct(request: Result, line: Line) -> Result:
    status, artifacts, stdout = direct.run(request["playbook"], request["extra_vars"], request["environment"])
    lines = stdout.count("\n")
    line.say(
        event={"event": "verbose", "counter": 1, "stdout": stdout.rstrip("\n"), "start_line": 0, "end_line": lines}
    )
    failed = status != "successful"
    counts = {"ok": int(not failed), "failures": int(failed), "changed": 0, "dark": 0, "processed": 1, "skipped": 0}
    hosts = {"localhost": {"failed": failed, **counts, "rescued": 0, "ignored": 0}}
    return {"status": status, "timeout": False, "artifacts": artifacts, "hosts": hosts}


def _environment(request: Result, folder: Path) -> dict[str, str]:
    places = {"ANSIBLE_HOME": "home", "ANSIBLE_REMOTE_TEMP": "remote", "ANSIBLE_LOCAL_TEMP": "local"}
    own = {"ANSIBLE_FORCE_COLOR": "True", **{name: str(folder / place) for name, place in places.items()}}
    configuration = Path(request["project"]) / "ansible.cfg"
    if configuration.exists():
        own["ANSIBLE_CONFIG"] = str(configuration)
    return {**own, **request["environment"]}


def _status(word: str) -> str:
    return {"successful": "successful", "failed": "failed", "timeout": "failed"}.get(word, "error")


def _hosts(stats: Result) -> Result:
    names = ("changed", "dark", "failures", "ok", "processed", "skipped", "rescued", "ignored")
    found = sorted({host for name in names for host in stats.get(name, {})})
    counts = {host: {name: stats.get(name, {}).get(host, 0) for name in names} for host in found}
    return {host: {"failed": bool(one["failures"] or one["dark"]), **one} for host, one in counts.items()}


def serve(requests: TextIO, line: Line) -> None:
    for text in requests:
        request = json.loads(text)
        work = run_direct if request["executor"] == "direct" else run_ansible
        try:
            result = work(request, line)
        except Exception as error:  # noqa: BLE001  # the entry shell: a run that dies is a job in error
            result = {"status": "error", "timeout": False, "artifacts": {}, "hosts": {}, "traceback": repr(error)}
        shutil.rmtree(request["folder"], ignore_errors=True)
        line.say(done=result)


def die_with(parent: int) -> None:
    """Raises SystemExit when the parent has gone already."""
    kernel = ctypes.CDLL(None)
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    kernel.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    if os.getppid() != parent:
        sys.exit(1)


def _end(*_: object) -> None:
    _kill_descendants()
    os._exit(143)


def _kill_descendants() -> None:
    """Returns when not even a dead child is left: a process can be reaped only after its children came to us."""
    with contextlib.suppress(ChildProcessError):
        while True:
            for child in _children(os.getpid()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            time.sleep(0.002)


def _children(parent: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(status.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(status.parent.name))
    return found


def main() -> None:
    die_with(int(sys.argv[1]))
    line = Line(os.fdopen(os.dup(1), "w"))
    os.dup2(2, 1)
    serve(sys.stdin, line)


if __name__ == "__main__":
    main()
