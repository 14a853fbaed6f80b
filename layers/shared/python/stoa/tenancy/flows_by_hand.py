"""What a person decides about a tenant: that there is one, its name, which GitLab project may touch it, and its end."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from stoa.audit.events import acted
from stoa.kernel import outbox
from stoa.kernel.clock import now
from stoa.kernel.database import Connection, Database, Row
from stoa.kernel.envelope import Event
from stoa.kernel.errors import NotFound, Refused
from stoa.tenancy import store

NAMED = 5  # of each kind that is in the way
# tenant, project, actor and trace of a tenant whose people are to lose their roles
Dissolve = Callable[[Connection, str, int, str, str], None]


@dataclass(frozen=True)
class Asker:
    """Who asks, from where, in which trace. `seen` are the generations that it is to be done to, None for any."""

    actor: str
    ip: str
    trace_id: str
    seen: frozenset[int] | None = None


@dataclass(frozen=True)
class Wanted:
    tenant: str
    display_name: str
    project_id: int


@dataclass(frozen=True)
class Tenants:
    """`publish` takes outbox keys after a commit; `dissolve` lets nobody be a member any more, in our transaction."""

    database: Database
    publish: Callable[[Iterable[str]], None]
    dissolve: Dissolve

    def create(self, wanted: Wanted, who: Asker) -> Row:
        """POST /v1/tenants -> a tenant that its project may touch from now on. Raises Refused 409 for one that is, or
        was."""
        return self._put(wanted, who, new=True)

    def replace(self, wanted: Wanted, who: Asker) -> Row:
        """PUT /v1/tenants/{tenant} -> its name and its project from now on; another project may not touch it any more.
        Raises NotFound, Refused."""
        return self._put(wanted, who, new=False)

    def close(self, tenant: str, who: Asker) -> Row:
        """DELETE /v1/tenants/{tenant} -> no project may touch it, none of its people's tokens is taken, and members are
        to lose their roles; closed already, it stays as it is. Raises NotFound, Refused 409 while it has something."""
        with self.database.transaction() as connection:
            before = _there(connection, tenant)
            if before["closed_at"] is not None:
                return before
            _check(before, who)
            store.release(connection, tenant)
            if found := store.in_the_way(connection, tenant):
                raise _not_empty(tenant, found)
            store.close(connection, tenant, who.actor, now())
            self.dissolve(connection, tenant, before["project_ids"][0], who.actor, who.trace_id)
            after = _there(connection, tenant)
            keys = outbox.add(connection, [_audit("TENANT_CLOSED", tenant, who, before, after)])
        self.publish(keys)
        return after

    def _put(self, wanted: Wanted, who: Asker, *, new: bool) -> Row:
        tenant = wanted.tenant
        with self.database.transaction() as connection:
            before = _absent(connection, tenant) if new else _there(connection, tenant)
            if before is not None and before["closed_at"] is not None:
                hint = "choose another name: what was done in the closed tenant stays under this one"
                raise Refused("TENANT_CLOSED", f"{tenant} was closed", status=409, hint=hint)
            if before is not None:
                _check(before, who)
            store.put_tenant(connection, tenant, wanted.display_name, wanted.project_id, who.actor, now())
            after = _there(connection, tenant)
            action = "TENANT_CREATED" if new else "TENANT_REPLACED"
            keys = outbox.add(connection, [_audit(action, tenant, who, before, after)])
        self.publish(keys)
        return after


def _absent(connection: Connection, tenant: str) -> Row | None:
    """A closed one, or None. Raises Refused for one that is there."""
    store.lock_tenant(connection, tenant)
    found = store.tenant(connection, tenant)
    if found is not None and found["closed_at"] is None:
        hint = f"PUT /v1/tenants/{tenant} changes it"
        raise Refused("TENANT_EXISTS", f"there is a tenant {tenant} already", status=409, hint=hint)
    return found


def _there(connection: Connection, tenant: str) -> Row:
    """Raises NotFound."""
    store.lock_tenant(connection, tenant)
    found = store.tenant(connection, tenant)
    if found is None:
        raise NotFound(f"there is no tenant {tenant}")
    return found


def _check(before: Row, who: Asker) -> None:
    """Raises Refused 412."""
    if who.seen is not None and before["generation"] not in who.seen:
        detail, hint = f"the tenant is in generation {before['generation']} now", "read it again, and send its new ETag"
        raise Refused("PRECONDITION_FAILED", detail, field="If-Match", status=412, hint=hint)


def _not_empty(tenant: str, found: list[tuple[str, str]]) -> Refused:
    """Says of each kind how many there are, and the first of them."""
    said = []
    for kind, some in groupby(found, key=lambda one: one[0]):
        names = [name for _, name in some]
        more = ", ..." if len(names) > NAMED else ""
        said.append(f"{kind}: {len(names)} ({', '.join(names[:NAMED])}{more})")
    hint = "delete its APIs, wait until they are off the gateways, and ask again"
    return Refused("TENANT_NOT_EMPTY", f"{tenant} still has {'; '.join(said)}", field="tenant", status=409, hint=hint)


def _audit(action: str, tenant: str, who: Asker, before: Row | None, after: Row) -> Event:
    return acted(
        action, f"tenants/{tenant}", actor=who.actor, tenant=tenant, trace_id=who.trace_id, at=now(), ip=who.ip,
        before=_told(before), after=_told(after),
    )  # fmt: skip


def _told(row: Row | None) -> dict[str, Any] | None:
    if row is None:
        return None
    said = {name: row[name] for name in ("display_name", "project_ids", "generation")}
    return {**said, "closed": True} if row["closed_at"] is not None else said
