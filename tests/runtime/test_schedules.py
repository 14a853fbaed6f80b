"""Schedules: at a fixed rate, one at a time, and a failed tick does not stop the next."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent

from local.runtime import processes, schedule
from local.runtime.worker import FunctionError

OUR_SAMPLES = Path(__file__).resolve().parents[2] / "events/samples"
SAMPLES = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "lambda"


def ticks(every_s: float, takes_s: float, count: int) -> list[tuple[float, float]]:
    """Begin and end of so many ticks, all of which fail."""
    seen: list[tuple[float, float]] = []
    stopping = threading.Event()

    def invoke(_event: object) -> None:
        begin = time.monotonic()
        time.sleep(takes_s)
        seen.append((begin, time.monotonic()))
        if len(seen) == count:
            stopping.set()
        raise FunctionError("ValueError", "every tick fails", [])

    schedule.run(schedule.Rate("f", "", every_s, every_s, 5, 128, ""), invoke, stopping)
    return seen


def test_ticks_keep_their_rate_although_they_fail():
    begins = [begin for begin, _ in ticks(0.05, 0.01, 10)]
    assert begins[-1] - begins[0] == pytest.approx(0.45, abs=0.1)


def test_ticks_that_take_too_long_never_overlap():
    seen = ticks(0.02, 0.05, 5)
    assert all(end <= begin for (_, end), (begin, _) in zip(seen, seen[1:], strict=False))


@pytest.mark.parametrize(
    ("at", "hours"),
    [("02:00", 24), ("01:59", 1 / 60), ("02:01", 24 - 1 / 60), ("00:00", 2), ("23:00", 3)],
)
def test_a_daily_tick_waits_for_its_hour_in_utc(at: str, hours: float):
    moment = datetime.fromisoformat(f"2026-03-29T{at}:00+00:00")
    assert schedule.to_the_hour(2, moment) == pytest.approx(hours * 3600)
    assert schedule.to_the_hour(2, moment.astimezone(timezone(timedelta(hours=9)))) == pytest.approx(hours * 3600)
    assert schedule.to_the_hour(2, moment + timedelta(milliseconds=1)) == pytest.approx(hours * 3600 - 0.001)


def test_the_first_tick_comes_when_it_is_said():
    seen, stopping, begun = [], threading.Event(), time.monotonic()

    def invoke(_event: object) -> None:
        seen.append(time.monotonic() - begun)
        stopping.set()

    schedule.run(schedule.Rate("f", "", 0.1, 3600, 5, 128, ""), invoke, stopping)
    assert 0.1 <= seen[0] < 5


def test_the_event_is_what_eventbridge_sends():
    event = schedule.event("outbox_relay", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    read = EventBridgeEvent(event)
    assert (read.detail_type, read.source, read.time) == ("Scheduled Event", "aws.events", "2026-01-02T03:04:05Z")
    assert read.resources[0].endswith(":rule/outbox_relay")
    ours = json.loads((OUR_SAMPLES / "eventbridge-tick-of-a-schedule.json").read_text())
    assert (set(event), event["resources"][0].rpartition("/")[2]) == (set(ours), "outbox_relay")
    sample = SAMPLES / "eventBridgeEvent.json"
    if not sample.exists():
        pytest.skip(f"no sample events at {SAMPLES}")
    assert set(event) == set(json.loads(sample.read_text())) - {"replay-name"}


def test_the_process_calls_its_functions_until_it_is_stopped(tmp_path):
    ledger, mode = tmp_path / "ledger", tmp_path / "mode"
    ledger.touch()
    mode.write_text('{"raise": true}')
    rates = [schedule.Rate("t", "tests.runtime.functions_under_test:tick", 0.05, 0.05, 5, 128, str(tmp_path / "t.log"))]
    environment = {"RUNTIME_LEDGER": str(ledger), "RUNTIME_MODE": str(mode)}
    process = processes.start("local.runtime.schedule", [schedule.dump(rates)], environment, tmp_path / "log")
    deadline = time.monotonic() + 120
    while len(ledger.read_text().splitlines()) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    processes.stop(process)
    assert len(ledger.read_text().splitlines()) >= 3
    assert "this tick failed" in (tmp_path / "log").read_text()
    assert process.returncode == 0
