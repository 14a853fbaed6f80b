"""What happens to each record of a batch: done, waiting, parked or refused; never lost, never out of order."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stoa.entrypoints.kafka import MAX_TRIES, Consumer
from stoa.kernel import clock
from stoa.kernel.database import Database
from stoa.kernel.envelope import Message
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.outbox import Row

TOPIC = "deploy-requests"


def record(offset: int, key: str = "k", **headers: str) -> dict[str, Any]:
    said = {"ce_id": f"e{offset}", "ce_type": "t", "ce_source": "s", "ce_time": "now", "ce_subject": key, **headers}
    return {
        "topic": TOPIC,
        "partition": 0,
        "offset": offset,
        "key": base64.b64encode(key.encode()).decode(),
        "value": base64.b64encode(b'{"n":%d}' % offset).decode(),
        "headers": [{name: list(value.encode())} for name, value in said.items()],
    }


def event(*records: dict[str, Any]) -> dict[str, Any]:
    return {"records": {f"{TOPIC}-0": list(records)}}


def offsets(answer: dict[str, Any]) -> list[int]:
    return [item["itemIdentifier"]["offset"] for item in answer["batchItemFailures"]]


class Bench:
    """A consumer over real PostgreSQL, whose work the test decides."""

    def __init__(self, database: Database, *, partial: bool = True) -> None:
        self.done: list[int] = []
        self.given_up: list[str] = []
        self.dead: list[Row] = []
        self.behave: Callable[[Message], None] = lambda _: None
        self.consumer = Consumer("f", database, self.send, self.handle, self.give_up, partial, 1000.0)

    def handle(self, message: Message) -> None:
        self.behave(message)
        self.done.append(message.data["n"])

    def give_up(self, _message: Message, error: Refused) -> None:
        self.given_up.append(error.code)

    def send(self, rows: Sequence[Row]) -> None:
        self.dead += rows

    def process(self, *records: dict[str, Any], remaining: int = 60_000) -> list[int]:
        return offsets(self.consumer.process(event(*records), lambda: remaining))


@pytest.fixture
def bench(database: Database) -> Bench:
    return Bench(database)


def raises(error: Exception, *numbers: int) -> Callable[[Message], None]:
    def behave(message: Message) -> None:
        if message.data["n"] in numbers:
            raise error

    return behave


def test_a_transient_record_holds_back_its_key_and_no_other(bench: Bench) -> None:
    bench.behave = raises(Transient("awx", "down"), 1)
    assert bench.process(record(1, "a"), record(2, "b"), record(3, "a"), record(4, "b")) == [1, 3]
    assert bench.done == [2, 4]


def test_a_refused_record_goes_to_the_dead_letter_topic_with_its_reason_and_delays_nobody(bench: Bench) -> None:
    bench.behave = raises(Refused("SPEC_INVALID", "no paths", file="openapi.yaml", line=3), 1)
    assert bench.process(record(1), record(2)) == []
    assert bench.done == [2]
    assert bench.given_up == ["SPEC_INVALID"]
    parked = bench.dead[0]
    assert (parked.topic, parked.key, parked.value) == (f"{TOPIC}.dlq", "k", b'{"n":1}')
    assert parked.headers["dlq_reason"] == "openapi.yaml:3: no paths"
    assert (parked.headers["dlq_code"], parked.headers["dlq_offset"], parked.headers["ce_id"]) == (
        "SPEC_INVALID",
        "1",
        "e1",
    )


@pytest.mark.parametrize("broken", [{"value": "!!"}, {"value": "é"}, {"headers": []}, {"key": None}, {"value": None}])
def test_a_record_that_cannot_be_read_is_parked(bench: Bench, broken: dict[str, Any]) -> None:
    assert bench.process({**record(1), **broken}, record(2, "other")) == []
    assert (bench.done, len(bench.dead)) == ([2], 1)


def test_a_bug_is_tried_five_times_and_then_parked(bench: Bench) -> None:
    bench.behave = raises(ZeroDivisionError(), 1)
    answers = [bench.process(record(1), record(2)) for _ in range(MAX_TRIES + 1)]
    assert answers == [[1, 2]] * MAX_TRIES + [[]]
    assert (bench.done, bench.given_up) == ([2], ["GAVE_UP"])


def test_a_record_that_kills_the_process_is_parked_too(bench: Bench) -> None:
    bench.behave = raises(KeyboardInterrupt(), 1)  # type: ignore[arg-type]
    for _ in range(MAX_TRIES):
        with pytest.raises(KeyboardInterrupt):
            bench.process(record(1))
    assert bench.process(record(1)) == []
    assert bench.given_up == ["GAVE_UP"]


def test_a_long_outage_uses_up_no_tries(bench: Bench) -> None:
    bench.behave = raises(Transient("awx", "down"), 1)
    for _ in range(MAX_TRIES * 3):
        assert bench.process(record(1)) == [1]
    bench.behave = lambda _: None
    assert (bench.process(record(1)), bench.done, bench.dead) == ([], [1], [])


def test_a_system_that_does_not_answer_is_not_asked_for_every_record(bench: Bench) -> None:
    asked: list[int] = []

    def down(message: Message) -> None:
        asked.append(message.data["n"])
        raise Transient("awx", "timeout")

    bench.behave = down
    assert bench.process(*(record(n, f"k{n}") for n in range(8))) == list(range(8))
    assert asked[:2] == [0, 1]
    assert len(asked) == 3, "one more is asked, to learn whether it is the system or these two"


def test_a_system_that_fails_everybody_has_the_rest_that_it_asks_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(clock, "sleep", slept.append)

    def busy(message: Message) -> None:
        raise Transient("awx" if message.data["n"] < 9 else "channel", "busy", retry_after_s=7)

    bench.behave = busy
    bench.process(record(1, "a"), record(2, "b"))
    bench.process(record(9, "c"))
    assert slept == [7, pytest.approx(0.002)], "of one that fails for one key only nobody is to wait"


def test_a_function_that_runs_out_of_time_leaves_the_rest_in_order(bench: Bench) -> None:
    assert bench.process(record(1), record(2, "b"), remaining=4_000) == [1, 2]


def test_nothing_is_begun_that_could_be_killed_in_the_middle_of_its_call(bench: Bench) -> None:
    bench.consumer = replace(bench.consumer, reserve_ms=45_000)
    assert bench.process(record(1), remaining=44_000) == [1]
    assert bench.process(record(1), remaining=46_000) == []
    assert bench.done == [1]


def test_without_partial_answers_a_failure_raises(database: Database) -> None:
    bench = Bench(database, partial=False)
    bench.behave = raises(Transient("awx", "down"), 1)
    with pytest.raises(RuntimeError, match="1 records"):
        bench.process(record(1))


def test_a_dead_letter_topic_that_is_down_brings_the_record_back(bench: Bench) -> None:
    bench.behave = raises(Refused("SPEC_INVALID", "no paths"), 1)
    bench.send = lambda _rows: (_ for _ in ()).throw(Transient("kafka", "down"))  # type: ignore[method-assign]
    consumer = Consumer("f", bench.consumer.database, bench.send, bench.handle, bench.give_up, True, 1000)
    assert offsets(consumer.process(event(record(1)), lambda: 60_000)) == [1]
    assert [offsets(consumer.process(event(record(1)), lambda: 60_000)) for _ in range(MAX_TRIES + 1)][-1] == [1]
    assert bench.process(record(1)) == []
    assert [row.headers["dlq_code"] for row in bench.dead] == ["SPEC_INVALID"], "a long outage leaves the reason alone"


def test_a_key_that_stays_transient_is_parked_with_what_follows_and_released_in_order(database: Database) -> None:
    bench = Bench(database)
    bench.behave = raises(Transient("gitlab", "this project times out"), 1, 3)
    assert bench.process(record(1, "stuck"), record(2, "well")) == [1]
    patience_over(database)
    assert bench.process(record(1, "stuck"), record(3, "stuck"), record(4, "well")) == []
    assert bench.done == [2, 4]
    assert bench.consumer.retry_parked(lambda: 60_000) == 0
    bench.behave = lambda _: None
    assert bench.process(record(5, "stuck")) == []
    assert bench.done == [2, 4]
    assert bench.consumer.retry_parked(lambda: 60_000) == 3
    assert bench.done == [2, 4, 1, 3, 5]
    assert bench.process(record(6, "stuck")) == []
    assert bench.done[-1] == 6


def patience_over(database: Database) -> None:
    """Ten minutes are 0.6 s at the scale of the bench."""
    with database.transaction() as connection:
        connection.execute("UPDATE waiting_keys SET since = since - interval '1 second'")
        connection.execute("UPDATE consumer_progress SET last_success = now() + interval '1 second'")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=st.lists(st.sampled_from("abc"), min_size=1, max_size=8),
    outages=st.lists(st.sets(st.sampled_from("abc")), max_size=4),
    checkpoint=st.booleans(),
)
def test_after_any_outage_every_record_was_done_and_each_key_in_order(
    database: Database, keys: list[str], outages: list[set[str]], checkpoint: bool
) -> None:
    """Both readings of a partial answer: only what was reported comes again, or all from the lowest."""
    bench = Bench(database)
    log = [record(n, key, ce_id=f"{id(bench)}-{n}") for n, key in enumerate(keys)]
    first: dict[str, list[int]] = {key: [] for key in keys}
    left = log
    for down in [*outages, set()]:
        bench.behave = lambda m, down=down: _outage(m, down)  # type: ignore[misc]
        while left:
            failed = set(bench.process(*left))
            lowest = min(failed, default=len(log))
            left = [r for r in log if (r["offset"] >= lowest if checkpoint else r["offset"] in failed)]
            if down:
                break
    for n in bench.done:
        if n not in first[keys[n]]:
            first[keys[n]].append(n)
    assert first == {key: [n for n, k in enumerate(keys) if k == key] for key in keys}
    assert bench.dead == []


def _outage(message: Message, down: set[str]) -> None:
    if message.key in down:
        raise Transient("awx", "down")


def test_a_record_whose_end_cannot_be_told_blocks_nobody(bench: Bench) -> None:
    def untold(_message: Message, error: Refused) -> None:
        raise Refused("INVALID_VALUE", "not even that") if error.code == "SPEC_INVALID" else RuntimeError("a bug")

    consumer = Consumer("f", bench.consumer.database, bench.send, bench.handle, untold, True, 1000)
    bench.behave = raises(Refused("SPEC_INVALID", "no paths"), 1)
    assert offsets(consumer.process(event(record(1)), lambda: 60_000)) == []
    bench.behave = raises(RuntimeError("a bug"), 2)
    tries = [offsets(consumer.process(event(record(2)), lambda: 60_000)) for _ in range(MAX_TRIES + 1)]
    assert tries == [[2]] * MAX_TRIES + [[]]
    assert [row.headers["dlq_code"] for row in bench.dead] == ["SPEC_INVALID", "GAVE_UP"]


def test_a_record_that_not_even_the_dead_letter_topic_takes_blocks_nobody(bench: Bench) -> None:
    def too_long(_rows: Sequence[Row]) -> None:
        raise Refused("RECORD_TOO_LARGE", "the key alone is")

    consumer = Consumer("f", bench.consumer.database, too_long, bench.handle, bench.give_up, True, 1000)
    bench.behave = raises(Refused("SPEC_INVALID", "no paths"), 1)
    assert offsets(consumer.process(event(record(1), record(2)), lambda: 60_000)) == []
    assert bench.done == [2]


def test_a_parked_record_that_meets_a_bug_is_given_up_and_what_follows_goes_on(database: Database) -> None:
    bench = Bench(database)
    bench.behave = raises(Transient("gitlab", "this project times out"), 1)
    assert bench.process(record(1, "stuck"), record(2, "well")) == [1]
    patience_over(database)
    assert bench.process(record(1, "stuck"), record(3, "stuck")) == []
    bench.behave = raises(RuntimeError("a bug"), 1)
    assert [bench.consumer.retry_parked(lambda: 60_000) for _ in range(MAX_TRIES)] == [0] * MAX_TRIES
    assert bench.consumer.retry_parked(lambda: 60_000) == 2
    assert (bench.done, bench.dead[0].headers["dlq_code"]) == ([2, 3], "GAVE_UP")
