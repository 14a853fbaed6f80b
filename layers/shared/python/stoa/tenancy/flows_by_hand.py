"""What a person decides about a tenant: that there is one, its name, and which GitLab project may touch it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from stoa.audit.events import acted
from stoa.kernel import outbox
from stoa.kernel.clock import now
from stoa.kernel.database import Database, Row
from stoa.kernel.errors import NotFound, Refused
from stoa.tenancy import store


@dataclass(frozen=True)
class Wanted:
    """`actor`, `ip` and `trace_id` are of the request that wants it."""

    tenant: str
    display_name: str
    project_id: int
    actor: str
    ip: str
    trace_id: str


@dataclass(frozen=True)
class Tenants:
    """`publish` takes outbox keys after a commit."""

    database: Database
    publish: Callable[[Iterable[str]], None]

    def create(self, wanted: Wanted) -> Row:
        """POST /v1/tenants -> a tenant that its project may touch from now on. Raises Refused 409 for one that is."""
        return self._put(wanted, new=True)

    def replace(self, wanted: Wanted) -> Row:
        """PUT /v1/tenants/{tenant} -> its name and its project from now on; another project may not touch it any more.
        Raises NotFound."""
        return self._put(wanted, new=False)

    def _put(self, wanted: Wanted, *, new: bool) -> Row:
        with self.database.transaction() as connection:
            store.lock_tenant(connection, wanted.tenant)
            before = store.tenant(connection, wanted.tenant)
            if new and before is not None:
                hint = f"PUT /v1/tenants/{wanted.tenant} changes it"
                raise Refused("TENANT_EXISTS", f"there is a tenant {wanted.tenant} already", status=409, hint=hint)
            if not new and before is None:
                raise NotFound(f"there is no tenant {wanted.tenant}")
            store.put_tenant(connection, wanted.tenant, wanted.display_name, wanted.project_id, wanted.actor, now())
            after = store.tenant(connection, wanted.tenant)
            assert after is not None  # noqa: S101  it was written above
            event = acted(
                "TENANT_CREATED" if new else "TENANT_REPLACED", f"tenants/{wanted.tenant}", actor=wanted.actor,
                tenant=wanted.tenant, trace_id=wanted.trace_id, at=now(), ip=wanted.ip,
                before=_told(before), after=_told(after),
            )  # fmt: skip
            keys = outbox.add(connection, [event])
        self.publish(keys)
        return after


def _told(row: Row | None) -> dict[str, Any] | None:
    return row and {name: row[name] for name in ("display_name", "project_ids", "generation")}
