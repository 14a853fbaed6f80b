"""What there is and what every environment serves, to a reader."""

from dataclasses import dataclass

from stoa.catalog import store
from stoa.catalog.model import Asked, Place, asked_words
from stoa.kernel.database import Database, Row


@dataclass(frozen=True)
class CatalogQueries:
    """Reads across tenants go through the role that may read and nothing else."""

    database: Database

    def serving(self, *, tenant: str | None, after: tuple[str, ...] | None, limit: int) -> list[Row]:
        """GET /v1/status -> what every environment serves."""
        with self.database.transaction(admin_read=True) as connection:
            return store.statuses(connection, tenant=tenant, after=after, limit=limit)

    def apis(self, asked: Asked, after: Place | None, limit: int) -> list[Row]:
        """GET /v1/apis -> the APIs that are in Git; those found by words with `matched`. Raises Refused without one."""
        query = asked_words(asked.words) if asked.words is not None else None
        with self.database.transaction(admin_read=True) as connection:
            if query is None:
                return store.apis(connection, asked, after, limit)
            return store.found_apis(connection, asked, query, after, limit)

    def api(self, tenant: str, api: str) -> tuple[Row, list[Row]] | None:
        """GET /v1/apis/{tenant}/{api} -> the API and what each environment serves of it; None when it is not there."""
        with self.database.transaction(admin_read=True) as connection:
            row = store.api(connection, tenant, api)
            return (row, store.statuses_of(connection, tenant, api)) if row else None
