"""From a wanted deployment to its final state. One public method per trigger."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from stoa.adapters.awx import PAGE, Awx, Job
from stoa.adapters.webmethods.wanted import check
from stoa.deployments import events, model, store
from stoa.deployments import store_lanes as lanes
from stoa.deployments.model import Deployment, Holder, Lane, Turn, Verdict
from stoa.gitops.events import Prepared
from stoa.kernel import metrics, outbox, registrations
from stoa.kernel.clock import RemainingMs, in_time, no_end, now, sleep
from stoa.kernel.database import Connection, Database
from stoa.kernel.envelope import Message
from stoa.kernel.errors import Refused, Transient

TEMPLATES = {"deploy": "deploy-api", "undeploy": "undeploy-api"}

# AWX may notify a moment before it has stored the last event of the job
HINT_PATIENCE = timedelta(seconds=1)
HINT_PAUSE_S = 0.1
LAUNCH_MS = 45_000  # four calls to AWX that get no answer, and the database
AWX_IS_DOWN_AFTER = 2  # before that, it may be one launch that always fails

Prepare = Callable[[Deployment], Prepared]


@dataclass(frozen=True)
class Deployments:
    """`publish` takes outbox keys after a commit; `prepare` reads Git for one deployment.

    `launch_may_arrive_s` is how long a launch call without an answer may still reach AWX: longer than
    the client's timeout plus AWX's own work; `retry_pause_s` the first pause before a request is asked for again
    that AWX or the gateway lost.
    """

    database: Database
    publish: Callable[[Iterable[str]], None]
    awx: Awx
    prepare: Prepare
    public_url: str
    launch_may_arrive_s: float
    retry_pause_s: float

    def request(
        self, connection: Connection, cause: events.Cause, wanted: Sequence[events.Wanted]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """a push or a person -> deploy-requests. In the caller's transaction; returns ids and outbox keys."""
        made = [store.create(connection, cause, w, now()) for w in sorted(wanted, key=events.subject)]
        return tuple(d.id for d in made), outbox.add(connection, map(events.asked, made))

    def launch(self, message: Message) -> None:
        """deploy-requests -> an AWX job, or a place in the lane behind the one that runs."""
        deployment = self._load(message)
        if deployment.state == "failed" and deployment.error and not deployment.awx_job_id:
            # the first delivery refused it but may have died before it was parked
            raise Refused(str(deployment.error["code"]), str(deployment.error["detail"]))
        if deployment.final:
            return
        if not deployment.prepared:
            self._prepare(deployment)
        if self._take_turn(deployment.lane, deployment.id) and not self._launched(deployment.lane, deployment.id):
            raise Transient("awx", "a launch that got no answer may still arrive")

    def job_finished(self, job_id: int) -> bool:
        """AWX's notification, a hint -> the job read back and, if it is over, deploy-results.

        False when no deployment waits for this job.
        """
        with self.database.transaction() as connection:
            holder = lanes.holder_of_job(connection, job_id)
        if holder is None:
            return False
        until = now() + HINT_PATIENCE
        job = self.awx.job(job_id)
        while job.final and not job.over(now()) and now() < until:
            sleep(HINT_PAUSE_S)
            job = self.awx.job(job_id)
        self._close_if_over(holder, job)
        return True

    def reconcile(self, remaining_ms: RemainingMs = no_end) -> int:
        """every minute -> results that no notification told of, launches that a crash left open."""
        with self.database.transaction() as connection:
            held, lost_ones = lanes.busy_lanes(connection), lanes.lost_lanes(connection)
        for lane in in_time(lost_ones, remaining_ms, LAUNCH_MS):
            self._ask_again(lane)
        waits: list[Transient] = []
        for start in in_time(range(0, len(held), PAGE), remaining_ms, LAUNCH_MS):
            self._go_on_with(held[start : start + PAGE], waits, remaining_ms)
        if waits:
            raise waits[0]
        return len(held) + len(lost_ones)

    def give_up(self, message: Message, error: Refused) -> None:
        """a parked deploy-request -> a failed result, so that nobody waits for it."""
        tenant, deployment_id = message.tenant, str(message.data.get("deployment_id"))
        with self.database.transaction(tenant) as connection:
            deployment = store.get(connection, deployment_id)
        if deployment is not None:
            self._refuse(deployment, error)

    def _load(self, message: Message) -> Deployment:
        deployment_id = events.read_requested(message)
        with self.database.transaction(message.tenant) as connection:
            deployment = store.get(connection, deployment_id)
        if deployment is None:
            raise Refused("UNKNOWN_DEPLOYMENT", f"there is no deployment {deployment_id}", field="deployment_id")
        return deployment

    def _prepare(self, deployment: Deployment) -> None:
        started = now()
        try:
            prepared = self.prepare(deployment)
        except Refused as error:
            self._refuse(deployment, error)
            raise
        with self.database.transaction(deployment.lane.tenant) as connection:
            if prepared.document is not None and prepared.sha256 is not None:
                store.put_artefact(
                    connection,
                    tenant=deployment.lane.tenant,
                    sha256=prepared.sha256,
                    openapi_type=prepared.openapi_type,
                    document=prepared.document,
                    report=prepared.report or {},
                    at=started,
                )
            if store.set_prepared(connection, deployment.id, prepared):
                store.step(connection, deployment, "prepare", "success", started, now())

    def _refuse(self, deployment: Deployment, error: Refused) -> None:
        at = now()
        ended = Verdict("failed", None, error.problem())
        with self.database.transaction(deployment.lane.tenant) as connection:
            lanes.lock_lane(connection, deployment.lane)  # one that got its turn in between is not refused
            current = store.get(connection, deployment.id)
            if current is None or current.state != "requested":
                return
            store.finish(connection, deployment.id, ended, at)
            store.step(connection, deployment, "prepare", "failed", at, at, error.where())
            keys = outbox.add(connection, [events.finished(current, ended, at)])
        self.publish(keys)

    def _take_turn(self, lane: Lane, deployment_id: str) -> bool:
        """True when the deployment holds the lane now; otherwise it waits there, or was superseded."""
        with self.database.transaction(lane.tenant) as connection:
            holder = lanes.lock_lane(connection, lane)
            if holder.deployment_id is not None:
                if holder.deployment_id != deployment_id:
                    store.note_waiting(connection, deployment_id, holder.deployment_id, now())
                return holder.deployment_id == deployment_id
            turn, keys = self._next(connection, holder)
        self.publish(keys)
        return turn.holder is not None and turn.holder.id == deployment_id

    def _next(self, connection: Connection, holder: Holder) -> tuple[Turn, tuple[str, ...]]:
        at = now()
        turn = model.next_turn(store.waiting(connection, holder.lane), holder.last_generation)
        newer = turn.holder.id if turn.holder else f"generation {holder.last_generation}"
        ended = Verdict("superseded", None, model.problem("SUPERSEDED", f"a newer request took its place: {newer}"))
        said = []
        for old in turn.superseded:
            if store.finish(connection, old.id, ended, at):
                store.end_open_steps(connection, old.id, "success", at)
                said.append(events.finished(old, ended, at))
        if turn.holder is not None:
            lanes.hold_lane(connection, turn.holder)
            store.end_open_steps(connection, turn.holder.id, "success", at)
        return turn, outbox.add(connection, said)

    def _ask_again(self, lane: Lane) -> None:
        with self.database.transaction(lane.tenant) as connection:
            lanes.lock_lane(connection, lane)
            lost_id = lanes.take_lost(connection, lane)
            old = store.get(connection, lost_id) if lost_id else None
            if old is None or old.lane.tenant not in registrations.tenants(connection, old.project_id):
                return
            made = store.create_again(connection, old, events.again(old), now())
            keys = outbox.add(connection, [events.asked(made)])
        self.publish(keys)

    def _go_on_with(self, held: Sequence[Holder], waits: list[Transient], remaining_ms: RemainingMs) -> None:
        """A page of AWX's list: thousands at once would outlast a tick. Raises if AWX is down, else adds to `waits`."""
        jobs = {job.id: job for job in self.awx.jobs(sorted(h.awx_job_id for h in held if h.awx_job_id))}
        for holder in in_time(held, remaining_ms, LAUNCH_MS):
            try:
                self._go_on(holder, jobs)
            except Transient as error:
                waits.append(error)
                if len(waits) == AWX_IS_DOWN_AFTER:
                    raise waits[0] from None

    def _go_on(self, holder: Holder, jobs: Mapping[int, Job]) -> None:
        job_id = holder.awx_job_id
        if job_id is None:
            self._launched(holder.lane, str(holder.deployment_id))
        elif job_id not in jobs:
            gone = model.problem("AWX_JOB_GONE", f"AWX has no job {job_id} any more; nobody knows how it ended")
            self._close(holder, Verdict("failed", None, gone))
        elif jobs[job_id].final:
            try:
                self._close_if_over(holder, self.awx.job(job_id))  # a list does not say whether it is settled
            except Refused as error:  # what the job published cannot be stored; its lane must not stay busy for that
                self._close(holder, Verdict("failed", None, model.problem(error.code, error.detail)))

    def _launched(self, lane: Lane, deployment_id: str) -> bool:
        """Claims the launch, then looks for its job: a call before may have arrived. False while it still may."""
        with self.database.transaction(lane.tenant) as connection:
            claim = lanes.start_launch(connection, deployment_id, self.launch_may_arrive_s)
            holder = lanes.holder_of(connection, deployment_id)
            deployment = store.get(connection, deployment_id)
            if claim and deployment is not None:
                store.step(connection, deployment, "awx_trigger", "in_progress", now())
        if holder is None or holder.awx_job_id is not None or deployment is None:
            return True
        try:
            found = self.awx.find(model.tag(deployment_id))
        except Transient:
            if claim:
                self._not_sent(deployment_id, claim)
            raise
        if found:
            self._follow(holder, deployment, found)
        elif claim:
            self._call_awx(deployment, holder, claim)
        return claim is not None or bool(found)

    def _follow(self, holder: Holder, deployment: Deployment, found: Sequence[Job]) -> None:
        for extra in found[1:]:
            self.awx.cancel(extra.id)
        self._set_job(deployment.lane, deployment.id, found[0])
        if found[0].final:  # it may have ended while nobody knew whose it was
            self._close_if_over(holder, self.awx.job(found[0].id))

    def _not_sent(self, deployment_id: str, claim: datetime) -> None:
        with self.database.transaction() as connection:
            lanes.launch_not_sent(connection, deployment_id, claim)

    def _call_awx(self, deployment: Deployment, holder: Holder, claim: datetime) -> None:
        """The call, unless looking took so long that somebody else has the claim."""
        if holder.cancelled_by:
            self._close(holder, model.cancelled(holder.cancelled_by))
            return
        template, sent, begun = TEMPLATES[deployment.action], model.extra_vars(deployment, self.public_url), None
        try:
            check(sent)
            self.awx.learn(template)
            with self.database.transaction() as connection:
                begun = lanes.call_begins(connection, deployment.id, claim)
            if begun is None:
                return
            job = self.awx.launch(template, extra_vars=sent, skip_tags=model.tag(deployment.id))
        except Transient as error:
            if begun is None or not error.sent:
                self._not_sent(deployment.id, begun or claim)
            raise
        except Refused as error:
            self._close(holder, Verdict("failed", None, model.problem(error.code, error.detail)))
            return
        self._set_job(deployment.lane, deployment.id, job)

    def _set_job(self, lane: Lane, deployment_id: str, job: Job) -> None:
        at = now()
        with self.database.transaction(lane.tenant) as connection:
            cancelled = lanes.set_job(connection, deployment_id, job.id)
            deployment = store.get(connection, deployment_id)
            if deployment is not None:
                store.step(connection, deployment, "awx_trigger", "success", at, at, f"AWX job {job.id}")
                store.step(connection, deployment, "awx_running", "in_progress", at)
                metrics.LAUNCH_LATENCY.add(store.waited_ms(connection, deployment, at))
        if cancelled:
            self.awx.cancel(job.id)

    def _close_if_over(self, holder: Holder, job: Job) -> None:
        if job.over(now()):
            self._close(holder, model.verdict(job.status, job.artifacts, job.explanation))

    def _close(self, holder: Holder, ended: Verdict) -> None:
        """Final state, result event and the lane's next turn in one transaction; then the next launch."""
        at = now()
        with self.database.transaction(holder.lane.tenant) as connection:
            locked = lanes.lock_lane(connection, holder.lane)
            if locked.deployment_id != holder.deployment_id or locked.deployment_id is None:
                return
            deployment = store.get(connection, locked.deployment_id)
            lanes.free_lane(connection, holder.lane)
            keys: tuple[str, ...] = ()
            if deployment is not None and store.finish(connection, deployment.id, ended, at):
                good = "success" if ended.state == "succeeded" else "failed"
                store.end_open_steps(connection, deployment.id, good, at)
                keys = outbox.add(connection, [events.finished(deployment, ended, at)])
                lanes.remember(connection, deployment, ended, self.retry_pause_s)
            turn, more = self._next(connection, locked)
        self.publish((*keys, *more))
        if turn.holder is not None:
            self._launched(holder.lane, turn.holder.id)
