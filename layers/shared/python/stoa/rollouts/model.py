"""When a sync is over, and how it went. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # a reader of rows needs no client
    from stoa.adapters.argocd import Application, Operation

WENT_WRONG = frozenset({"Failed", "Error"})
State = Literal["waiting", "syncing", "automatic", "removing", "succeeded", "failed", "superseded", "removed"]
FOLLOWED: tuple[State, ...] = ("syncing", "automatic", "removing")


@dataclass(frozen=True)
class Patience:
    """How long `waits` for an operation, or a deletion, that does not end; how long resources may take to become
    healthy after it (`settles`), and how long they may be Degraded on the way."""

    waits: timedelta
    settles: timedelta
    degraded: timedelta


@dataclass(frozen=True)
class Rollout:
    """One event of an API and its sync. `revision` is the commit; `started_at` when the event came, `asked_at` when a
    sync was last asked for, by Argo CD's clock; `degraded_since` when the application was first seen so."""

    tenant: str
    api: str
    generation: int
    revision: str
    trace_id: str
    state: State
    started_at: datetime
    asked_at: datetime | None = None
    degraded_since: datetime | None = None
    finished_at: datetime | None = None
    detail: str | None = None

    @property
    def application(self) -> str:
        return f"{self.tenant}-{self.api}"

    @property
    def since(self) -> datetime:
        return self.asked_at or self.started_at

    def over(self, state: State, at: datetime, detail: str) -> "Rollout":
        return replace(self, state=state, finished_at=at, detail=detail)

    def goes_on(self, at: datetime, patience: timedelta, detail: str) -> "Rollout":
        """Not for ever: what takes longer has failed."""
        if at - self.since >= patience:
            return self.over("failed", at, f"given up: {detail}")
        return replace(self, detail=detail)


def works_on(app: "Application", revision: str, since: datetime) -> bool:
    """Whether a sync that was asked for at `since` has arrived: it is requested, under way or over."""
    if app.requested is not None and app.operation is None:
        return app.requested == revision
    return _ours(app.operation, revision, since)


def follows_another(app: "Application", revision: str) -> bool:
    """Argo CD refuses a sync to one commit while automatic sync follows a branch."""
    return app.target not in (None, revision)


def uncompared(r: Rollout, app: "Application") -> bool:
    """Whether what the application says of its health is older than the end of the sync."""
    if r.state == "removing" or app.requested is not None:
        return False
    ended = _ended(r, app)
    return ended is not None and (app.reconciled_at is None or app.reconciled_at <= ended)


def seen(r: Rollout, app: "Application | None", at: datetime, patience: Patience) -> Rollout:
    """What a look at the application makes of the sync."""
    if r.state == "removing":
        gone = r.over("removed", at, "the ApplicationSet removed it")
        return gone if app is None else r.goes_on(at, patience.waits, "the ApplicationSet has not removed it yet")
    if app is None:
        return r.goes_on(at, patience.waits, "the application is gone")
    if app.requested is not None:
        return r.goes_on(at, patience.waits, "an operation is running")
    if _ended(r, app) is None or uncompared(r, app):
        return _unfinished(r, app, at, patience)
    if r.state == "automatic" and app.sync != "Synced":
        return _unfinished(r, app, at, patience)
    return _settled(r, app, at, patience)


def _unfinished(r: Rollout, app: "Application", at: datetime, patience: Patience) -> Rollout:
    """Nothing runs, and the sync has not ended well."""
    operation = app.operation
    if operation and _since(operation, r.since):
        if operation.phase in WENT_WRONG and (r.state == "automatic" or operation.revision == r.revision):
            return r.over("failed", at, f"{operation.phase}: {operation.message}")
        if r.state == "syncing" and operation.revision != r.revision:
            return r.over("superseded", at, f"another operation, at {operation.revision}, came after it")
    detail = f"{app.sync}: automatic sync has not come to it" if r.state == "automatic" else "it has not ended yet"
    return r.goes_on(at, patience.waits, detail)


def _settled(r: Rollout, app: "Application", at: datetime, patience: Patience) -> Rollout:
    """The operation has ended well; its resources are healthy, on the way there, or not."""
    if app.health == "Healthy":
        return r.over("succeeded", at, f"Healthy at {app.sync_revision if r.state == 'automatic' else r.revision}")
    degraded_since = (r.degraded_since or at) if app.health == "Degraded" else None
    if degraded_since and at - degraded_since >= patience.degraded:
        return r.over("failed", at, "Degraded, and it stays so")
    if at - (_ended(r, app) or at) >= patience.settles:
        return r.over("failed", at, f"still {app.health}")
    return replace(r, degraded_since=degraded_since, detail=f"{app.health} after the sync")


def _ended(r: Rollout, app: "Application") -> datetime | None:
    """When our operation ended well, or an automatic one did; without any, automatic sync had nothing to do."""
    operation = app.operation
    if r.state == "automatic":
        own = operation and operation.phase == "Succeeded" and _since(operation, r.since)
        return operation.finished_at if operation and own else r.since
    if operation and operation.phase == "Succeeded" and _ours(operation, r.revision, r.since):
        return operation.finished_at
    return None


def _ours(operation: "Operation | None", revision: str, since: datetime) -> bool:
    return operation is not None and operation.revision == revision and _since(operation, since)


def _since(operation: "Operation", moment: datetime) -> bool:
    """Argo CD cuts its times to seconds."""
    return operation.started_at is not None and operation.started_at >= moment.replace(microsecond=0)
