"""What became of what people asked for, to a reader."""

from dataclasses import dataclass

from stoa.authoring import store
from stoa.authoring.model import Change
from stoa.kernel.database import Database
from stoa.kernel.errors import NotFound


@dataclass(frozen=True)
class ChangeQueries:
    database: Database

    def read(self, tenant: str, api: str, change_id: str) -> Change:
        """GET /v1/apis/{tenant}/{api}/changes/{id} -> the change. Raises NotFound."""
        with self.database.transaction(admin_read=True) as connection:
            found = store.get(connection, change_id)
        if found is None or (found.tenant, found.api) != (tenant, api):
            raise NotFound(f"there is no change {change_id} of {api}")
        return found

    def under_way(self, tenant: str, api: str) -> str | None:
        """GET /v1/apis/{tenant}/{api} -> the id of its unfinished change, if it has one."""
        with self.database.transaction(admin_read=True) as connection:
            return store.under_way(connection, tenant, api)
