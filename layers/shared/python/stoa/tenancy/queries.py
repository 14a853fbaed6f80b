"""The tenants there are, to a reader."""

from dataclasses import dataclass

from stoa.kernel.database import Database, Row
from stoa.tenancy import store


@dataclass(frozen=True)
class TenantQueries:
    """Reads across tenants go through the role that may read and nothing else."""

    database: Database

    def all(self, *, tenant: str | None, after: str | None, limit: int) -> list[Row]:
        """GET /v1/tenants -> by name; `tenant` is the only one that the reader may see, None for all."""
        with self.database.transaction(admin_read=True) as connection:
            return store.tenants(connection, tenant=tenant, after=after, limit=limit)

    def one(self, tenant: str) -> Row | None:
        """GET /v1/tenants/{tenant}"""
        with self.database.transaction(admin_read=True) as connection:
            return store.tenant(connection, tenant)
