"""From an event about an API to the end of the sync that it asks Argo CD for. One public method per trigger."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from stoa.adapters.argocd import ArgoCd
from stoa.gitops.events import API_EVENTS, DELETED, read_api
from stoa.kernel.clock import now
from stoa.kernel.database import Database
from stoa.kernel.envelope import Message
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.log import log
from stoa.rollouts import model, store
from stoa.rollouts.model import Patience, Rollout

WAITS_S = 24 * 3600.0  # as long as a record waits
SETTLES_S = 1800.0
DEGRADED_S = 300.0
FOLLOWED_AT_ONCE = 500
LOOK_MS = 30_000  # two calls that wait for their answers, and the database
ARGOCD_IS_DOWN_AFTER = 2  # before that, it may be one application that always fails


@dataclass(frozen=True)
class Rollouts:
    """`time_scale` > 1 makes every wait that much shorter."""

    database: Database
    argocd: ArgoCd
    time_scale: float = 1.0

    def sync(self, message: Message) -> None:
        """api-created, api-updated or api-deleted -> a sync of its Argo CD application.

        One whose row was given up is begun again: it is the replay of its dead letter.
        """
        value = read_api(message)
        wanted = Rollout(
            tenant=message.tenant,
            api=value["api_id"],
            generation=value["generation"],
            revision=value["commit"],
            trace_id=value["trace_id"],
            # there is nothing to sync: the ApplicationSet removes the application
            state="removing" if message.type == API_EVENTS[DELETED] else "waiting",
            started_at=now(),
        )
        with self.database.transaction() as connection:
            known = store.intend(connection, wanted)
            if known is not None and known.state == "refused":
                given_up, known = known, replace(known, state="waiting", finished_at=None, detail=None)
                store.change(connection, given_up, known)
        if known is not None and known.state == "waiting":
            self._begin(known)

    def follow(self, remaining_ms: Callable[[], int]) -> int:
        """every minute -> syncs that ended, and how; what there is no time for has the next minute."""
        with self.database.transaction() as connection:
            followed = store.followed(connection, FOLLOWED_AT_ONCE)
        waits: list[Transient] = []
        looked = 0
        for one in followed:
            if remaining_ms() < LOOK_MS:
                break
            looked += 1
            try:
                self._look(one)
            except Transient as error:
                waits.append(error)
                if len(waits) == ARGOCD_IS_DOWN_AFTER:
                    break
        if waits:
            raise waits[0]
        return looked

    def give_up(self, message: Message, error: Refused) -> None:
        """a parked event about an API -> its row says why nothing was synced, until the event comes again."""
        value = read_api(message)
        with self.database.transaction() as connection:
            known = store.get(connection, message.tenant, value["api_id"], value["generation"])
            if known is not None and known.state == "waiting":
                store.change(connection, known, known.over("refused", now(), error.detail))

    def _begin(self, r: Rollout) -> None:
        """Asks for the sync, unless an earlier delivery did and Argo CD has it."""
        app = self.argocd.application(r.application, r.tenant)
        if app is None:
            raise Transient(f"argocd/{r.application}", "the ApplicationSet has not made the application yet")
        if r.asked_at is not None and model.works_on(app, r):
            self._change(r, replace(r, state="syncing"))
            return
        asked = model.asked(r, app, now())
        if not self._change(r, asked):
            return
        if model.follows_another(app, r.revision):
            # it reads its branch anew, and finds this commit or a later one there
            self.argocd.application(r.application, r.tenant, refresh=True)
            self._change(asked, replace(asked, state="automatic"))
        else:
            self.argocd.sync(r.application, r.tenant, r.revision, prune=True)
            self._change(asked, replace(asked, state="syncing"))

    def _look(self, r: Rollout) -> None:
        with self.database.transaction() as connection:
            store.looks(connection, r, now())
        try:
            app = self.argocd.application(r.application, r.tenant)
            if app is not None and model.uncompared(r, app):
                app = self.argocd.application(r.application, r.tenant, refresh=True)
            found = model.seen(r, app, now(), self._patience())
        except Refused as error:
            found = r.over("failed", now(), error.detail)
        if self._change(r, found) and found.finished_at is not None:
            log.info("rollout.ended", application=r.application, state=found.state, detail=found.detail)

    def _change(self, old: Rollout, new: Rollout) -> bool:
        with self.database.transaction() as connection:
            return store.change(connection, old, new)

    def _patience(self) -> Patience:
        waits, settles, degraded = (timedelta(seconds=s / self.time_scale) for s in (WAITS_S, SETTLES_S, DEGRADED_S))
        return Patience(waits, settles, degraded)
