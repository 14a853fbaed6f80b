"""The outbox publishes every committed event at least once and never swaps two events of one key."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from stoa.kernel import ids, outbox
from stoa.kernel.database import Database
from stoa.kernel.envelope import Event
from stoa.kernel.errors import Transient
from stoa.kernel.publisher import Publisher


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
    """Where rows go that Kafka acknowledged; `down` refuses them."""

    def __init__(self) -> None:
        self.rows: list[outbox.Row] = []
        self.down = False

    def send(self, rows: Sequence[outbox.Row]) -> None:
        if self.down:
            raise Transient("kafka", "stopped")
        self.rows += rows


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
    assert outbox.oldest_age_s(database) > 0
    log.down = False
    assert publisher.relay() == 5
    assert publisher.relay() == 0
    assert [b'"number":%d' % n in row.value for n, row in enumerate(log.rows)] == [True] * 5
    assert outbox.oldest_age_s(database) == 0


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
        thread.join(30)
    assert len(log.rows) == 240
    for key in keys:
        seqs = [row.seq for row in log.rows if row.key == key]
        assert seqs == sorted(seqs)


def test_a_row_committed_while_its_key_is_being_sent_does_not_wait_for_the_relay(database_url: str) -> None:
    log, sending, go_on = Log(), threading.Event(), threading.Event()

    def slow(rows: Sequence[outbox.Row]) -> None:
        sending.set()
        go_on.wait(10)
        log.send(rows)

    first, second = connected(database_url), connected(database_url)
    with first.transaction() as connection:
        outbox.add(connection, [event("k", 1)])
    slow_one = threading.Thread(target=outbox.publish, args=(first, slow, ["k"]))
    slow_one.start()
    sending.wait(10)
    with second.transaction() as connection:
        outbox.add(connection, [event("k", 2)])
    quick_one = threading.Thread(target=outbox.publish, args=(second, log.send, ["k"]))
    quick_one.start()
    assert outbox.publish(connected(database_url), log.send, ["k"], patient=False) == 0
    go_on.set()
    for thread in (slow_one, quick_one):
        thread.join(10)
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


def connected(url: str) -> Database:
    from stoa.kernel.settings import Secret

    return Database(Secret(url), "stoa_worker")
