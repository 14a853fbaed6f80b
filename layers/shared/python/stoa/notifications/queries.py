"""What people were told, to a reader."""

from dataclasses import dataclass

from stoa.kernel.database import Database
from stoa.notifications import store
from stoa.notifications.model import Notice


@dataclass(frozen=True)
class NotificationQueries:
    """Reads across tenants go through the role that may read and nothing else."""

    database: Database

    def of_trace(self, trace_id: str, tenant: str | None) -> list[Notice]:
        """GET /v1/traces/{id} -> the messages that it led to, of all tenants or of one."""
        with self.database.transaction(admin_read=True) as connection:
            return store.of_trace(connection, trace_id, tenant)
