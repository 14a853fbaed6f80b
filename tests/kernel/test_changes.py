"""The change feed: whoever goes on from a number has seen, at the end, the last state of everything."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from stoa.kernel import changes
from stoa.kernel.database import Connection, Database, enter
from stoa.kernel.settings import Secret

NEW = (
    "INSERT INTO deployments (id, tenant, api, environment, action, generation, state, project_id, commit_sha, trigger,"
    " requested_by, trace_id, requested_at) VALUES (%(id)s, %(tenant)s, %(id)s, 'dev', 'deploy', 1, 'requested', 1,"
    " 'c', 't', 'u', 'trc', now())"
)
STEP = (
    "INSERT INTO deployment_steps (tenant, deployment_id, name, status, started_at)"
    " VALUES ('tenant-a', %s, 'lane', 'in_progress', now())"
)


@pytest.fixture
def another(database_url: str) -> Iterator[Callable[[], Database]]:
    made: list[Database] = []

    def make() -> Database:
        made.append(Database(Secret(database_url), "stoa_worker"))
        return made[-1]

    yield make
    for one in made:
        one.close()


def add(connection: Connection, name: str, tenant: str = "tenant-a") -> None:
    enter(connection, tenant)
    connection.execute(NEW, {"id": name, "tenant": tenant})


def seen(database: Database, after: int, tenant: str = "tenant-a") -> list[tuple[str, int]]:
    with database.transaction(admin_read=True) as connection:
        return [
            (change.entity_id, change.version)
            for change in changes.since(connection, tenant, after, 100, ["deployment"])
        ]


def test_numbers_rise_per_tenant_and_an_entity_is_listed_once_at_its_newest(database: Database) -> None:
    with database.transaction() as connection:
        for name, tenant in (("a1", "tenant-a"), ("b1", "tenant-b"), ("a2", "tenant-a")):
            add(connection, name, tenant)
    assert (seen(database, 0), seen(database, 0, "tenant-b")) == ([("a1", 1), ("a2", 2)], [("b1", 1)])
    with database.transaction("tenant-a") as connection:
        connection.execute(STEP, ("a1",))
    assert (seen(database, 0), seen(database, 2)) == ([("a2", 2), ("a1", 3)], [("a1", 3)])
    with database.transaction(admin_read=True) as connection:
        assert [changes.last(connection, t) for t in ("tenant-a", "tenant-b", "tenant-c")] == [3, 1, 0]


def test_what_began_first_and_commits_last_comes_after_what_was_read_before(
    database: Database, another: Callable[[], Database]
) -> None:
    slow, quick = another(), another()
    with slow.transaction() as connection:
        add(connection, "slow")
        with quick.transaction() as other:
            add(other, "quick")
        assert seen(database, 0) == [("quick", 1)], "nobody waits for the slow one"
    assert seen(database, 1) == [("slow", 2)]


def test_what_was_taken_back_leaves_no_number(database: Database) -> None:
    def twice() -> None:
        with database.transaction() as connection:
            add(connection, "twice")
            add(connection, "twice")

    with pytest.raises(psycopg.errors.UniqueViolation):
        twice()
    assert seen(database, 0) == []


def test_a_reader_beside_many_writers_misses_nothing(database: Database, another: Callable[[], Database]) -> None:
    names = [f"d{number}" for number in range(8)]
    with database.transaction() as connection:
        for name in names:
            add(connection, name)

    def write(writer: Database, seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(40):
            with writer.transaction("tenant-a") as connection:
                for name in sorted(draw.sample(names, 2)):  # in one order, as every flow locks
                    connection.execute("UPDATE deployments SET generation = generation + 1 WHERE id = %s", (name,))

    known: dict[str, int] = {}
    cursor = 0
    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(write, another(), seed) for seed in range(4)]
        over = False
        while not over:
            over = all(one.done() for one in writing)
            with database.transaction(admin_read=True) as connection:
                listed = changes.since(connection, "tenant-a", cursor, 5, ["deployment"])
                ids = [change.entity_id for change in listed]
                rows = connection.execute("SELECT id, generation FROM deployments WHERE id = ANY(%s)", (ids,))
                known |= {row["id"]: row["generation"] for row in rows}
            cursor = listed[-1].version if listed else cursor
            over = over and not listed
        for one in writing:
            one.result()
    with database.transaction(admin_read=True) as connection:
        rows = connection.execute("SELECT id, generation FROM deployments")
        assert known == {row["id"]: row["generation"] for row in rows}
        assert cursor == changes.last(connection, "tenant-a")
