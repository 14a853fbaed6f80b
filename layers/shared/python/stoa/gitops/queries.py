"""What became of pushes, to a reader."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stoa.gitops import store
from stoa.kernel.database import Connection, Database, Row


@dataclass(frozen=True)
class PushQueries:
    """A push belongs to a project, which may touch several tenants: of what became of it, the `reader` sees what is its
    own; None sees everything."""

    database: Database

    def recent(self, reader: str | None, before: tuple[datetime, str] | None, limit: int) -> list[Row]:
        """GET /v1/pushes -> the newest pushes and what became of them."""
        with self.database.transaction(admin_read=True) as connection:
            return _shown(connection, reader, store.pushes(connection, before, limit))

    def of_trace(self, reader: str | None, trace_id: str) -> Row | None:
        """GET /v1/traces/{id} -> the push that began it, if one did."""
        with self.database.transaction(admin_read=True) as connection:
            found = store.push_of_trace(connection, trace_id)
            return next(iter(_shown(connection, reader, [found] if found else [])), None)


def _shown(connection: Connection, reader: str | None, pushes: Iterable[Row]) -> list[Row]:
    rows = list(pushes)
    if reader is None:
        return rows
    ids = [said["deployment_id"] for row in rows for said in row["outcome"] or [] if "deployment_id" in said]
    own = store.visible_deployments(connection, ids)
    return [{**row, "outcome": [said for said in row["outcome"] or [] if _own(said, reader, own)]} for row in rows]


def _own(said: dict[str, Any], reader: str, own: frozenset[str]) -> bool:
    """What names neither a deployment, nor a tenant, nor a file is said of the push itself."""
    if "deployment_id" in said:
        return said["deployment_id"] in own
    if "tenant" in said:
        return bool(said["tenant"] == reader)
    return "file" not in said or str(said["file"]).startswith(f"tenants/{reader}/")
