"""From a GitLab push to the deployments it asks for, and from a commit to what AWX needs."""

import hashlib
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from stoa.adapters.gitlab import GitLab
from stoa.adapters.vault import Vault
from stoa.deployments.events import Cause
from stoa.gitops import store
from stoa.gitops.events import NO_COMMIT, Prepared, PushAccepted, push_accepted
from stoa.gitops.model import Api, Change, Lane, affected, gateway_document, removals
from stoa.gitops.model_apis import Commit, Described, Touched, apis, attributed, described, faults
from stoa.gitops.plan import Plan, planned
from stoa.gitops.ports import AskMembers, Ours, Request, Settle
from stoa.kernel import ids, inbox, outbox, registrations
from stoa.kernel.clock import RemainingMs, in_time, iso, no_end, now
from stoa.kernel.database import Connection, Database
from stoa.kernel.envelope import Message
from stoa.kernel.errors import NotFound, Refused, Transient
from stoa.kernel.identity import SYSTEM
from stoa.kernel.log import log
from stoa.repository import iam
from stoa.repository.definition import Definition, api_folder, definition, folders, sources
from stoa.repository.iam import IamPush

# how long a push may take to read what its APIs say of themselves, of the two minutes that it has
DESCRIBE_S = 40.0
LOOK_MS = 20_000  # a call to GitLab that gets no answer, and the database
CONSUMER = "git_pushes_to_deploy_requests.git-pushes"


@dataclass(frozen=True)
class GitOps:
    """`request` writes deployments in our transaction, `members` what members are to be; `standing` tells what was
    asked to stand for a project; `authored` finds the commits that the platform made for people, `settle` ends what
    they had asked for; `gitlab` and `vault` are made at first use; `nearby` is that of `definition`."""

    database: Database
    publish: Callable[[Iterable[str]], None]
    request: Request
    standing: Callable[[int], Iterable[Lane]]
    authored: Ours
    settle: Settle
    gitlab: Callable[[], GitLab]
    vault: Callable[[], Vault]
    members: AskMembers
    nearby: frozenset[str] = frozenset()

    def accept_push(self, push: PushAccepted) -> str:
        """POST /webhooks/gitlab -> git-pushes. Returns the trace id; a redelivery gets the first one."""
        at = now()
        with store.put_push(self.database, push, at) as (connection, stored):
            if not stored:
                return store.trace_of(connection, push["push_id"]) or push["trace_id"]
            keys = outbox.add(connection, [push_accepted(push, at)])
        self.publish(keys)
        return push["trace_id"]

    def catch_up(self, remaining_ms: RemainingMs = no_end) -> int:
        """every five minutes -> git-pushes for what GitLab never told us: it does not repeat a failed webhook.

        In another order each time, so that no project is always among those that there was no time for.
        """
        with self.database.transaction() as connection:
            projects = registrations.projects(connection)
        found, waits = 0, []
        for project in in_time(random.sample(projects, len(projects)), remaining_ms, LOOK_MS):
            try:
                found += self._catch_up(project)
            except Transient as error:
                waits.append(error)
            except Refused as error:
                log.error("catch_up.refused", project_id=project, code=error.code, detail=error.detail)
        if waits:
            raise waits[0]
        return found

    def plan_push(self, message: Message) -> None:
        """git-pushes -> one deploy request per API and environment, all in one transaction."""
        found = store.push(self.database, str(message.data.get("push_id")))
        if found is None:
            raise Refused("UNKNOWN_PUSH", "there is no such push", field="push_id")
        push, head, tenants = found
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
        with inbox.claimed(self.database, CONSUMER, message.id) as (connection, first):
            if not first:
                return
            if plan.state == "done" and registrations.tenants(connection, push["project_id"]) != tenants:
                raise Transient("gitops", "the project's tenants changed while this push was planned")
            # the project's row before any generation, here and in a start by hand: the newer commit gets the newer one
            reached = store.Head(push["ref"], push["after_sha"])
            if plan.state == "done" and not store.move_head(connection, push["project_id"], head, reached, now()):
                raise Transient("gitops", "the project was processed further while this push was planned")
            made, keys = self._request(connection, cause, plan)
            if plan.apis is not None:
                commit = Commit(push["project_id"], reached.sha, push["pusher"], push["trace_id"], now(), plan.actors)
                keys += outbox.add(connection, store.put_apis(connection, plan.apis, tenants, commit))
                keys += self.settle(connection, plan.authored)
            outcome = [*({"deployment_id": made_id} for made_id in made), *plan.left_out]
            if plan.iam is not None:
                pushed = IamPush(push["project_id"], push["after_sha"], push["pusher"], push["trace_id"], plan.people)
                outcome += self.members(connection, plan.iam, tenants, pushed)
            store.close_push(connection, push["id"], state=plan.state, outcome=outcome, at=now())
        self.publish(keys)

    def give_up(self, message: Message, error: Refused) -> None:
        """a parked push -> its row says why, so that the pusher finds out."""
        with self.database.transaction() as connection:
            push_id, outcome = str(message.data.get("push_id")), [error.problem()]
            store.close_push(connection, push_id, state="refused", outcome=outcome, at=now())

    def prepare(self, project_id: int, commit: str, api_key: str, environment: str, action: str) -> Prepared:
        """a deploy request -> variables resolved, secrets checked, document converted. `api_key` is tenant/api."""
        if action == "undeploy":
            return Prepared(api_version=None, launch_vars={})
        tenant, api = api_key.split("/")
        files = self._files(project_id, commit, api_key, environment)
        found = definition(files, tenant, api, environment, self.nearby)
        self._check_secrets(found)
        return _prepared(found, files)

    def _catch_up(self, project: int) -> bool:
        found = self.gitlab().default_branch(project)
        if found is None:
            return False
        ref, sha = f"refs/heads/{found[0]}", found[1]
        with self.database.transaction() as connection:
            head = store.head(connection, project)
            if head == store.Head(ref, sha) or store.is_known(connection, project, ref, sha):
                return False
        trace_id = ids.trace_id()
        self.accept_push(
            {
                "trace_id": trace_id,
                # not made of the commit: a branch may lose the same one twice
                "push_id": f"caught-up:{trace_id}",
                "project_id": project,
                "ref": ref,
                "before": head.sha if head else NO_COMMIT,
                "after": sha,
                "pusher": SYSTEM,
                "received_at": iso(now()),
            }
        )
        return True

    def _plan(self, push: dict[str, Any], processed: store.Head | None, tenants: frozenset[str]) -> Plan:
        gitlab, project, after = self.gitlab(), push["project_id"], push["after_sha"]
        head = processed.sha if processed else None
        stale = self._stale(project, store.Head(push["ref"], after), processed)
        if stale is not None:
            return Plan("skipped", left_out=(stale,))
        tree = frozenset(gitlab.tree(project, after))
        changes, commits = self._changes(project, head, after, tree)
        made = self.authored(project, tenants, commits or gitlab.commits(project, after, ""))
        newest = partial(self._newest, project, after) if len(made) < len(commits) or not commits else None
        deployed, found = planned(affected(changes, tree), tenants), apis(changes, tree)
        said = self._described(project, after, [one for one in found.touched if one.tenant in tenants])
        # a deployment says itself what is wrong with its files
        told = faults(said, but_of={(one["tenant"], one["api"]) for one in deployed.wanted})
        plan = replace(
            deployed,
            apis=replace(found, described=said),
            left_out=(*deployed.left_out, *told),
            authored=made,
            actors=attributed(made, newest),
        )
        if not iam.is_touched(change.path for change in changes):
            return plan
        rosters = iam.rosters(lambda path: gitlab.files(project, [path], after)[path], tree, tenants)
        return replace(plan, iam=rosters, people=gitlab.people(project, head, after, iam.NAME) if head else None)

    def _described(self, project: int, commit: str, touched: Sequence[Touched]) -> dict[Api, Described]:
        """What the files of these APIs say."""
        gitlab, until = self.gitlab(), time.monotonic() + DESCRIBE_S
        return described(touched, lambda paths: gitlab.files(project, paths, commit), lambda: time.monotonic() > until)

    def _request(self, connection: Connection, cause: Cause, plan: Plan) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Each API in the name of who had it changed."""
        made: tuple[str, ...] = ()
        keys: tuple[str, ...] = ()
        wanted = [(plan.actors.get((one["tenant"], one["api"]), cause["actor"]), one) for one in plan.wanted]
        for actor in sorted({actor for actor, _ in wanted}):
            theirs = tuple(one for who, one in wanted if who == actor)
            new, told = self.request(connection, {**cause, "actor": actor}, theirs)
            made, keys = (*made, *new), (*keys, *told)
        return made, keys

    def _newest(self, project: int, after: str, api: Api) -> str | None:
        """The commit that touched an API last."""
        return next(iter(self.gitlab().commits(project, after, api_folder(*api))), None)

    def _stale(self, project: int, push: store.Head, head: store.Head | None) -> dict[str, Any] | None:
        """Why a push is not to be acted on. Where the default branch is now always is: forward, rewound or made anew.

        An older commit is, only when it leads from the processed head to where the branch is. Everything else
        came late or was taken back, and would put an older state over a newer one.
        """
        if push == head:
            return {"code": "ALREADY_COVERED", "detail": f"the branch was processed at {push.sha} already"}
        gitlab = self.gitlab()
        found = gitlab.default_branch(project)
        if found is None:
            return {"code": "BRANCH_GONE", "detail": "GitLab shows no such branch any more"}
        name, current = found
        if push.ref != f"refs/heads/{name}":
            return {"code": "NOT_DEFAULT_BRANCH", "detail": f"the default branch is {name} now"}
        if push.sha == current:
            return None
        if not gitlab.is_ancestor(project, push.sha, current):
            return {"code": "TAKEN_BACK", "detail": f"the branch was rewritten or rewound: it is at {current}"}
        if head and not gitlab.is_ancestor(project, head.sha, push.sha):
            return {"code": "ALREADY_COVERED", "detail": f"{current}, where the branch is, includes it"}
        return None

    def _changes(
        self, project: int, head: str | None, after: str, tree: frozenset[str]
    ) -> tuple[tuple[Change, ...], Mapping[str, str]]:
        """What changed since the processed head, and by which commits, the oldest first, with their messages; `before`
        of a push may be far ahead of it.

        With nothing to compare, everything is new, and what the project deployed and has no files for is gone.
        """
        everything = tuple(Change(path) for path in sorted(tree))
        try:
            if head is None:
                raise NotFound("nothing was processed yet")
            found = self.gitlab().compare(project, head, after, straight=True)
            if not found.timed_out:
                return tuple(Change(*path) for diff in found.diffs for path in diff.paths()), found.messages
            old = frozenset(self.gitlab().tree(project, head))
        except NotFound:
            return (*everything, *removals(self.standing(project), tree)), {}
        gone = tuple(Change(path, removed=True) for path in sorted(old - tree))
        return (*everything, *gone), found.messages

    def _files(self, project: int, commit: str, api_key: str, environment: str) -> dict[str, bytes]:
        gitlab = self.gitlab()
        tenant, api = api_key.split("/")
        # a push to a project of a thousand APIs would list all of them a thousand times
        tree = gitlab.top_and(project, commit, folders(tenant, api, environment))
        return gitlab.files(project, sources(tree, tenant, api, environment), commit)

    def _check_secrets(self, found: Definition) -> None:
        """Every reference must exist; its value is read only inside the playbook's run."""
        for reference in found.secret_refs:
            self.vault().need(reference.path, reference.key, file=reference.file, line=reference.line)


def _prepared(found: Definition, files: dict[str, bytes]) -> Prepared:
    made = gateway_document(found.spec_path, files, found.api.spec.backend.url)
    return Prepared(
        api_version=found.version,
        launch_vars={**found.launch_vars(), "openapi_type": made.kind},
        document=made.data,
        sha256=hashlib.sha256(made.data).hexdigest(),
        openapi_type=made.kind,
        report=made.report,
    )
