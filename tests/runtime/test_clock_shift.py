"""A wrong clock is the function's own, is read while it runs, and is nobody's else."""

import os
from datetime import UTC, datetime
from pathlib import Path

from local.runtime import clock_shift
from local.runtime.worker import FunctionSpec, Worker


def test_each_process_has_its_own_wrong_clock_and_gets_it_back(tmp_path: Path) -> None:
    file = tmp_path / "clocks.json"
    assert clock_shift.shift_s(file, 1) == 0.0
    clock_shift.write(file, [-60.0, 120.0])
    assert [clock_shift.shift_s(file, pid) for pid in (2, 3)] == [-60.0, 120.0]
    clock_shift.write(file, [])
    assert clock_shift.shift_s(file, os.getpid()) == 0.0


def test_a_function_tells_the_time_that_the_file_says_and_without_it_the_right_one(tmp_path: Path) -> None:
    file = tmp_path / "clocks.json"
    spec = FunctionSpec("clock", "tests.runtime.functions_under_test:clock", environment={clock_shift.FILE: str(file)})
    wrong, right = Worker(spec), Worker(FunctionSpec("clock", "tests.runtime.functions_under_test:clock"))
    try:
        assert abs(_ahead_s(wrong)) < 30
        clock_shift.write(file, [3600.0])
        assert abs(_ahead_s(wrong) - 3600) < 30
        assert abs(_ahead_s(right)) < 30
    finally:
        for worker in (wrong, right):
            worker.kill()
            worker.stop()


def _ahead_s(worker: Worker) -> float:
    said = datetime.fromisoformat(worker.invoke({}))
    return (said - datetime.now(UTC)).total_seconds()
