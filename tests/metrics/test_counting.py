"""What is counted: one line of CloudWatch's format per set of dimensions, and never a failure for a metric."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fastapi import Request

from functions.api import limits
from stoa.entrypoints.kafka import MAX_TRIES, Consumer
from stoa.kernel import inbox, metrics
from stoa.kernel.database import Database
from stoa.kernel.envelope import position
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.rate_limit import Policy


@pytest.fixture
def lines(capsys: Any) -> Callable[[], list[dict[str, Any]]]:
    """The metric lines since the last call."""
    metrics.flush()  # what tests before left
    capsys.readouterr()

    def read() -> list[dict[str, Any]]:
        metrics.flush()
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
        return [line for line in found if "_aws" in line]

    return read


def test_a_line_names_its_metrics_and_dimensions_as_cloudwatch_reads_them(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    metrics.PROCESSED.add(2, topic="a")
    metrics.PROCESSED.add(topic="a")
    metrics.WAITING.add(topic="a")
    metrics.LAUNCH_LATENCY.add(12.5)
    by_metric = {line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"]: line for line in lines()}
    assert set(by_metric) == {"records_processed", "launch_latency"}, "metrics of the same dimensions share a line"
    (said,) = by_metric["records_processed"]["_aws"]["CloudWatchMetrics"]
    assert (said["Namespace"], [sorted(one) for one in said["Dimensions"]]) == (
        "stoa/local",
        [["function", "service", "topic"]],
    )
    assert [one["Unit"] for one in said["Metrics"]] == ["Count", "Count"]
    assert isinstance(by_metric["records_processed"]["_aws"]["Timestamp"], int)
    values = {name: by_metric["records_processed"][name] for name in ("records_processed", "records_waiting", "topic")}
    assert values == {"records_processed": [3.0], "records_waiting": [1.0], "topic": "a"}
    assert by_metric["launch_latency"]["launch_latency"] == [12.5]
    assert lines() == [], "told once"


def test_no_line_has_more_values_than_the_format_takes_and_none_is_lost(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    for number in range(250):
        metrics.LAUNCH_LATENCY.add(number)
    found = [line["launch_latency"] for line in lines()]
    assert sorted(value for values in found for value in values) == list(range(250))
    assert max(len(values) for values in found) < 100


def test_nothing_fails_for_its_metric(monkeypatch: Any, capsys: Any) -> None:
    class Closed:
        def write(self, _text: str) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    metrics.PROCESSED.add(topic="a")
    metrics.flush()
    monkeypatch.undo()
    metrics.flush()


def test_what_comes_too_often_is_counted_by_whose_limit(
    lines: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "failures", limits.Failures(Policy("address", per_s=0.001, burst=1)))
    request = Request({"type": "http", "state": {"headers": []}})
    codes = []
    for _ in range(3):
        with pytest.raises(Refused) as caught, limits.listening(request, "192.0.2.1"):
            raise Refused("INVALID_TOKEN", "no", status=401)
        codes.append(caught.value.code)
    assert codes == ["INVALID_TOKEN", "RATE_LIMITED", "RATE_LIMITED"]
    (line,) = lines()
    assert (line["limit"], line["requests_limited"]) == ("address", [2.0])


def test_every_end_of_a_record_is_counted_by_its_topic(
    lines: Callable[[], list[dict[str, Any]]], database: Database, record: Callable[..., dict[str, Any]]
) -> None:
    ends: dict[str, Exception | None] = {
        "good": None,
        "bad": Refused("NO", "never"),
        "down": Transient("awx", "away"),
        "bug": ValueError("a bug"),
    }

    def handle(message: Any) -> None:
        if error := ends[message.key]:
            raise error

    consumer = Consumer("f", database, lambda _rows: None, handle, None, True, time_scale=1e6)
    records = [record(number, key) for number, key in enumerate((*ends, "stuck"))]
    with database.transaction() as connection:
        earlier = replace(position(records[-1]), offset=99)
        inbox.park(connection, "f.deploy-requests", str(records[-1]["key"]), earlier, {})
    consumer.process({"records": {"deploy-requests-0": records}}, lambda: 60_000)
    for _ in range(MAX_TRIES):
        consumer.process({"records": {"deploy-requests-0": records[3:4]}}, lambda: 60_000)
    (line,) = lines()
    assert line["topic"] == "deploy-requests"
    assert {name: values[0] for name, values in line.items() if name.startswith("records_")} == {
        "records_processed": 1,
        "records_refused": 1,
        "records_waiting": 1 + MAX_TRIES,
        "records_given_up": 1,
        "records_parked": 1,
    }
