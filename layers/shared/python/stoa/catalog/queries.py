"""What there is and what every environment serves, to a reader."""

from dataclasses import dataclass

from stoa.catalog import store
from stoa.catalog.model import asked_words
from stoa.kernel.database import Database, Row


@dataclass(frozen=True)
class CatalogQueries:
    """Reads across tenants go through the role that may read and nothing else."""

    database: Database

    def serving(self, *, tenant: str | None, after: tuple[str, ...] | None, limit: int) -> list[Row]:
        """GET /v1/status -> what every environment serves."""
        with self.database.transaction(admin_read=True) as connection:
            return store.statuses(connection, tenant=tenant, after=after, limit=limit)

    def apis(self, *, tenant: str | None, words: str | None, after: tuple[str, ...] | None, limit: int) -> list[Row]:
        """GET /v1/apis -> the APIs that are in Git."""
        asked = asked_words(words) if words is not None else None
        with self.database.transaction(admin_read=True) as connection:
            return store.apis(connection, tenant=tenant, words=asked, after=after, limit=limit)

    def api(self, tenant: str, api: str) -> tuple[Row, list[Row]] | None:
        """GET /v1/apis/{tenant}/{api} -> the API and what each environment serves of it; None when it is not there."""
        with self.database.transaction(admin_read=True) as connection:
            row = store.api(connection, tenant, api)
            return (row, store.statuses_of(connection, tenant, api)) if row else None
