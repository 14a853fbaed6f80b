"""Between tenants, below the code: what a session of one of them sees and writes of members. And what is remembered of
sessions that ended."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from stoa.kernel.database import Database, bind
from stoa.kernel.errors import NotFound
from stoa.kernel.rate_limit import Policy
from stoa.tenancy import store
from stoa.tenancy.flows import deny_session, deny_user

ROWS = {
    "tenants": "INSERT INTO tenants VALUES (%(t)s, 'T', 1, now(), 'a', now(), 'a')",
    "member_syncs": "INSERT INTO member_syncs (tenant, project_id, generation, commit_sha, asked_by, trace_id,"
    " asked_at, state, due_at) VALUES (%(t)s, 1, 1, 'c', 'a', 't', now(), 'synced', now())",
    "tenant_members": "INSERT INTO tenant_members VALUES (%(t)s, 'a@b.c', 'viewer', NULL, 'pending', NULL)",
    "member_changes": "INSERT INTO member_changes VALUES (%(t)s, 'u', '{}', '{}', 1, 'c', 'a', 't')",
}
OWN_ONLY = {"tenant_members", "member_changes"}


@pytest.mark.parametrize("table", ROWS)
def test_a_tenants_rows_are_its_own(database: Database, table: str) -> None:
    def seen(*, tenant: str | None = None, admin_read: bool = False) -> list[str]:
        with database.transaction(tenant, admin_read=admin_read) as connection:
            return [row["tenant"] for row in connection.execute(f"SELECT tenant FROM {table} ORDER BY tenant")]

    for tenant in ("tenant-a", "tenant-b"):
        with database.transaction(tenant) as connection:
            connection.execute(ROWS[table].encode(), {"t": tenant})
    assert seen(admin_read=True) == ["tenant-a", "tenant-b"]
    assert seen() == ([] if table in OWN_ONLY else ["tenant-a", "tenant-b"])
    bind("tenant-a")
    try:
        assert seen(tenant="tenant-a") == seen(admin_read=True) == ["tenant-a"]
        assert "tenant-b" not in seen(tenant="tenant-b")
        with pytest.raises(NotFound), database.transaction("tenant-c") as connection:
            connection.execute(ROWS[table].encode(), {"t": "tenant-c"})
    finally:
        bind(None)


def test_the_reading_role_writes_none_of_it(database: Database) -> None:
    for statement in ROWS.values():
        with pytest.raises(psycopg.errors.InsufficientPrivilege), database.transaction(admin_read=True) as connection:
            connection.execute(statement.encode(), {"t": "tenant-a"})


def ended(database: Database, subjects: list[str], made: datetime) -> bool:
    return store.admitted(database, subjects, made, [(Policy("user", 1, 5), "u")]) is None


def test_an_end_ahead_forgets_no_other_and_counts_for_tokens_to_come(database: Database) -> None:
    at = datetime.now(UTC)
    second = timedelta(seconds=1)
    with database.transaction() as connection:
        deny_user(connection, "u", at)
        deny_session(connection, "s", at + second)
    assert ended(database, ["sub:u"], at - second)
    assert not ended(database, ["sub:u"], at + second)
    assert ended(database, ["sub:x", "sid:s"], at + timedelta(minutes=59))
    with database.transaction() as connection:
        deny_user(connection, "v", at + timedelta(hours=3))
    assert not ended(database, ["sub:u", "sid:s"], at - second), "hours later nobody needs them"


def test_who_has_ended_takes_no_token_from_anybody(database: Database) -> None:
    at, wanted = datetime.now(UTC), [(Policy("tenant", 0.001, 5), "t"), (Policy("user", 0.001, 2), "u")]
    with database.transaction() as connection:
        deny_user(connection, "u", at)
    assert [store.admitted(database, ["sub:u"], at, wanted) for _ in range(9)] == [None] * 9
    levels = store.admitted(database, ["sub:v"], at, wanted)
    assert levels is not None
    assert [(one.fits, one.remaining) for one in levels] == [(True, 4), (True, 1)]
