"""From iam files in Git to roles in Keycloak. One public method per trigger."""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from stoa.adapters.keycloak import Keycloak, User
from stoa.audit.events import acted
from stoa.kernel import outbox, registrations
from stoa.kernel.clock import RemainingMs, in_time, no_end, now
from stoa.kernel.database import Connection, Database, Row, enter
from stoa.kernel.errors import NotFound, Refused, Transient
from stoa.kernel.identity import SYSTEM
from stoa.kernel.log import log
from stoa.members import model, store
from stoa.members.model import Account, Change, Member, Sync, Work
from stoa.repository.iam import Iam, IamPush, raised

LEASE_S = 180.0  # longer than the function may run
AGAIN_S = 300.0  # what somebody changed in Keycloak by hand stands no longer
RETRY_S = 60.0
WORKS_S = 60.0  # no tenant is begun later in a tick
NO_FILE = ""  # instead of a commit, where no file says who is a member
CHANGE_MS = 40_000  # three calls to Keycloak that get no answer, and the database
MOST_WAITS = 2  # before that, it may be one tenant that always fails

# No token of that user that was made before the time is taken any more: tenancy/store.py
Deny = Callable[[Connection, str, datetime], None]


class Overtaken(Exception):
    """A newer file came, or the lease has run out: another worker goes on."""


@dataclass(frozen=True)
class Members:
    """`publish` takes outbox keys after a commit; `keycloak` is made at first use; `time_scale` > 1 makes every wait
    that much shorter."""

    database: Database
    publish: Callable[[Iterable[str]], None]
    keycloak: Callable[[], Keycloak]
    deny: Deny
    time_scale: float = 1.0

    def ask(self, connection: Connection, found: Iam, tenants: Iterable[str], push: IamPush) -> list[dict[str, Any]]:
        """a push that touches iam files -> what its tenants' members are to be, under their next generation; what was
        not taken, and why. In the transaction of the push."""
        told = [fault.problem() for fault in found.elsewhere]
        for tenant in sorted(tenants):
            enter(connection, tenant)
            refused = self._ask(connection, found, tenant, push)
            if refused is not None:
                told.append({"tenant": tenant, **refused.problem()})
        return told

    def dissolve(self, connection: Connection, tenant: str, project_id: int, actor: str, trace_id: str) -> None:
        """a tenant is closed -> nobody is to be its member, under the next generation. In the transaction of that."""
        store.want(connection, tenant, {}, IamPush(project_id, NO_FILE, actor, trace_id, None), now())

    def sync(self, remaining_ms: RemainingMs = no_end) -> int:
        """every minute -> the users of a tenant have the roles that its file gives them, and no others."""
        started, done, waits = now(), 0, list[Transient]()
        while remaining_ms() >= CHANGE_MS and now() - started < timedelta(seconds=WORKS_S) and len(waits) < MOST_WAITS:
            with self.database.transaction() as connection:
                sync = store.claim(connection, now(), now() + timedelta(seconds=LEASE_S))
            if sync is None:
                break
            try:
                done += self._sync(sync, remaining_ms)
            except Transient as error:
                waits.append(error)
                self._let_go(sync, RETRY_S)
        if waits:
            raise waits[0]
        return done

    def _ask(self, connection: Connection, found: Iam, tenant: str, push: IamPush) -> Refused | None:
        """None also for a tenant that never had members in a file, and has none now."""
        source, old = store.source_of(connection, tenant), store.wanted(connection, tenant)
        fault, roster = found.faults.get(tenant), found.rosters.get(tenant)
        if source not in (None, push.project_id):
            return _of_another(source) if fault or roster else None
        people = store.authors(connection, tenant, push.people)
        if roster is not None and old:
            fault = raised(old, roster, people)
        elif fault is None and roster is None and old:
            fault = _gone(tenant)
        if fault is not None:
            store.refuse(connection, tenant, fault.problem(), replace(push, people=people), now())
        elif roster is not None:
            store.want(connection, tenant, roster.people, push, now())
        return fault

    def _sync(self, sync: Sync, remaining_ms: RemainingMs) -> int:
        """How many users were changed."""
        try:
            changed = self._applied(sync, remaining_ms)
        except Overtaken:
            log.info("members.overtaken", tenant=sync.tenant, generation=sync.generation)
            self._let_go(sync, 0.0)
            return 0
        except Refused as error:
            log.error("members.refused", tenant=sync.tenant, code=error.code, detail=error.detail)
            with self.database.transaction(sync.tenant) as connection:
                store.ended(connection, sync, error.problem(), now())
            changed = 0
        self._let_go(sync, AGAIN_S)
        return changed

    def _applied(self, sync: Sync, remaining_ms: RemainingMs) -> int:
        """Raises Refused, having changed nothing, Overtaken and Transient."""
        with self.database.transaction(sync.tenant) as connection:
            members = store.members(connection, sync.tenant)
            begun = store.intended(connection, sync.tenant)
            closed = registrations.is_closed(connection, sync.tenant)
        users = self._users(sync.tenant, members, begun)
        accounts = {user.id: self._account(user) for user in in_time(users.values(), remaining_ms, CHANGE_MS)}
        if len(accounts) < len(users):
            raise Transient("keycloak", f"there was no time to read the roles of {len(users)} users")
        self._settle(sync.tenant, begun, accounts)
        work = (model.end if closed else model.work)(sync.tenant, members, list(accounts.values()))
        failures = {}
        made = 0
        for change in in_time(work.changes, remaining_ms, CHANGE_MS):
            made += 1
            try:
                self._change(sync, users[change.account.id], change)
            except Refused as error:
                log.error("members.not_changed", tenant=sync.tenant, user_id=change.account.id, detail=error.detail)
                failures[change.account.id] = error
        if made < len(work.changes):
            raise Transient("keycloak", f"{made} of {len(work.changes)} changes were made in time")
        self._judge(sync, work, failures)
        return len(work.changes) - len(failures)

    def _users(self, tenant: str, members: list[Member], begun: list[Row]) -> dict[str, User]:
        """The tenant's users, those whom the file names, and those of changes that were begun, by id."""
        keycloak = self.keycloak()
        users = {user.id: user for user in keycloak.users_of(tenant)}
        known = {user.email for user in users.values()}
        named = [keycloak.user_with(member.email) for member in members if member.email not in known]
        users |= {user.id: user for user in named if user is not None}
        for row in begun:
            if row["user_id"] not in users:
                with contextlib.suppress(NotFound):
                    users[row["user_id"]] = keycloak.user(row["user_id"])
        return users

    def _account(self, user: User) -> Account:
        roles = self.keycloak().roles_of(user.id)
        return Account(user.id, user.email, user.tenant, user.enabled and user.verified, roles)

    def _settle(self, tenant: str, begun: list[Row], accounts: Mapping[str, Account]) -> None:
        """What was begun and not written down: Keycloak says what came of it."""
        for row in begun:
            account = accounts.get(row["user_id"])
            self._record(tenant, row["user_id"], account.managed if account else frozenset(row["before"]))

    def _change(self, sync: Sync, user: User, change: Change) -> None:
        """Safe to repeat. Raises Refused for a user whom Keycloak does not let be changed, Overtaken, Transient."""
        with self.database.transaction(sync.tenant) as connection:
            if not store.holds(connection, sync):
                raise Overtaken
            store.intend(connection, sync, change, SYSTEM if sync.state == "synced" else sync.asked_by)
        keycloak = self.keycloak()
        keycloak.take(user.id, change.takes)
        for session in keycloak.sessions(user.id) if change.ends else ():
            keycloak.end_session(session.id)
        if change.leaves or change.joins:
            keycloak.move(user, sync.tenant if change.joins else None)
        keycloak.give(user.id, change.gives)
        self._record(sync.tenant, user.id, change.after)

    def _record(self, tenant: str, user_id: str, after: frozenset[str]) -> None:
        """Once, whoever comes first: audited, and what the user lost is lost at once."""
        with self.database.transaction(tenant) as connection:
            row = store.done(connection, tenant, user_id)
            if row is None or set(row["before"]) == after:
                return
            if set(row["before"]) - after:
                self.deny(connection, user_id, now())
            event = acted(
                "MEMBER_CHANGED", f"members/{tenant}/{user_id}", actor=row["actor"], tenant=tenant,
                trace_id=row["trace_id"], at=now(), before={"roles": row["before"]}, after={"roles": sorted(after)},
                git_commit=row["commit_sha"] or None,
            )  # fmt: skip
            keys = outbox.add(connection, [event])
        self.publish(keys)

    def _judge(self, sync: Sync, work: Work, failures: Mapping[str, Refused]) -> None:
        verdicts = [
            replace(one, state="refused", reason=failures[one.user_id].detail)
            if one.user_id is not None and one.user_id in failures
            else one
            for one in work.verdicts
        ]
        error = next((one.problem() for one in failures.values()), None)
        with self.database.transaction(sync.tenant) as connection:
            if not store.holds(connection, sync):
                raise Overtaken
            store.judge(connection, sync.tenant, verdicts)
            store.ended(connection, sync, error, now())

    def _let_go(self, sync: Sync, again_s: float) -> None:
        with self.database.transaction() as connection:
            store.let_go(connection, sync, now() + timedelta(seconds=again_s / self.time_scale))


def _gone(tenant: str) -> Refused:
    detail = f"no file below iam/ names {tenant} any more: its members stay as they are"
    return Refused("IAM_MISSING", detail, file="iam", hint="name the tenant again; a tenant is never without members")


def _of_another(source: int | None) -> Refused:
    detail = f"the members of this tenant stand in another project, {source}"
    return Refused("IAM_ELSEWHERE", detail, file="iam", hint="take the tenant out of this file, or out of that project")
