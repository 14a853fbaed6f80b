"""The members of a tenant, to a reader."""

from dataclasses import dataclass

from stoa.kernel import registrations
from stoa.kernel.database import Database, Row
from stoa.kernel.errors import NotFound
from stoa.members import store


@dataclass(frozen=True)
class MemberQueries:
    database: Database

    def of(self, tenant: str) -> tuple[Row | None, list[Row]]:
        """GET members -> what the newest file asks for, None before the first, and whom it names. Raises NotFound."""
        with self.database.transaction(admin_read=True) as connection:
            there = registrations.is_registered(connection, tenant) or registrations.is_closed(connection, tenant)
            if not there:
                raise NotFound(f"there is no tenant {tenant}")
            return store.shown(connection, tenant)
