"""Searching uses the index of words and stays within the caller's tenant: whatever the application forgets to ask for,
by the function's own conditions, and even without them by row-level security."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from stoa.catalog.model import Asked, Place
from stoa.catalog.queries import CatalogQueries
from stoa.kernel.database import Database, bind
from stoa.kernel.settings import Secret

SEARCH = "SELECT found_tenant FROM search_apis('''orders'':*', %s, NULL, NULL, NULL, NULL, NULL, NULL, %s)"


@pytest.fixture(scope="module")
def filled(module_database: Callable[[], str]) -> str:
    """Two tenants with two hundred APIs each, and ten thousand of a third."""
    url = module_database()
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO apis (tenant, api, generation, created_generation, project_id, commit_sha, environments,"
            " created_at, created_by, updated_at, updated_by, operations) SELECT tenant, 'orders-' || n, 1, 1, 1, 'c',"
            " '{dev}', now(), 'p', now(), 'p', 'GET /pets/' || n FROM unnest(ARRAY['tenant-a', 'tenant-b']) AS tenant,"
            " generate_series(1, 200) AS n"
        )
        connection.execute(
            "INSERT INTO apis SELECT 'tenant-c', 'x-' || n, 1, 1, 1, 'c', '{}', now(), 'p', now(), 'p'"
            " FROM generate_series(1, 10000) AS n"
        )
        connection.execute("ANALYZE apis")
    return url


@pytest.fixture
def bound(filled: str) -> Iterator[Database]:
    """The request is of somebody of tenant-b."""
    database = Database(Secret(filled), "stoa_worker")
    bind("tenant-b")
    yield database
    bind(None)
    database.close()


@pytest.mark.parametrize("words", ["orders", "pets", "1"])
@pytest.mark.parametrize("tenant", [None, "tenant-a", "tenant-b"])
def test_a_caller_finds_what_is_his_own_whichever_tenant_is_asked_for(
    bound: Database, words: str, tenant: str | None
) -> None:
    asked, catalogue = Asked(tenant=tenant, words=words), CatalogQueries(bound)
    rows = catalogue.apis(asked, None, 10)
    assert [row["tenant"] for row in rows] == ([] if tenant == "tenant-a" else ["tenant-b"] * 10)
    assert {row["tenant"] for row in catalogue.apis(asked, Place(1, "tenant-a", "a"), 300)} <= {"tenant-b"}


def test_the_function_itself_tells_no_name_of_another_tenant(bound: Database) -> None:
    with bound.transaction(admin_read=True) as connection:
        assert {row["found_tenant"] for row in connection.execute(SEARCH, (None, 1000))} == {"tenant-b"}
        assert connection.execute(SEARCH, ("tenant-a", 1000)).fetchall() == []


def test_a_name_that_it_told_wrongly_leads_to_no_row(bound: Database, filled: str) -> None:
    with psycopg.connect(filled, autocommit=True) as connection:
        ((source,),) = connection.execute("SELECT pg_get_functiondef('search_apis'::regproc)").fetchall()
        broken = source.replace("(caller IS NULL OR a.tenant = caller)", "true")
        connection.execute(broken)
        try:
            rows = CatalogQueries(bound).apis(Asked(words="orders"), None, 1000)
            with bound.transaction(admin_read=True) as reading:
                told = {row["found_tenant"] for row in reading.execute(SEARCH, (None, 1000))}
        finally:
            connection.execute(source)
    assert told == {"tenant-a", "tenant-b"}
    assert ({row["tenant"] for row in rows}, len(rows)) == ({"tenant-b"}, 200)


def test_only_the_reading_role_searches_and_the_searching_one_only_reads(filled: str) -> None:
    with psycopg.connect(filled) as connection:
        connection.execute("SET ROLE stoa_worker")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(SEARCH, (None, 1))
    with psycopg.connect(filled) as connection:
        rights = connection.execute(
            "SELECT table_name, privilege_type FROM information_schema.table_privileges WHERE grantee = 'stoa_search'"
        ).fetchall()
        members = connection.execute(
            "SELECT count(*) FROM pg_auth_members WHERE roleid = 'stoa_search'::regrole"
            " AND member IN ('stoa_worker'::regrole, 'stoa_admin_read'::regrole)"
        ).fetchone()
        flags = connection.execute(
            "SELECT rolsuper, rolbypassrls, rolcanlogin, has_schema_privilege(oid, 'public', 'CREATE') FROM pg_roles"
            " WHERE rolname = 'stoa_search'"
        ).fetchone()
    assert sorted(rights) == [("api_status", "SELECT"), ("apis", "SELECT")]
    assert (members, flags) == ((0,), (False, False, False, False))


def test_the_words_are_looked_up_in_their_index(filled: str) -> None:
    """Under row-level security all ten thousand rows would be read."""
    with psycopg.connect(filled) as connection:
        before = _scans(connection)
        connection.execute("SET ROLE stoa_admin_read")
        assert connection.execute(SEARCH.replace("orders", "nothing"), (None, 1)).fetchall() == []
        connection.execute("RESET ROLE")
        connection.execute("SELECT pg_stat_force_next_flush()")
        connection.commit()
        assert _scans(connection)["apis_every_word"] == before["apis_every_word"] + 1


def _scans(connection: psycopg.Connection) -> dict[str, int]:
    connection.execute("SELECT pg_stat_clear_snapshot()")
    rows = connection.execute("SELECT indexrelname, idx_scan FROM pg_stat_user_indexes WHERE relname = 'apis'")
    return dict(rows.fetchall())
