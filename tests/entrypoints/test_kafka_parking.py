"""Keys that stay transient by themselves: they hold up nobody, and nobody is parked for an outage of all."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from stoa.entrypoints.kafka import PARKED_AT_ONCE, Consumer
from stoa.kernel.database import Database
from stoa.kernel.envelope import Message
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.log import log


@pytest.fixture
def fed(database: Database, record: Callable[..., dict[str, Any]]) -> "Fed":
    return Fed(database, record)


class Fed:
    """A consumer over real PostgreSQL; `stuck` are the numbers whose system does not answer."""

    def __init__(self, database: Database, record: Callable[..., dict[str, Any]]) -> None:
        self.database, self.record = database, record
        self.stuck: set[int] = set()
        self.done: list[int] = []
        self.asked: list[int] = []
        # 10 minutes become 6 ms, "well within a minute" 0.6 ms at this scale; the tests move the rows' times
        self.consumer = Consumer("f", database, lambda _rows: None, self.handle, None, True, 100_000.0)

    def handle(self, message: Message) -> None:
        number = message.data["n"]
        self.asked.append(number)
        if number in self.stuck:
            raise Transient("vault", "403 for this path")
        if number < 0:
            raise Refused("SPEC_INVALID", "no paths")
        self.done.append(number)

    def process(self, *numbers: int) -> list[int]:
        records = [self.record(n, f"k{n}") for n in numbers]
        answer = self.consumer.process({"records": {"deploy-requests-0": records}}, lambda: 60_000)
        return [item["itemIdentifier"]["offset"] for item in answer["batchItemFailures"]]

    def patience_over(self) -> None:
        with self.database.transaction() as connection:
            connection.execute("UPDATE waiting_keys SET since = since - interval '1 hour'")
            connection.execute("UPDATE consumer_progress SET last_success = now() + interval '1 second'")

    def parked(self) -> int:
        with self.database.transaction() as connection:
            row = connection.execute("SELECT count(*) AS n FROM parked").fetchone()
            return int(row["n"]) if row else 0


def test_two_stuck_keys_at_the_front_do_not_stop_a_partition(fed: Fed) -> None:
    fed.stuck = {1, 2}
    left = [1, 2, 3, 4, 5]
    while len(left) > 2:
        before, left = left, fed.process(*left)
        assert set(left) < set(before), "one more key is tried, and shows that the system is well"
    assert left == [1, 2]
    fed.patience_over()
    assert fed.process(1, 2, 6) == []
    assert fed.parked() == 2


def test_an_outage_of_all_parks_nobody(fed: Fed) -> None:
    assert fed.process(1) == []
    with fed.database.transaction() as connection:
        connection.execute("UPDATE consumer_progress SET last_success = last_success - interval '1 hour'")
    fed.stuck = set(range(2, 9))
    for _ in range(3):
        assert fed.process(*range(2, 9)) == list(range(2, 9))
        with fed.database.transaction() as connection:
            connection.execute("UPDATE waiting_keys SET since = since - interval '1 hour'")
    assert fed.parked() == 0


def test_a_refused_record_does_not_prove_that_a_system_is_well(fed: Fed) -> None:
    assert fed.process(-1) == []
    with fed.database.transaction() as connection:
        assert connection.execute("SELECT 1 FROM consumer_progress").fetchone() is None


def test_parked_keys_that_stay_stuck_do_not_starve_the_others(fed: Fed) -> None:
    numbers = range(1, PARKED_AT_ONCE + 10)
    fed.process(0)
    fed.stuck = set(numbers)
    for number in numbers:
        fed.process(number)
        fed.patience_over()
        assert fed.process(number) == []
    assert fed.parked() == len(numbers)
    fed.stuck = set(list(numbers)[:-1])
    ticks = 0
    while fed.parked() == len(numbers):
        fed.asked.clear()
        fed.consumer.retry_parked(lambda: 60_000)
        assert len(fed.asked) <= 3, "a system that does not answer is not asked for every key"
        ticks += 1
        assert ticks < len(numbers)
    assert fed.done[-1] == numbers[-1]


def test_a_tick_without_time_asks_nobody(fed: Fed) -> None:
    fed.process(0)
    fed.stuck = {1}
    fed.process(1)
    fed.patience_over()
    fed.process(1)
    fed.asked.clear()
    assert fed.consumer.retry_parked(lambda: 1_000) == 0
    assert fed.asked == []


def test_the_trace_of_one_record_is_not_on_the_lines_of_the_next(
    fed: Fed, record: Callable[..., dict[str, Any]]
) -> None:
    written = io.StringIO()
    usual = log.registered_handler.setStream(written)
    parent = f"00-{'a' * 32}-{'b' * 16}-01"
    first = record(-1, "a", ce_traceparent=parent)
    unreadable = {**record(2, "b"), "value": "!!"}
    fed.consumer.process({"records": {"deploy-requests-0": [first, unreadable]}}, lambda: 60_000)
    log.registered_handler.setStream(usual)
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [line.get("trace_id") for line in lines if line["message"] == "record.refused"] == [f"trc-{'a' * 32}", None]
