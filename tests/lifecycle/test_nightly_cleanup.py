"""What is done is forgotten when it cannot come again, and not before; in parts, so that a death costs nothing."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from cdk.wiring import DLQ_RETENTION_DAYS, FUNCTIONS, TOPICS
from stoa.kernel import inbox
from stoa.kernel.database import Database
from stoa.lifecycle import flows, model
from stoa.lifecycle.flows import Lifecycle

HOUR = timedelta(hours=1)
RUN = """
from functions.nightly_cleanup.handler import handler
from types import SimpleNamespace
print(handler({}, SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)))
"""


@pytest.fixture(autouse=True)
def parts_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "ROWS", 2)


def fill(url: str) -> None:
    """Five rows of each table are an hour too old, two an hour too young, and four events are not published at all."""
    with psycopg.connect(url) as connection:
        for number in range(7):
            age = HOUR if number < 5 else -HOUR
            connection.execute(
                "INSERT INTO inbox (consumer, event_id, claimed_at) VALUES ('f.t', %s, now() - %s::interval)",
                (f"e{number}", model.INBOX + age),
            )
            publish(connection, f"e{number}", None, model.OUTBOX + age)
        for number in range(4):
            publish(connection, f"waits{number}", "EVENT_TOO_LARGE" if number else None, None)


def publish(connection: psycopg.Connection, event_id: str, refused: str | None, age: timedelta | None) -> None:
    connection.execute(
        "INSERT INTO outbox (event_id, topic, key, headers, value, created_at, published_at, refused)"
        " VALUES (%s, 't', 'k', '{}', '', now() - interval '1 year', now() - %s::interval, %s)",
        (event_id, age, refused),
    )


def left(url: str) -> tuple[list[str], list[str]]:
    """Event ids in the inbox and in the outbox."""
    with psycopg.connect(url) as connection:
        tables = ("SELECT event_id FROM inbox ORDER BY 1", "SELECT event_id FROM outbox ORDER BY 1")
        first, second = ([str(row[0]) for row in connection.execute(table)] for table in tables)
        return first, second


YOUNG = ["e5", "e6"]
KEPT = (YOUNG, [*YOUNG, "waits0", "waits1", "waits2", "waits3"])


def test_rows_go_when_their_time_is_over_and_not_before(database: Database, database_url: str) -> None:
    fill(database_url)
    assert Lifecycle(database).clean_up() == 10
    assert left(database_url) == KEPT
    assert Lifecycle(database).clean_up() == 0


def test_what_came_again_is_kept_for_longer(database: Database, database_url: str) -> None:
    fill(database_url)
    with database.transaction() as connection:
        assert not inbox.claim(connection, "f.t", "e3")
    Lifecycle(database).clean_up()
    assert left(database_url)[0] == ["e3", *YOUNG]
    with database.transaction() as connection:
        assert not inbox.claim(connection, "f.t", "e3")


def test_a_row_that_somebody_is_at_is_left_for_the_next_night(
    database: Database, database_url: str, new_database: Callable[[], str]
) -> None:
    fill(database_url)
    with psycopg.connect(database_url) as other:
        other.execute("SELECT FROM inbox WHERE event_id = 'e0' FOR UPDATE")
        assert Lifecycle(database).clean_up() == 9
    assert left(database_url)[0] == ["e0", *YOUNG]


def test_killed_in_the_middle_it_has_done_what_it_did_and_the_next_one_does_the_rest(database_url: str) -> None:
    fill(database_url)
    environment = {"PATH": os.environ["PATH"], "STOA_DATABASE_URL": database_url}
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
        dying = subprocess.Popen([sys.executable, "-c", RUN], env=environment, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while waiting(database_url) == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        dying.kill()
        dying.wait()
        assert waiting(database_url) == 1, "it was killed while it waited for the outbox"
    assert left(database_url) == (YOUNG, [*(f"e{number}" for number in range(5)), *KEPT[1]])
    again = subprocess.run([sys.executable, "-c", RUN], env=environment, capture_output=True, text=True, check=True)
    assert "{'done': 5}" in again.stdout
    assert left(database_url) == KEPT


def waiting(url: str) -> int:
    """Sessions that wait for a lock."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchone()
        return int(row[0]) if row else 0


def test_no_claim_is_forgotten_while_its_event_can_come_again() -> None:
    """It lies on its topic for another consumer, becomes a dead letter, is sent back, and lies there again. Functions
    that take their batch as a whole claim nothing. `dlq-replay` remembers letters for as long as there are any."""
    retained = {topic.name: topic.retention_days for topic in TOPICS}
    claimed = {s.topic for f in FUNCTIONS for s in f.sources if s.partial_batch}
    longest = max(2 * retained[topic] + DLQ_RETENTION_DAYS for topic in claimed)
    assert claimed
    assert timedelta(days=longest + 14) <= model.INBOX
    assert timedelta(days=2 * max(retained[topic] for topic in claimed)) <= model.OUTBOX
