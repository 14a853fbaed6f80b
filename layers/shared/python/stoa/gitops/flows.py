"""From a GitLab push to the deployments it asks for, and from a commit to what AWX needs."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stoa.adapters.gitlab import Comparison, GitLab
from stoa.adapters.vault import Vault
from stoa.deployments.events import Cause, Wanted
from stoa.gitops import store
from stoa.gitops.events import Prepared, PushAccepted, push_accepted
from stoa.gitops.model import Affected, Change, affected
from stoa.kernel import ids, inbox, outbox
from stoa.kernel.clock import iso, now
from stoa.kernel.database import Connection, Database, Row
from stoa.kernel.envelope import Message
from stoa.kernel.errors import NotFound, Refused
from stoa.kernel.identity import SYSTEM
from stoa.openapi import SpecRefused, convert, gateway_profile, parse, to_bytes
from stoa.repository.definition import Definition, definition, sources

NO_COMMIT = "0" * 40
CONSUMER = "git_pushes_to_deploy_requests.git-pushes"
AUTO_DEPLOY = frozenset({"dev"})
SPEC_HINT = "stoa openapi convert FILE shows the same message on your machine"
APPROVAL = "this environment is deployed by a promotion with approval, not by a push"

Request = Callable[[Connection, Cause, Sequence[Wanted]], tuple[tuple[str, ...], tuple[str, ...]]]


@dataclass(frozen=True)
class Plan:
    """What a push leads to: deployments to ask for, and what was left out with the reason."""

    state: str
    wanted: tuple[Wanted, ...] = ()
    left_out: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class GitOps:
    """`request` writes deployments in our transaction; `gitlab` and `vault` are made at first use."""

    database: Database
    publish: Callable[[Iterable[str]], None]
    request: Request
    gitlab: Callable[[], GitLab]
    vault: Callable[[], Vault]

    def accept_push(self, push: PushAccepted) -> str:
        """POST /webhooks/gitlab -> git-pushes. Returns the trace id; a redelivery gets the first one."""
        at = now()
        with self.database.transaction() as connection:
            if not store.put_push(connection, push, at):
                return store.trace_of(connection, push["push_id"]) or push["trace_id"]
            keys = outbox.add(connection, [push_accepted(push, at)])
        self.publish(keys)
        return push["trace_id"]

    def catch_up(self) -> int:
        """every five minutes -> git-pushes for what GitLab never told us: it does not repeat a failed webhook."""
        with self.database.transaction() as connection:
            projects = store.projects(connection)
        return sum(self._catch_up(project) for project in projects)

    def plan_push(self, message: Message) -> None:
        """git-pushes -> one deploy request per API and environment, all in one transaction."""
        with self.database.transaction() as connection:
            push = store.push(connection, str(message.data.get("push_id")))
            if push is None:
                raise Refused("UNKNOWN_PUSH", "there is no such push", field="push_id")
            head = store.head(connection, push["project_id"], push["ref"])
            tenants = store.tenants(connection, push["project_id"])
        if push["state"] != "accepted":
            return
        plan = self._plan(push, head, tenants)
        cause: Cause = {
            "project_id": push["project_id"],
            "commit": push["after_sha"],
            "trigger": "gitlab-push",
            "actor": push["pusher"],
            "trace_id": push["trace_id"],
        }
        with self.database.transaction() as connection:
            if not inbox.claim(connection, CONSUMER, message.id):
                return
            made, keys = self.request(connection, cause, plan.wanted)
            outcome = [*({"deployment_id": made_id} for made_id in made), *plan.left_out]
            store.close_push(connection, push["id"], state=plan.state, outcome=outcome, at=now())
            if plan.state == "done":
                store.set_head(connection, push["project_id"], push["ref"], push["after_sha"])
        self.publish(keys)

    def start_by_hand(self, asked: Wanted, actor: str, idempotency_key: str | None) -> str:
        """POST /v1/deployments -> a deploy request at the newest processed commit. Returns its id."""
        if asked["environment"] not in AUTO_DEPLOY:
            raise Refused(
                "APPROVAL_REQUIRED", APPROVAL, field="environment", status=409, hint="open a promotion ticket"
            )
        subject = f"{asked['tenant']}/{asked['api']}/{asked['environment']}"
        with self.database.transaction() as connection:
            if idempotency_key and (earlier := store.started(connection, idempotency_key)):
                return _same_request(earlier, subject)
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
            if idempotency_key:
                store.put_started(connection, idempotency_key, subject, made[0])
        self.publish(keys)
        return made[0]

    def recent_pushes(self, before: tuple[datetime, str] | None, limit: int) -> list[Row]:
        """GET /v1/pushes -> the newest pushes and what became of them."""
        with self.database.transaction() as connection:
            return store.pushes(connection, before, limit)

    def give_up(self, message: Message, error: Refused) -> None:
        """a parked push -> its row says why, so that the pusher finds out."""
        with self.database.transaction() as connection:
            outcome = [{"code": error.code, "detail": error.where()}]
            store.close_push(connection, str(message.data.get("push_id")), state="refused", outcome=outcome, at=now())

    def prepare(self, project_id: int, commit: str, api_key: str, environment: str, action: str) -> Prepared:
        """a deploy request -> variables resolved, secrets checked, document converted. `api_key` is tenant/api."""
        if action == "undeploy":
            return Prepared(api_version=None, launch_vars={})
        tenant, api = api_key.split("/")
        files = self._files(project_id, commit, api_key, environment)
        found = definition(files, tenant, api, environment)
        self._check_secrets(found)
        return _prepared(found, files)

    def _catch_up(self, project: int) -> bool:
        found = self.gitlab().default_branch(project)
        if found is None:
            return False
        ref, sha = f"refs/heads/{found[0]}", found[1]
        with self.database.transaction() as connection:
            head = store.head(connection, project, ref)
            if sha == head or store.is_known(connection, project, sha):
                return False
        self.accept_push(
            {
                "trace_id": ids.trace_id(),
                "push_id": f"caught-up:{project}:{sha}",
                "project_id": project,
                "ref": ref,
                "before": head or NO_COMMIT,
                "after": sha,
                "pusher": SYSTEM.id,
                "received_at": iso(now()),
            }
        )
        return True

    def _plan(self, push: dict[str, Any], head: str | None, tenants: frozenset[str]) -> Plan:
        gitlab, project, after = self.gitlab(), push["project_id"], push["after_sha"]
        before = head or push["before_sha"]
        if head is not None and head != push["before_sha"]:
            ahead = gitlab.compare(project, head, after, straight=False)
            if not ahead.commits:
                return Plan("skipped", left_out=({"code": "ALREADY_COVERED", "detail": f"{head} includes it"},))
        tree = frozenset(gitlab.tree(project, after))
        changes, commits = self._changes(project, before, after, tree)
        if commits and self._all_ours(project, commits):
            return Plan("done", left_out=({"code": "OWN_COMMITS", "detail": "the platform made these commits"},))
        found = affected(changes, tree)
        wanted, left_out = [], list(found.refused)
        for item in found.items:
            if item.tenant not in tenants:
                left_out.append(_left_out(item, "TENANT_NOT_REGISTERED", "the project may not touch this tenant"))
            elif item.environment in AUTO_DEPLOY:
                wanted.append(_wanted(item))
            elif item.own_file:
                wanted.append(_wanted(item, refused={"code": "APPROVAL_REQUIRED", "detail": APPROVAL}))
        return Plan("done", tuple(wanted), tuple(left_out))

    def _changes(
        self, project: int, before: str, after: str, tree: frozenset[str]
    ) -> tuple[tuple[Change, ...], tuple[str, ...]]:
        """What changed, and by which commits; everything is new when there is nothing to compare with."""
        everything = tuple(Change(path) for path in sorted(tree))
        if not before.strip("0"):
            return everything, ()
        try:
            found = self.gitlab().compare(project, before, after, straight=True)
        except NotFound:
            return everything, ()
        if not found.timed_out:
            return _changed(found), found.commits
        old = frozenset(self.gitlab().tree(project, before))
        gone = tuple(Change(path, removed=True) for path in sorted(old - tree))
        return (*everything, *gone), found.commits

    def _all_ours(self, project: int, commits: Sequence[str]) -> bool:
        with self.database.transaction() as connection:
            return store.own_commits(connection, project, commits) >= frozenset(commits)

    def _files(self, project: int, commit: str, api_key: str, environment: str) -> dict[str, bytes]:
        gitlab = self.gitlab()
        tenant, api = api_key.split("/")
        wanted = sources(gitlab.tree(project, commit), tenant, api, environment)
        return gitlab.files(project, wanted, commit)

    def _check_secrets(self, found: Definition) -> None:
        """Every reference must exist; its value is read only inside the playbook's run."""
        for reference in found.secret_refs:
            if reference.key not in self.vault().keys(reference.path):
                raise Refused(
                    "SECRET_NOT_FOUND",
                    f"the secret {reference.path} has no key {reference.key}",
                    file=reference.file,
                    line=reference.line,
                    hint="write the secret to Vault first, or correct the reference",
                )


def _same_request(earlier: Row, subject: str) -> str:
    if earlier["subject"] != subject:
        detail = "this Idempotency-Key came with another request"
        hint = "send a new key with a new request"
        raise Refused("IDEMPOTENCY_KEY_REUSED", detail, field="Idempotency-Key", hint=hint)
    return str(earlier["deployment_id"])


def _changed(comparison: Comparison) -> tuple[Change, ...]:
    made = []
    for diff in comparison.diffs:
        if diff.deleted_file or diff.renamed_file:
            made.append(Change(diff.old_path, removed=True))
        if not diff.deleted_file:
            made.append(Change(diff.new_path))
    return tuple(made)


def _prepared(found: Definition, files: dict[str, bytes]) -> Prepared:
    folder, _, name = found.spec_path.rpartition("/")
    parts = {path.removeprefix(f"{folder}/"): data for path, data in files.items() if path.startswith(f"{folder}/")}
    try:
        document = parse(files[found.spec_path], name=name, files=parts)
        converted = convert(document)
        profiled = gateway_profile(converted.document, server_url=found.api.spec.backend.url)
    except SpecRefused as error:
        raise Refused(
            error.code, error.detail, field=error.pointer, file=found.spec_path, line=error.line, hint=SPEC_HINT
        ) from error
    data = to_bytes(profiled.document)
    kind = "openapi" if profiled.document.version.startswith("3.") else "swagger"
    return Prepared(
        api_version=found.version,
        launch_vars={**found.launch_vars(), "openapi_type": kind},
        document=data,
        sha256=hashlib.sha256(data).hexdigest(),
        openapi_type=kind,
        report={"standards": converted.report.to_dict(), "gateway": profiled.report.to_dict()},
    )


def _wanted(item: Affected, refused: dict[str, Any] | None = None) -> Wanted:
    wanted = Wanted(tenant=item.tenant, api=item.api, environment=item.environment, action=item.action)
    if refused is not None:
        wanted["refused"] = refused
    return wanted


def _left_out(item: Affected, code: str, detail: str) -> dict[str, Any]:
    return {"tenant": item.tenant, "api": item.api, "environment": item.environment, "code": code, "detail": detail}
