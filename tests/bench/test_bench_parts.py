"""What the benchmarks compute: rows, percentiles, where keys go, the curve, which process is which part."""

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from local.bench.consumers import curve, partition_of, spread
from local.bench.page import changes
from local.bench.processes import part_of, spent
from local.bench.rows import at, row
from local.bench.soak import Minute, rows


@pytest.mark.parametrize(
    ("bars", "bar", "holds"),
    [
        ({}, "none", True),
        ({"at_most": 30.5}, "< 30.5 1/s", True),
        ({"at_most": 30.0}, "< 30 1/s", False),
        ({"at_most_ratio": 3.0}, "<= 3x", True),
        ({"at_most_ratio": 2.9}, "<= 2.9x", False),
        ({"at_least_ratio": 3.0}, ">= 3x", True),
        ({"at_least_ratio": 3.1}, ">= 3.1x", False),
        ({"at_most": 31.0, "at_least_ratio": 3.1}, "< 31 1/s, >= 3.1x", False),
    ],
)
def test_a_row_holds_when_every_bar_does(bars: dict[str, Any], bar: str, holds: bool) -> None:
    found = row("rate", [29.0, 30.0, 90.0], [10.0, 9.0, 11.0], unit="1/s", **bars)
    assert (found.value, found.spread, found.baseline, found.ratio) == (30.0, (29.0, 90.0), 10.0, 3.0)
    assert (found.bar, found.holds) == (bar, holds)


def test_a_ratio_without_a_baseline_holds_nothing() -> None:
    assert not row("rate", [1.0], at_least_ratio=0.5).holds
    assert not row("rate", [1.0], at_most_ratio=2.0).holds


def test_a_percentile_is_a_value_that_was_seen() -> None:
    assert [at([4.0, 1.0, 3.0, 2.0], percent) for percent in (25, 50, 51, 99, 100)] == [1.0, 2.0, 3.0, 4.0, 4.0]


# UtilsTest.java of Apache Kafka: murmur2 of "21" is -973932308
@pytest.mark.parametrize(("key", "partition"), [("21", (-973932308 & 0x7FFFFFFF) % 1000)])
def test_keys_go_where_kafka_puts_them(key: str, partition: int) -> None:
    assert partition_of(key, 1000) == partition


def test_keys_fill_all_partitions_evenly_and_in_turn() -> None:
    names = spread("tenant-a", 6, 5)
    at_each = [partition_of(f"tenant-a/{name}", 6) for name in names]
    assert Counter(at_each) == Counter(dict.fromkeys(range(6), 5))
    assert len(set(names)) == 30
    assert all(sorted(at_each[place : place + 6]) == list(range(6)) for place in range(0, 30, 6))


def test_the_curve_is_drawn_against_one_consumer() -> None:
    lines = list(curve({1: [4.0, 5.0, 90.0], 3: [14.0]}))
    assert [line.split()[0] for line in lines] == ["1", "3"]
    assert "1.00x" in lines[0]
    assert "2.80x" in lines[1]
    assert lines[1].count("#") == 28


def test_a_step_that_is_written_twice_changes_twice() -> None:
    steps = [
        {"name": "prepare", "started_at": 1.0, "completed_at": 2.0},
        {"name": "awx_trigger", "started_at": 3.0, "completed_at": None},
        {"name": "awx_running", "started_at": 4.0, "completed_at": 6.0},
    ]

    class Moment(float):
        def timestamp(self) -> float:
            return float(self)

    seen = list(changes("dep-1", steps, Moment))  # type: ignore[arg-type]
    assert [(step, end, moment) for (_, step, end), moment in seen] == [
        ("prepare", "ended", 2.0), ("awx_trigger", "begun", 3.0), ("awx_running", "begun", 4.0),
        ("awx_running", "ended", 6.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "part"),
    [
        (["python", "-m", "local.runtime.worker", "functions.api.handler:handler", "--fd", "5"], "api"),
        (["python", "-m", "local.emulators.awx.work", "12"], "AWX emulator, runs"),
        (["python", "-m", "local.emulators.awx", "--port", "1"], "AWX emulator"),
        (["java", "-cp", "jars/*", "kafka.Kafka", "server.properties"], "Kafka"),
        (["/somewhere/bin/postgres", "-D", "data"], "PostgreSQL"),
        (["postgres: stoa stoa 127.0.0.1(5) idle"], "PostgreSQL"),
        (["git", "upload-pack"], "other"),
        ([], "other"),
    ],
)
def test_a_process_is_named_by_its_command(command: list[str], part: str) -> None:
    assert part_of(command) == part


def test_what_was_spent_is_sorted_and_leaves_out_what_did_nothing() -> None:
    assert spent({"a": 1.0, "b": 2.0}, {"a": 1.5, "b": 2.0, "c": 3.0}) == [("c", 3.0), ("a", 0.5)]


def minutes(*figures: tuple[float, float, int]) -> list[Minute]:
    return [Minute([ms, ms], ["refused"] * errors, 0, {"api": mb}) for ms, mb, errors in figures]


def test_a_soak_holds_when_nothing_grows() -> None:
    good = rows(minutes((10, 50, 0), (11, 90, 0), (12, 90, 0), (12, 91, 0)), 3.0, 0, 0)
    assert [one.holds for one in good] == [True] * 7


def test_a_soak_that_was_overloaded_from_the_beginning_does_not_hold() -> None:
    found = rows(minutes((9000, 90, 0), (9000, 90, 0)), 3.0, 0, 0)
    assert {one.name for one in found if not one.holds} == {
        f"soak, webhook p{percent}, last minute against the first" for percent in (50, 99)
    }


def test_a_soak_in_which_a_function_has_no_process_any_more_is_none() -> None:
    found = minutes((10, 50, 0), (11, 90, 0), (12, 90, 0), (12, 91, 0))
    found[-1].memory_mb = {}
    with pytest.raises(RuntimeError, match="api"):
        rows(found, 3.0, 0, 0)


@pytest.mark.parametrize(
    ("last", "end", "broken"),
    [
        ((12.0, 91.0, 1), (3.0, 0, 0), {"soak, webhooks not accepted"}),
        ((12.0, 100.0, 0), (3.0, 0, 0), {"soak, memory of api, last minute against the third"}),
        (
            (20.0, 91.0, 0),
            (3.0, 0, 0),
            {f"soak, webhook p{percent}, last minute against the first" for percent in (50, 99)},
        ),
        ((12.0, 91.0, 0), (3.0, 7, 0), {"soak, lag at the end"}),
        ((12.0, 91.0, 0), (3.0, 0, 2), {"soak, deployments that did not succeed"}),
    ],
)
def test_a_soak_breaks_on_each_of_its_bars(
    last: tuple[float, float, int], end: tuple[float, int, int], broken: set[str]
) -> None:
    found = rows(minutes((10, 50, 0), (11, 90, 0), (12, 90, 0), last), *end)
    assert {one.name for one in found if not one.holds} == broken


def test_a_run_that_is_ended_leaves_no_folder() -> None:
    run = (
        "import time\nfrom local.bench.parts import folder\n"
        "with folder() as here:\n    print(here, flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", run], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        here = Path(child.stdout.readline().strip())
        assert here.is_dir()
        child.terminate()
        assert child.wait(20) == 128 + signal.SIGTERM
    assert not here.exists()
