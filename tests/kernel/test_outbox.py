"""The outbox publishes every committed event at least once and never swaps two events of one key."""

import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from stoa.kernel import ids, metrics, outbox
from stoa.kernel.database import Database
from stoa.kernel.envelope import Event
from stoa.kernel.errors import Transient
from stoa.kernel.publisher import KEYS_AT_ONCE, SEND_MS, Publisher
from stoa.kernel.settings import Secret


def event(key: str, number: int) -> Event:
    return Event(
        topic="deploy-requests",
        key=key,
        type="t",
        subject=key,
        tenant="tenant-acme",
        actor="a",
        trace_id=ids.trace_id(),
        time=datetime.now(UTC),
        data={"number": number},
    )


class Log:
    """Where rows go that Kafka acknowledged; `down` refuses them, and no topic takes one above `largest` bytes."""

    def __init__(self, largest: int = 1_000_000) -> None:
        self.rows: list[outbox.Row] = []
        self.down = False
        self.largest = largest

    def send(self, rows: Sequence[outbox.Row]) -> None:
        if self.down:
            raise Transient("kafka", "stopped")
        self.rows += [row for row in rows if len(row.value) <= self.largest]
        if too_large := [row for row in rows if len(row.value) > self.largest]:
            raise outbox.TooLarge(too_large)


def test_an_event_of_a_rolled_back_change_is_never_published(database: Database) -> None:
    log = Log()

    def change_and_fail() -> None:
        with database.transaction() as connection:
            outbox.add(connection, [event("k", 1)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()
    assert outbox.publish(database, log.send, ["k"]) == 0


def test_what_kafka_refused_is_published_later_in_order_and_once(database: Database) -> None:
    log = Log()
    log.down = True
    publisher = Publisher(database, log.send, wait_s=5)
    for number in range(5):
        with database.transaction() as connection:
            keys = outbox.add(connection, [event("k", number)])
        publisher.soon(keys)
    log.down = False
    assert publisher.relay() == 5
    assert publisher.relay() == 0
    assert [b'"number":%d' % n in row.value for n, row in enumerate(log.rows)] == [True] * 5


def test_the_relay_waits_for_what_is_still_sent_in_the_background(database: Database, database_url: str) -> None:
    """Its heartbeat may still be on its way when the next tick comes: two threads on one connection would end in each
    other's transactions, and nothing would be committed any more."""
    log, sending, goes_on = Log(), threading.Event(), threading.Event()

    def send(rows: Sequence[outbox.Row]) -> None:
        sending.set()
        assert goes_on.wait(10)
        log.send(rows)

    own = connected(database_url)
    publisher = Publisher(own, send, wait_s=0)
    with database.transaction() as connection:
        keys = outbox.add(connection, [event("k", 1)])
    publisher.soon(keys)
    assert sending.wait(10)
    with database.transaction() as connection:
        outbox.add(connection, [event("l", 2)])
    threading.Timer(0.3, goes_on.set).start()
    assert publisher.relay() == 1
    with database.transaction() as connection:
        (left,) = connection.execute("SELECT count(*) AS n FROM outbox WHERE published_at IS NULL").fetchall()
    assert (left["n"], [row.key for row in log.rows]) == (0, ["k", "l"])
    own.close()


def test_the_relay_begins_nothing_that_its_function_could_not_end(database: Database) -> None:
    log = Log()
    with database.transaction() as connection:
        outbox.add(connection, [event(f"k{number}", number) for number in range(KEYS_AT_ONCE + 1)])
    left = iter([SEND_MS, SEND_MS - 1])
    assert Publisher(database, log.send, wait_s=0).relay(lambda: next(left)) == KEYS_AT_ONCE
    assert Publisher(database, log.send, wait_s=0).relay() == 1


def test_the_relay_says_how_long_events_have_waited_also_when_kafka_is_away(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    log = Log()
    log.down = True
    publisher = Publisher(database, log.send, wait_s=5)
    metrics.flush()
    capsys.readouterr()
    assert publisher.relay() == 0
    with database.transaction() as connection:
        outbox.add(connection, [event("k", 1)])
        connection.execute("UPDATE outbox SET created_at = created_at - interval '200 s'")
    with pytest.raises(Transient):
        publisher.relay()
    metrics.flush()
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "outbox_age" in line]
    assert [round(ms, -4) for line in said for ms in line["outbox_age"]] == [0, 200_000]


def test_two_publishers_at_once_send_every_row_once_and_in_order(database_url: str) -> None:
    log, keys = Log(), [f"k{n}" for n in range(4)]
    writer = connected(database_url)
    for number in range(60):
        with writer.transaction() as connection:
            outbox.add(connection, [event(key, number) for key in keys])

    def drain() -> None:
        own = connected(database_url)
        while outbox.waiting_keys(own, 10):
            outbox.publish(own, log.send, keys)

    threads = [threading.Thread(target=drain) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(log.rows) == 240
    for key in keys:
        seqs = [row.seq for row in log.rows if row.key == key]
        assert seqs == sorted(seqs)


def test_a_row_committed_while_its_key_is_being_sent_does_not_wait_for_the_relay(database_url: str) -> None:
    log, sending, go_on = Log(), threading.Event(), threading.Event()

    def slow(rows: Sequence[outbox.Row]) -> None:
        sending.set()
        go_on.wait(60)
        log.send(rows)

    first, second = connected(database_url), connected(database_url)
    with first.transaction() as connection:
        outbox.add(connection, [event("k", 1)])
    slow_one = threading.Thread(target=outbox.publish, args=(first, slow, ["k"]))
    slow_one.start()
    sending.wait(60)
    with second.transaction() as connection:
        outbox.add(connection, [event("k", 2)])
    quick_one = threading.Thread(target=outbox.publish, args=(second, log.send, ["k"]))
    quick_one.start()
    assert outbox.publish(connected(database_url), log.send, ["k"], patient=False) == 0
    go_on.set()
    for thread in (slow_one, quick_one):
        thread.join(60)
    assert [row.seq for row in log.rows] == [1, 2]


def test_a_publisher_that_dies_after_sending_sends_the_same_event_again(database: Database) -> None:
    sent: list[outbox.Row] = []

    def send_and_die(rows: Sequence[outbox.Row]) -> None:
        sent.extend(rows)
        raise KeyboardInterrupt

    with database.transaction() as connection:
        outbox.add(connection, [event("k", 1)])
    with pytest.raises(KeyboardInterrupt):
        outbox.publish(database, send_and_die, ["k"])
    log = Log()
    assert outbox.publish(database, log.send, ["k"]) == 1
    assert log.rows[0].headers["ce_id"] == sent[0].headers["ce_id"]


def test_an_event_too_large_for_kafka_is_set_aside_and_nothing_waits_for_it(database: Database) -> None:
    log = Log(largest=500)
    publisher = Publisher(database, log.send, wait_s=5)
    with database.transaction() as connection:
        large = [event("k", n) for n in (10**600, 10**601)]
        keys = outbox.add(connection, [event("k", 1), large[0], event("k", 2), event("other", 3), large[1]])
    publisher.soon(keys)
    assert [(row.key, row.seq) for row in log.rows] == [("k", 1), ("k", 3), ("other", 4)]
    assert publisher.relay() == 0, "it is not tried again"
    with database.transaction() as connection:
        aside = connection.execute("SELECT event_id, refused FROM outbox WHERE published_at IS NULL").fetchall()
    assert [(row["event_id"], row["refused"]) for row in aside] == [(e.id, "EVENT_TOO_LARGE") for e in large]


def test_the_relay_goes_on_behind_a_batch_of_nothing_but_large_events(database: Database, monkeypatch: Any) -> None:
    monkeypatch.setattr("stoa.kernel.publisher.KEYS_AT_ONCE", 1)
    log = Log(largest=500)
    with database.transaction() as connection:
        outbox.add(connection, [event("first", 10**600), event("second", 1)])
    Publisher(database, log.send, wait_s=5).relay()
    assert [row.key for row in log.rows] == ["second"]


def connected(url: str) -> Database:
    return Database(Secret(url), "stoa_worker")
