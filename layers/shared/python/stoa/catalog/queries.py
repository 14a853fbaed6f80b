"""What every environment serves, to a reader."""

from dataclasses import dataclass

from stoa.catalog import store
from stoa.kernel.database import Database, Row


@dataclass(frozen=True)
class CatalogQueries:
    """Reads across tenants go through the role that may read and nothing else."""

    database: Database

    def serving(self, *, tenant: str | None, after: tuple[str, ...] | None, limit: int) -> list[Row]:
        """GET /v1/status -> what every environment serves."""
        with self.database.transaction(admin_read=True) as connection:
            return store.statuses(connection, tenant=tenant, after=after, limit=limit)
