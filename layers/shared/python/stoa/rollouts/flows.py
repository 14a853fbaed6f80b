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
LOOK_MS = 40_000  # three calls that wait for their answers, and the database
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
            raise self._missing(r)
        automatic = model.follows_another(app, r.revision)
        if r.asked_at is not None and model.works_on(app, r):
            self._change(r, replace(r, state="syncing"))
            return
        if app.requested is not None and not automatic:
            raise Transient(f"argocd/{r.application}", "another operation is already in progress")
        if r.asked_at is not None and not automatic and model.overtaken(app, r):
            self._change(r, model.superseded(r, app, now()))
            return
        asked = model.asked(r, app, now())
        if self._change(r, asked):
            self._ask(r, asked, automatic=automatic)

    def _missing(self, r: Rollout) -> Refused | Transient:
        """Of another tenant's application Argo CD says that there is none."""
        with self.database.transaction() as connection:
            other = store.namesake(connection, r)
        if other is None:
            return Transient(f"argocd/{r.application}", "the ApplicationSet has not made the application yet")
        detail = f"the Argo CD application {r.application} is that of {other}"
        return Refused("APPLICATION_NAME_TAKEN", detail, hint="give the API another name")

    def _ask(self, r: Rollout, asked: Rollout, *, automatic: bool) -> None:
        """The intent is taken back when the answer says that nothing came of the call; an earlier one stays."""
        if automatic:
            # it reads its branch anew, and finds this commit or a later one there
            self.argocd.application(asked.application, asked.tenant, refresh=True)
            self._change(asked, replace(asked, state="automatic"))
            return
        try:
            self.argocd.sync(asked.application, asked.tenant, asked.revision, prune=True)
        except (Transient, Refused) as error:
            if isinstance(error, Refused) or not error.sent:
                self._change(asked, r)
            raise
        self._change(asked, replace(asked, state="syncing"))

    def _look(self, r: Rollout) -> None:
        with self.database.transaction() as connection:
            store.looks(connection, r, now())
        try:
            app = self.argocd.application(r.application, r.tenant)
            if app is not None and model.uncompared(r, app):
                app = self.argocd.application(r.application, r.tenant, refresh=True)
            if model.held_back(r, app) and self.argocd.holds_back(r.application, r.tenant):
                found = model.closed(r, now())
            else:
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
