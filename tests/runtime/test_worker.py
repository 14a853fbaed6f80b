"""A function in its own process: its context, its errors, its end."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from local.runtime.worker import ROOT, FunctionDied, FunctionError, FunctionSpec, FunctionTimeout, Worker

MODULE = "tests.runtime.functions_under_test"


@pytest.fixture
def worker_of(tmp_path):
    made = []

    def make(name: str, **changes) -> Worker:
        spec = FunctionSpec(name, f"{MODULE}:{name}", log=tmp_path / "function.log", **changes)
        made.append(Worker(spec))
        return made[-1]

    yield make
    for worker in made:
        worker.kill()
        worker.stop()


def test_a_function_sees_what_lambda_gives_it(worker_of, tmp_path, monkeypatch):
    monkeypatch.setenv("OF_THE_PARENT", "not for the function")
    worker = worker_of("echo", timeout_s=20, memory_mb=256, environment={"STOA_X": "1"})
    assert worker.pid is None, "nothing runs before the first call"
    seen = worker.invoke({"a": "ä"})
    assert seen["event"] == {"a": "ä"}
    assert seen["function"] == "echo"
    assert 15_000 < seen["remaining_ms"] <= 20_000
    assert seen["memory"] == "256"
    assert seen["arn"].endswith(":function:echo")
    assert seen["pid"] == worker.pid != os.getpid()
    assert seen["environment"]["STOA_X"] == "1"
    assert seen["environment"]["AWS_LAMBDA_FUNCTION_NAME"] == "echo"
    assert seen["environment"]["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert "OF_THE_PARENT" not in seen["environment"]
    assert "a line for the log" in (tmp_path / "function.log").read_text()


def test_the_process_stays_warm_and_each_call_has_its_own_id(worker_of):
    worker = worker_of("echo")
    first, second = worker.invoke(1), worker.invoke(2)
    assert first["pid"] == second["pid"]
    assert first["request_id"] != second["request_id"]


def test_an_error_comes_back_with_type_message_and_stack(worker_of):
    worker = worker_of("odd")
    with pytest.raises(FunctionError) as caught:
        worker.invoke({"do": "raise"})
    assert (caught.value.error_type, caught.value.message) == ("ValueError", "no such thing")
    assert any("functions_under_test" in line for line in caught.value.stack_trace)
    assert worker.invoke({"do": "nothing"}) == {"do": "nothing"}


@pytest.mark.parametrize(("do", "error"), [("set", "Runtime.MarshalError"), ("large", "Function.ResponseSizeTooLarge")])
def test_an_answer_that_lambda_refuses_is_an_error(worker_of, do, error):
    with pytest.raises(FunctionError, match=error):
        worker_of("odd").invoke({"do": do})


def test_the_deadline_kills_the_process_and_the_next_call_gets_a_fresh_one(worker_of):
    worker = worker_of("odd", timeout_s=0.3)
    worker.start()
    first = worker.pid
    with pytest.raises(FunctionTimeout, match=r"timed out after 0\.30 seconds"):
        worker.invoke({"do": "sleep", "seconds": 30})
    assert worker.pid is None
    assert worker.invoke({}) == {}
    assert worker.pid != first


def test_a_function_that_exits_or_is_killed_has_died(worker_of):
    worker = worker_of("odd")
    with pytest.raises(FunctionDied, match="exit status 3"):
        worker.invoke({"do": "exit"})
    worker.start()
    timer = threading.Timer(0.1, os.kill, (worker.pid, signal.SIGKILL))
    timer.start()
    with pytest.raises(FunctionDied, match="exit status -9"):
        worker.invoke({"do": "sleep", "seconds": 30})
    assert worker.invoke({}) == {}


def test_a_worker_killed_while_idle_serves_the_next_call(worker_of):
    worker = worker_of("odd")
    worker.invoke({})
    os.kill(worker.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while worker.pid is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert worker.invoke({}) == {}


def test_a_handler_that_cannot_be_imported_fails_each_call():
    worker = Worker(FunctionSpec("none", f"{MODULE}_that_is_missing:handler"))
    for _ in range(2):
        with pytest.raises(FunctionError, match="ModuleNotFoundError"):
            worker.invoke({})
    worker.stop()


def test_a_function_ends_when_its_parent_is_killed():
    code = f"""
from local.runtime.worker import FunctionSpec, Worker
worker = Worker(FunctionSpec("odd", "{MODULE}:odd"))
worker.start()
print(worker.pid, flush=True)
worker.invoke({{"do": "sleep", "seconds": 60}})
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 60
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
