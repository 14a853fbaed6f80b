"""Keys that stay transient by themselves: they hold up nobody and have an end; an outage of all ends nobody."""

import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from stoa.entrypoints.kafka import PARKED_AT_ONCE, Consumer
from stoa.kernel.database import Database
from stoa.kernel.envelope import Message
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.log import log
from stoa.kernel.outbox import Row

SCALE = 1000.0


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
        self.dead: list[Row] = []
        self.ends: list[tuple[int, Refused]] = []
        # 10 minutes become 0.6 s, a day 86 s and an hour 3.6 s; the tests move the rows' times
        self.consumer = Consumer("f", database, self.dead.extend, self.handle, self.end, True, SCALE)

    def handle(self, message: Message) -> None:
        number = message.data["n"]
        self.asked.append(number)
        if number in self.stuck:
            raise Transient("vault", "403 for this path")
        if number < 0:
            raise Refused("SPEC_INVALID", "no paths")
        self.done.append(number)

    def end(self, message: Message, error: Refused) -> None:
        self.ends.append((message.data["n"], error))

    def process(self, *numbers: int, key: str | None = None) -> list[int]:
        records = [self.record(n, key or f"k{n}") for n in numbers]
        answer = self.consumer.process({"records": {"deploy-requests-0": records}}, lambda: 60_000)
        return [item["itemIdentifier"]["offset"] for item in answer["batchItemFailures"]]

    def tick(self) -> int:
        return self.consumer.retry_parked(lambda: 60_000)

    def later(self, hours: float) -> None:
        """So many hours go by."""
        gone = timedelta(hours=hours / SCALE)
        with self.database.transaction() as connection:
            connection.execute("UPDATE waiting_keys SET since = since - %s", (gone,))
            connection.execute("UPDATE parked SET parked_at = parked_at - %s", (gone,))
            connection.execute(
                "UPDATE consumer_progress SET last_success = last_success - %s, well_since = well_since - %s",
                (gone, gone),
            )

    def patience_over(self) -> None:
        self.later(1)
        with self.database.transaction() as connection:
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
    fed.later(0.1)
    fed.stuck = set(range(2, 9))
    for _ in range(3):
        assert fed.process(*range(2, 9)) == list(range(2, 9))
        fed.later(1)
    assert fed.parked() == 0


def test_a_key_alone_waits_until_another_shows_that_the_system_is_well(fed: Fed) -> None:
    fed.stuck = {1}
    for _ in range(3):
        assert fed.process(1) == [1]
        fed.later(3)
    assert fed.process(2) == []
    fed.later(3)
    assert fed.process(1) == []
    assert (fed.parked(), fed.done) == (1, [2])


def test_a_key_is_parked_when_another_went_on_since_it_began_to_wait_however_long_ago(fed: Fed) -> None:
    fed.stuck = {1, 2, 3}
    fed.process(1, 2)
    fed.process(5)
    fed.later(3)
    fed.process(3)
    fed.later(0.1)
    assert fed.process(1, 2, 3) == [3], "the third waits for less than ten minutes"
    assert fed.parked() == 2


def test_what_went_on_right_before_a_key_began_to_wait_does_not_hide_what_went_on_right_after(fed: Fed) -> None:
    fed.stuck = {1}
    assert fed.process(0, 1, 2) == [1]
    fed.later(1)
    assert fed.process(1) == []
    assert fed.parked() == 1


def stuck_for_a_day(fed: Fed) -> None:
    """Record 1 and, behind it, 2 and 3 of the same key are parked; the system has nothing against others."""
    fed.process(0)
    fed.stuck = {1, 2}
    fed.process(1, key="stuck")
    fed.patience_over()
    assert fed.process(1, 2, 3, key="stuck") == []
    fed.later(23.5)


def others_go_on(fed: Fed, number: int) -> None:
    with fed.database.transaction() as connection:
        connection.execute("UPDATE consumer_progress SET last_success = last_success - interval '1 second'")
    assert fed.process(number) == []


def test_a_parked_record_ends_after_a_day_in_which_others_went_on_and_the_next_gets_its_own(fed: Fed) -> None:
    stuck_for_a_day(fed)
    others_go_on(fed, 10)
    fed.later(4)
    assert fed.tick() == 0, "one success alone may be the flicker of a system that is down"
    others_go_on(fed, 11)
    assert fed.tick() == 1, "the first is over, the second fails for the first time"
    (number, error), *more = fed.ends
    assert (number, error.code, more) == (1, "GAVE_UP", [])
    assert "vault" in error.detail
    assert "since 20" in error.detail
    assert "vault" in str(error.hint)
    assert [(row.topic, row.headers["dlq_code"], row.headers["ce_id"]) for row in fed.dead] == [
        ("deploy-requests.dlq", "GAVE_UP", "e1")
    ]
    assert fed.tick() == 0
    fed.later(22)
    for number in (12, 13):
        fed.later(3)
        others_go_on(fed, number)
    assert (fed.tick(), fed.parked()) == (2, 0)
    assert (fed.ends[1][0], fed.done[-1]) == (2, 3)


def test_an_outage_of_all_ends_no_record_however_long_it_is_and_neither_does_its_bumpy_end(fed: Fed) -> None:
    stuck_for_a_day(fed)
    for _ in range(3):
        fed.later(24)
        assert fed.tick() == 0
    others_go_on(fed, 10)
    assert fed.tick() == 0
    fed.later(0.5)
    others_go_on(fed, 11)
    assert fed.tick() == 0
    assert (fed.ends, fed.dead, fed.parked()) == ([], [], 3)
    fed.stuck = set()
    assert fed.tick() == 3
    assert fed.done[-3:] == [1, 2, 3]


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
    assert [fed.process(number) for number in numbers] == [[]] * len(numbers)
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
