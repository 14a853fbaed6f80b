"""When a sync is over, and how it went. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # a reader of rows needs no client
    from stoa.adapters.argocd import Application

WENT_WRONG = frozenset({"Failed", "Error"})
State = Literal[
    "waiting", "syncing", "automatic", "removing", "succeeded", "failed", "refused", "superseded", "removed"
]
FOLLOWED: tuple[State, ...] = ("syncing", "automatic", "removing")
HAS_ITS_NAME: tuple[State, ...] = ("syncing", "automatic", "succeeded", "failed", "superseded")


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
    sync was last asked for; `operation_before` is the start of the operation that the application showed then, and
    `history_before` the id of its newest success; `degraded_since` when the application was first seen so. `refused`
    means that no sync ran, and that the event may come again as a replayed dead letter."""

    tenant: str
    api: str
    generation: int
    revision: str
    trace_id: str
    state: State
    started_at: datetime
    asked_at: datetime | None = None
    operation_before: datetime | None = None
    history_before: int | None = None
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


def asked(r: Rollout, app: "Application", at: datetime) -> Rollout:
    """The intent to ask, with what tells an operation that comes of it from those before, by no clock."""
    return replace(
        r,
        asked_at=at,
        operation_before=app.operation.started_at if app.operation else None,
        history_before=app.history[-1].id if app.history else None,
    )


def works_on(app: "Application", r: Rollout) -> bool:
    """Whether the sync that was asked for has arrived: it is requested, under way or over, and maybe something else
    came after it."""
    requested = app.operation is None and app.requested == r.revision
    return requested or _ours(r, app) or _deployed(r, app)


def overtaken(app: "Application", r: Rollout) -> bool:
    """Whether somebody's operation came after a call of which nobody knows whether it arrived, and which has left no
    trace, as one that failed does: whoever chose another commit since is not to find ours there again."""
    return app.operation is not None and app.operation.revision != r.revision and _began_since(r, app)


def follows_another(app: "Application", revision: str) -> bool:
    """Argo CD refuses a sync to one commit while automatic sync follows a branch."""
    return app.target not in (None, revision)


def uncompared(r: Rollout, app: "Application") -> bool:
    """Whether what the application says of its health is older than the end of the sync."""
    if r.state == "removing" or app.requested is not None:
        return False
    if _ended(r, app) is None:
        return False
    finished_at = app.operation.finished_at if app.operation else None  # by the same clock
    return app.reconciled_at is None or (finished_at is not None and app.reconciled_at <= finished_at)


def held_back(r: Rollout, app: "Application | None") -> bool:
    """Whether automatic sync has something to do and does nothing, as when a sync window is closed."""
    idle = app is not None and app.requested is None and app.sync != "Synced"
    return r.state == "automatic" and app is not None and idle and not _went_wrong(r, app)


def closed(r: Rollout, at: datetime) -> Rollout:
    """Somebody wants it to wait: the time that it has begins when the window opens."""
    return replace(r, asked_at=at, detail="a sync window is closed")


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
    if operation and _went_wrong(r, app):
        return r.over("failed", at, f"{operation.phase}: {operation.message}")
    if r.state == "syncing" and overtaken(app, r):
        return superseded(r, app, at)
    detail = f"{app.sync}: automatic sync has not come to it" if r.state == "automatic" else "it has not ended yet"
    return r.goes_on(at, patience.waits, detail)


def superseded(r: Rollout, app: "Application", at: datetime) -> Rollout:
    revision = app.operation.revision if app.operation else "unknown"
    return r.over("superseded", at, f"another operation, at {revision}, came after it")


def _went_wrong(r: Rollout, app: "Application") -> bool:
    operation = app.operation
    if operation is None or operation.phase not in WENT_WRONG or not _began_since(r, app):
        return False
    return r.state == "automatic" or operation.revision == r.revision


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
    operation, automatic = app.operation, r.state == "automatic"
    if operation and operation.phase == "Succeeded" and (_began_since(r, app) if automatic else _ours(r, app)):
        return operation.finished_at
    return r.since if automatic else None


def _ours(r: Rollout, app: "Application") -> bool:
    return app.operation is not None and app.operation.revision == r.revision and _began_since(r, app)


def _began_since(r: Rollout, app: "Application") -> bool:
    """Whether the newest operation is not the one of before; two within one second are told apart by their success."""
    started_at = app.operation.started_at if app.operation else None
    return started_at is not None and (started_at != r.operation_before or _deployed(r, app))


def _deployed(r: Rollout, app: "Application") -> bool:
    before = -1 if r.history_before is None else r.history_before
    return any(one.id > before and one.revision == r.revision for one in app.history)
