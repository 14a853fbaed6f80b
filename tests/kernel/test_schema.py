"""The schema on RDS: made by an owner who is no superuser, used by a login that is the worker itself."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from local.parts.postgres import Postgres
from stoa.kernel.database import SESSION, Database
from stoa.kernel.errors import Transient
from stoa.kernel.schema import let_worker_in, migrate
from stoa.kernel.settings import Secret


@pytest.fixture(scope="module")
def server(run_folder: Path) -> Iterator[str]:
    """A server on which nobody was before, as its superuser's URI; with RDS's role for logins by token."""
    made = Postgres(run_folder / "postgres-of-schema")
    made.start()
    with psycopg.connect(made.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE stoa_owner LOGIN CREATEROLE")
        connection.execute("CREATE DATABASE stoa OWNER stoa_owner")
        connection.execute("CREATE ROLE rds_iam")
        connection.execute("GRANT rds_iam TO stoa_owner WITH ADMIN OPTION, INHERIT FALSE")
    yield made.url
    made.stop()


def as_role(server: str, role: str) -> str:
    return server.replace("postgres@/postgres", f"{role}@/stoa")


def test_an_owner_who_is_no_superuser_makes_it_once_and_the_worker_works(server: str) -> None:
    owner = as_role(server, "stoa_owner")
    assert migrate(owner) > 20
    assert migrate(owner) == 0
    with pytest.raises(Transient), Database(Secret(as_role(server, "stoa_worker")), "").transaction():
        pass  # not yet: it may not log in
    for _ in range(2):
        let_worker_in(owner)
    with closing(Database(Secret(as_role(server, "stoa_worker")), "")) as database:
        with database.transaction("acme") as connection:
            connection.execute("INSERT INTO inbox (consumer, event_id) VALUES ('c', 'e')")
            found = connection.execute("SELECT current_user AS me, session_user AS login").fetchone()
        assert found == {"me": "stoa_worker", "login": "stoa_worker"}
        with database.transaction(admin_read=True) as connection:
            assert connection.execute("SELECT current_user AS me").fetchone() == {"me": "stoa_admin_read"}
    with psycopg.connect(as_role(server, "stoa_worker")) as connection:
        shown = {name: str(connection.execute(f"SHOW {name}").fetchone()) for name in SESSION}
        member = connection.execute("SELECT pg_has_role('stoa_worker', 'rds_iam', 'MEMBER')").fetchone()
    assert shown == {
        "idle_in_transaction_session_timeout": "('10s',)",
        "statement_timeout": "('20s',)",
        "timezone": "('UTC',)",
    }
    assert member == (True,)


def test_a_migration_that_was_killed_does_not_stop_the_next(server: str) -> None:
    owner = as_role(server, "stoa_owner")
    migrate(owner)
    with psycopg.connect(owner, autocommit=True) as connection:  # what yoyo has there while it works
        connection.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 424242)")
    assert migrate(owner) == 0


def test_a_second_one_waits_for_the_first(server: str) -> None:
    owner = as_role(server, "stoa_owner")
    from stoa.kernel.schema import ALONE

    with psycopg.connect(owner, autocommit=True) as first:
        first.execute("SELECT pg_advisory_lock(%s)", (ALONE,))
        with pytest.raises(psycopg.errors.LockNotAvailable):
            migrate(f"{owner}&options=-c%20lock_timeout%3D200")
