"""A connection that is kept between two invocations may be dead at the second; one that dies in use is an outage."""

import time

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from stoa.kernel.database import Database, bind, finish
from stoa.kernel.errors import Refused, Transient


def end_sessions(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_kept_connection_that_died_is_replaced(database: Database, database_url: str) -> None:
    for _ in range(2):
        with database.transaction() as connection:
            connection.execute("INSERT INTO inbox (consumer, event_id) VALUES ('c', gen_random_uuid()::text)")
        end_sessions(database_url)
    with database.transaction() as connection:
        found = connection.execute("SELECT count(*) AS rows FROM inbox").fetchone()
    assert found == {"rows": 2}


def test_a_connection_that_dies_in_a_transaction_takes_it_along(database: Database, database_url: str) -> None:
    def insert() -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO inbox (consumer, event_id) VALUES ('c', 'e')")
            end_sessions(database_url)
            connection.execute("SELECT 1")

    with pytest.raises(Transient):
        insert()
    with database.transaction() as connection:
        assert connection.execute("SELECT 1 FROM inbox").fetchone() is None


def test_a_database_that_is_away_is_an_outage_and_goes_on_when_it_is_back(
    database: Database, database_url: str, postgres_url: str
) -> None:
    with database.transaction():
        pass
    name = conninfo_to_dict(database_url)["dbname"]
    end_sessions(database_url)
    rename = "ALTER DATABASE {} RENAME TO {}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(rename.format(name, f"{name}_away"))
        with pytest.raises(Transient), database.transaction():
            pytest.fail("there is no database")
        server.execute(rename.format(f"{name}_away", name))
    with database.transaction() as connection:
        assert connection.execute("SELECT 1 AS one").fetchone() == {"one": 1}


def test_a_server_that_takes_no_writes_and_a_session_that_was_ended_are_outages(
    database: Database, database_url: str, postgres_url: str
) -> None:
    def write(idle_s: float) -> None:
        with database.transaction() as connection:
            connection.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
            time.sleep(idle_s)  # what the server ends a session for
            connection.execute("INSERT INTO inbox (consumer, event_id) VALUES ('c', 'e')")

    with pytest.raises(Transient):
        write(0.3)
    name = conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        end_sessions(database_url)
        assert not database.ready()
        with pytest.raises(Transient):
            write(0)
        server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert database.ready(), "on a new connection"


def test_a_read_is_one_transaction_bound_to_the_caller_that_leaves_nothing_behind(database: Database) -> None:
    add = "INSERT INTO artefacts VALUES (%s, 'a', 'openapi', '', '{}', now())"
    for tenant in ("tenant-a", "tenant-'b"):
        with database.transaction(tenant) as connection:
            connection.execute(add, (tenant,))

    def seen(tenant: str | None = None, *, admin_read: bool = False) -> set[str]:
        rows = database.read("SELECT tenant FROM artefacts WHERE sha256 = %s", ("a",), tenant, admin_read=admin_read)
        return {row["tenant"] for row in rows}

    assert seen() == set()
    assert seen("tenant-'b") == {"tenant-'b"}
    assert seen(admin_read=True) == {"tenant-a", "tenant-'b"}
    bind("tenant-'b")
    try:
        assert seen(admin_read=True) == {"tenant-'b"}
        assert seen("tenant-a") == set()
        with pytest.raises(Refused):
            database.read("SELECT %s AS text", ("\0",))
    finally:
        bind(None)
    assert seen() == set()
    kept = "SELECT current_user AS who, current_setting('app.tenant') || current_setting('app.caller') AS set"
    assert database.statement(kept, ()) == [{"who": "stoa_worker", "set": ""}]


def test_a_read_on_a_kept_connection_that_died_is_asked_again(database: Database, database_url: str) -> None:
    for _ in range(2):
        assert database.read("SELECT 1 AS one", (), "tenant-a") == [{"one": 1}]
        end_sessions(database_url)


def test_a_block_that_raises_changes_nothing_and_the_connection_goes_on(database: Database) -> None:
    class Ours(Exception):
        pass

    def insert() -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO inbox (consumer, event_id) VALUES ('c', 'e')")
            raise Ours

    with pytest.raises(Ours):
        insert()
    bind("no\0tenant")
    try:
        with pytest.raises(Refused), database.transaction():
            pytest.fail("it cannot be entered")
    finally:
        bind(None)
    with database.transaction() as connection:
        assert connection.execute("SELECT 1 FROM inbox").fetchone() is None


def test_statements_that_go_out_with_the_begin_and_the_commit_are_one_transaction(database: Database) -> None:
    put = "INSERT INTO inbox (consumer, event_id) VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING event_id"
    with pytest.raises(Refused), database.opened(put, ("c", "e")) as (connection, _):
        finish(connection, "SELECT 1 / %s", (0,))
    for first in ([{"event_id": "e"}], []):
        with database.opened(f"SELECT 1; {put}", ("c", "e")) as (connection, rows):
            assert rows == first, "nothing was left of the one that failed, and the one after it is kept"
            finish(connection, "UPDATE inbox SET claimed_at = now() WHERE consumer = %s", ("c",))
    with pytest.raises(RuntimeError, match="stop"), database.opened(put, ("c", "other")):
        raise RuntimeError("stop")
    assert database.read("SELECT event_id FROM inbox", ()) == [{"event_id": "e"}]


def test_a_transaction_inside_of_another_is_a_bug_that_changes_nothing(database: Database) -> None:
    def nested() -> None:
        with database.transaction() as outer:
            outer.execute("INSERT INTO inbox (consumer, event_id) VALUES ('c', 'e')")
            with database.transaction():
                pytest.fail("its end would be the end of both")

    with pytest.raises(RuntimeError):
        nested()
    assert database.read("SELECT 1 FROM inbox", ()) == []
