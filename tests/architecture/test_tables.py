"""Every table of the database is a projection or operational, and what a replay rebuilds is of the real columns."""

from collections.abc import Callable

import psycopg

from local.replay.hashes import hashed
from local.replay.tables import FOLDS
from stoa.kernel.tables import OPERATIONAL, PROJECTIONS

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename !~ '^_?yoyo'"


def test_every_table_is_declared_once(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        found = sorted(name for (name,) in connection.execute(TABLES))
    assert sorted([*OPERATIONAL, *(p.table for p in PROJECTIONS)]) == found


def test_every_projection_is_folded_from_each_of_its_topics() -> None:
    folded = {(fold.projection.table, fold.intake.topic) for fold in FOLDS}
    assert folded == {(p.table, topic) for p in PROJECTIONS for topic in p.topics}


def test_the_hash_is_read_across_tenants_by_the_role_that_may(new_database: Callable[[], str]) -> None:
    """Not only by a superuser: row-level security would leave the worker an empty table, and two of those are equal."""
    with psycopg.connect(new_database()) as connection:
        connection.execute(
            "INSERT INTO api_status (tenant, api, environment, generation, deployment_id, status, updated_at)"
            " SELECT tenant, 'orders', 'dev', 1, 'dep-1', 'failed', now() FROM unnest(ARRAY['a', 'b']) AS tenant"
        )
        (projection,) = [p for p in PROJECTIONS if p.table == "api_status"]
        connection.execute("SET ROLE stoa_worker")
        assert hashed(connection, "public", projection).rows == 0
        connection.execute("SET ROLE stoa_admin_read")
        assert hashed(connection, "public", projection).rows == 2
