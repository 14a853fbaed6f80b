"""Row-level security: no tenant set, nothing seen; a tenant sees its own rows and writes no other's."""

import psycopg
import pytest

from stoa.kernel.database import Connection, Database

ROW = (
    "INSERT INTO api_status (tenant, api, environment, generation, deployment_id, status, updated_at)"
    " VALUES (%s, 'orders', 'dev', 1, 'dep-1', 'success', now())"
)


def seen(connection: Connection) -> list[str]:
    return [row["tenant"] for row in connection.execute("SELECT tenant FROM api_status ORDER BY tenant")]


def test_a_transaction_sees_only_the_tenant_it_entered(database: Database) -> None:
    for tenant in ("tenant-a", "tenant-b"):
        with database.transaction(tenant) as connection:
            connection.execute(ROW, (tenant,))
    with database.transaction("tenant-a") as connection:
        assert seen(connection) == ["tenant-a"]
    with database.transaction() as connection:
        assert seen(connection) == []
    with database.transaction(admin_read=True) as connection:
        assert seen(connection) == ["tenant-a", "tenant-b"]


def test_a_tenant_cannot_write_the_row_of_another(database: Database) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.transaction("tenant-a") as connection:
        connection.execute(ROW, ("tenant-b",))


def test_the_reading_role_cannot_write(database: Database) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.transaction(admin_read=True) as connection:
        connection.execute(ROW, ("tenant-a",))


def test_nobody_bypasses_row_level_security(database: Database) -> None:
    with database.transaction() as connection:
        rows = connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'stoa%' AND rolbypassrls")
        assert list(rows) == []
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relname IN ('artefacts', 'deployments', 'deployment_steps',"
            " 'api_status') AND relrowsecurity AND relforcerowsecurity"
        )
        assert len(list(tables)) == 4
