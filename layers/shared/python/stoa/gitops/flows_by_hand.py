"""What a person starts from Git without a push."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from stoa.audit.events import acted
from stoa.deployments.events import AUTO_DEPLOY, Cause, Wanted, approval_required
from stoa.gitops import store
from stoa.kernel import idempotency, ids, outbox, registrations
from stoa.kernel.clock import now
from stoa.kernel.database import Connection, Database
from stoa.kernel.errors import NotFound, Refused

Request = Callable[[Connection, Cause, Sequence[Wanted]], tuple[tuple[str, ...], tuple[str, ...]]]


@dataclass(frozen=True)
class ByHand:
    """`publish` takes outbox keys after a commit; `request` writes deployments in our transaction."""

    database: Database
    publish: Callable[[Iterable[str]], None]
    request: Request

    def start(self, asked: Wanted, actor: str, idempotency_key: str | None, ip: str = "") -> str:
        """POST /v1/deployments -> a deploy request at the newest processed commit. Returns its id."""
        if asked["environment"] not in AUTO_DEPLOY:
            raise approval_required()
        subject = f"{asked['tenant']}/{asked['api']}/{asked['environment']}"
        with self.database.transaction() as connection:
            if idempotency_key and (earlier := idempotency.started(connection, actor, idempotency_key, subject)):
                return earlier
            if not registrations.projects_of(connection, asked["tenant"]):
                raise NotFound(f"there is no tenant {asked['tenant']}")
            source = store.source(connection, asked["tenant"])
            if source is None:
                detail = f"no push of a project of {asked['tenant']} was processed yet"
                raise Refused("NOTHING_TO_DEPLOY", detail, field="tenant", status=409, hint="push the API to Git first")
            cause: Cause = {
                "project_id": source["project_id"],
                "commit": source["head"],
                "trigger": "api-call",
                "actor": actor,
                "trace_id": ids.trace_id(),
            }
            made, keys = self.request(connection, cause, (asked,))
            resource, trace_id = f"deployments/{made[0]}", cause["trace_id"]
            audit = acted("DEPLOYMENT_STARTED", resource, actor=actor, ip=ip, tenant=asked["tenant"], trace_id=trace_id,
                          at=now(), after=asked, git_commit=cause["commit"])  # fmt: skip
            keys = (*keys, *outbox.add(connection, [audit]))
            if idempotency_key:
                idempotency.remember(connection, actor, idempotency_key, subject, made[0])
        self.publish(keys)
        return made[0]
