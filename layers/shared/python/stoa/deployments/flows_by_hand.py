"""What a person does to a deployment: cancel it, ask for it again, go back to it. One public method per route."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from stoa.adapters.awx import Awx
from stoa.audit.events import acted
from stoa.deployments import events, model, store
from stoa.deployments import store_lanes as lanes
from stoa.deployments.model import Deployment
from stoa.kernel import idempotency, outbox, registrations
from stoa.kernel.clock import now
from stoa.kernel.database import Connection, Database
from stoa.kernel.envelope import Event
from stoa.kernel.errors import NotFound, Refused

ACTIONS = {"retry": "DEPLOYMENT_RETRIED", "rollback": "DEPLOYMENT_ROLLED_BACK"}
RETRIED = frozenset({"failed", "cancelled"})


@dataclass(frozen=True)
class ByHand:
    """`publish` takes outbox keys after a commit. Each method raises NotFound, or Refused 409 in the wrong state."""

    database: Database
    publish: Callable[[Iterable[str]], None]
    awx: Awx

    def cancel(self, deployment_id: str, actor: str, ip: str = "") -> None:
        """POST /v1/deployments/{id}/cancel -> a waiting one ends at once, for a running one AWX is asked to stop.

        One that is being launched ends when AWX has answered; one that was lost is not asked for again.
        """
        found = self._find(deployment_id)
        keys: tuple[str, ...] = ()
        with self.database.transaction(found.lane.tenant) as connection:
            lanes.lock_lane(connection, found.lane)  # nobody launches it meanwhile
            current = store.get(connection, deployment_id) or found
            if current.final and not lanes.drop_lost(connection, found.lane, deployment_id):
                raise _conflict("ALREADY_FINISHED", f"it is {current.state} already")
            if current.state == "requested":
                keys = self._ended(connection, current, actor)
            elif not current.final and current.awx_job_id is None:
                lanes.note_cancelled(connection, deployment_id, actor)
            audit = _audit("DEPLOYMENT_CANCELLED", current, actor, ip, before={"state": current.state})
            keys = (*keys, *outbox.add(connection, [audit]))
        self.publish(keys)
        if not current.final and current.awx_job_id is not None:
            self.awx.cancel(current.awx_job_id)  # how it ended comes back as every result does

    def retry(self, deployment_id: str, actor: str, key: str | None, ip: str = "") -> str:
        """POST /v1/deployments/{id}/retry -> a deploy request for the same commit. Returns the new one's id."""
        old = self._find(deployment_id)
        with self.database.transaction(old.lane.tenant) as connection:
            if key and (earlier := idempotency.started(connection, actor, key, f"retry/{deployment_id}")):
                return earlier
            current = store.get(connection, deployment_id) or old
            if current.state not in RETRIED:
                raise _conflict("NOT_FAILED", f"it is {current.state}", "only what failed or was cancelled is retried")
            newest = store.newest(connection, old.lane)
            if newest is not None and newest.id != deployment_id:
                raise _conflict("NOT_NEWEST", f"{newest.id} was asked for later", "retry that one, or roll back to one")
            made, keys = self._ask(connection, current, events.again(current, "retry", actor), ip)
            if key:
                idempotency.remember(connection, actor, key, f"retry/{deployment_id}", made.id)
        self.publish(keys)
        return made.id

    def roll_back(self, deployment_id: str, actor: str, key: str | None, trace_id: str, ip: str = "") -> str:
        """POST /v1/deployments/{id}/rollback -> a deploy request with what that one deployed. Returns the new one's id.

        Nothing is read from Git: the stored document, held against its hash, and the stored variables. An API that Git
        has no more is not brought back: no push would ever take it off again.
        """
        old = self._find(deployment_id)
        with self.database.transaction(old.lane.tenant) as connection:
            if key and (earlier := idempotency.started(connection, actor, key, f"rollback/{deployment_id}")):
                return earlier
            if (old.action, old.state) != ("deploy", "succeeded") or old.artefact_sha256 is None:
                raise _conflict("NEVER_DEPLOYED", "it has put nothing on the gateway", "choose one that succeeded")
            document = store.artefact(connection, old.artefact_sha256)
            if document is None or hashlib.sha256(document).hexdigest() != old.artefact_sha256:
                raise _conflict("ARTEFACT_DAMAGED", "its document is not the one that was deployed", "choose another")
            pushed = store.newest(connection, old.lane, "gitlab-push")  # a start by hand says nothing of Git
            if pushed is not None and pushed.action == "undeploy":
                raise _conflict("API_REMOVED", "Git does not hold the API any more", "push its files again")
            made, keys = self._ask(connection, old, events.again(old, "rollback", actor, trace_id), ip)
            if key:
                idempotency.remember(connection, actor, key, f"rollback/{deployment_id}", made.id)
        self.publish(keys)
        return made.id

    def _find(self, deployment_id: str) -> Deployment:
        with self.database.transaction(admin_read=True) as connection:
            found = store.get(connection, deployment_id)
        if found is None:
            raise NotFound(f"there is no deployment {deployment_id}")
        return found

    def _ask(
        self, connection: Connection, old: Deployment, asked: tuple[events.Cause, events.Wanted], ip: str
    ) -> tuple[Deployment, tuple[str, ...]]:
        if old.lane.environment not in events.AUTO_DEPLOY:
            raise events.approval_required()
        if old.lane.tenant not in registrations.tenants(connection, old.project_id):
            detail = f"project {old.project_id} may not touch the tenant {old.lane.tenant} any more"
            raise _conflict("TENANT_NOT_REGISTERED", detail, "ask for its registration")
        made = store.create_again(connection, old, asked, now())
        action = ACTIONS[made.trigger]
        audit = _audit(action, made, made.requested_by, ip, before={"deployment_id": old.id, "state": old.state})
        return made, outbox.add(connection, [events.asked(made), audit])

    def _ended(self, connection: Connection, deployment: Deployment, actor: str) -> tuple[str, ...]:
        at, ended = now(), model.cancelled(actor)
        lanes.forget_lost(connection, deployment.lane)  # as every cancellation does, see ADR 0007
        store.finish(connection, deployment.id, ended, at)
        store.end_open_steps(connection, deployment.id, "failed", at)
        return outbox.add(connection, [events.finished(deployment, ended, at)])


def _audit(action: str, d: Deployment, actor: str, ip: str, before: Mapping[str, str]) -> Event:
    return acted(
        action,
        f"deployments/{d.id}",
        actor=actor,
        ip=ip,
        tenant=d.lane.tenant,
        trace_id=d.trace_id,
        at=now(),
        before=before,
        git_commit=d.commit,
    )


def _conflict(code: str, detail: str, hint: str | None = None) -> Refused:
    return Refused(code, detail, field="deployment_id", status=409, hint=hint)
