"""What changed in a tenant, in the order of commits. The rows are written by triggers: migrations/0007_changes.sql.

A cursor made of a time or of an id would miss what commits late; a number taken at the commit, under the lock of the
tenant's counter, does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from stoa.kernel.database import Connection


@dataclass(frozen=True)
class Change:
    """`version` is the number of the newest change of this entity."""

    kind: str
    entity_id: str
    version: int


def last(connection: Connection, tenant: str) -> int:
    """The number of the tenant's newest change; 0 before the first."""
    row = connection.execute("SELECT last FROM change_counters WHERE tenant = %s", (tenant,)).fetchone()
    return row["last"] if row else 0


def since(connection: Connection, tenant: str, version: int, limit: int, kinds: Sequence[str]) -> list[Change]:
    """Each entity of these kinds that changed after that number, once, the oldest change first."""
    rows = connection.execute(
        "SELECT kind, entity_id, version FROM changes WHERE tenant = %s AND version > %s"
        " AND kind = ANY(%s) ORDER BY version LIMIT %s",
        (tenant, version, list(kinds), limit),
    )
    return [Change(**row) for row in rows]
