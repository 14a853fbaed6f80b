"""What became of syncs, to a reader."""

from dataclasses import dataclass

from stoa.kernel.database import Database
from stoa.rollouts import store
from stoa.rollouts.model import Rollout


@dataclass(frozen=True)
class RolloutQueries:
    database: Database

    def of_trace(self, trace_id: str, tenant: str | None) -> list[Rollout]:
        """GET /v1/traces/{id} -> the syncs that its events asked for, of each API the newest only; of all tenants, or
        of one."""
        with self.database.transaction() as connection:
            return store.of_trace(connection, trace_id, tenant)
