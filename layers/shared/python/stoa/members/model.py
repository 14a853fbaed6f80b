"""Who is to have which role in a tenant, what has to change for it in Keycloak, and when nothing may. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from stoa.kernel.errors import Refused

if TYPE_CHECKING:  # reading YAML costs a cold start of the API, which reads none
    from stoa.repository.iam import Role

# the roles that a tenant's file decides; whoever has one of the others without a tenant is nobody's member
MANAGED: frozenset[str] = frozenset({"tenant-admin", "devops", "viewer"})
PLATFORM_ROLES = frozenset({"cpi-admin", "security", "service"})
KEEPS_TENANT = frozenset({"consumer"})
MOST_REMOVED = 10
ADMIN: "Role" = "tenant-admin"

State = Literal["pending", "synced", "refused"]


@dataclass(frozen=True)
class Member:
    """Somebody whom the file names."""

    email: str
    role: "Role"


@dataclass(frozen=True)
class Account:
    """Whom Keycloak has: `roles` are all of the realm's that the user holds."""

    id: str
    email: str
    tenant: str | None
    usable: bool
    roles: frozenset[str]

    @property
    def managed(self) -> frozenset[str]:
        return self.roles & MANAGED


@dataclass(frozen=True)
class Change:
    """What one user is to become: `joins` and `leaves` are of the tenant; `ends`: the user is signed out everywhere."""

    account: Account
    after: frozenset[str]
    joins: bool = False
    leaves: bool = False
    ends: bool = False

    @property
    def gives(self) -> frozenset[str]:
        return self.after - self.account.managed

    @property
    def takes(self) -> frozenset[str]:
        return self.account.managed - self.after


@dataclass(frozen=True)
class Verdict:
    """How far Keycloak is with one member of the file."""

    email: str
    state: State
    user_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Work:
    """`changes` in the order in which they are safe; `verdicts` hold once they are made."""

    changes: tuple[Change, ...] = ()
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class Sync:
    """What a worker holds: the tenant until `leased_until`, and the generation of its file. `state` is as it was."""

    tenant: str
    project_id: int
    generation: int
    commit_sha: str
    asked_by: str
    trace_id: str
    state: str
    leased_until: datetime


@dataclass(frozen=True)
class SessionEnd:
    """A session that is to end; `tenant` is where its audit belongs."""

    session_id: str
    user_id: str
    tenant: str
    asked_by: str
    ip: str
    trace_id: str
    asked_at: datetime


def work(tenant: str, members: Sequence[Member], accounts: Collection[Account]) -> Work:
    """`accounts` are the tenant's users, and those with a member's address. Raises Refused when too many would lose
    their roles, or nobody would administer the tenant."""
    found = {account.email: account for account in accounts if account.email}
    present = [account for account in accounts if account.tenant == tenant]
    verdicts = [_verdict(tenant, member, found.get(member.email)) for member in members]
    named = [(found.get(member.email), member, verdict) for member, verdict in zip(members, verdicts, strict=True)]
    given = [
        Change(account, frozenset({member.role}), joins=account.tenant != tenant)
        for account, member, verdict in named
        if account is not None and verdict.state == "synced"
    ]
    narrowed = [
        Change(account, account.managed & {member.role})
        for account, member, verdict in named
        if account in present and verdict.state == "refused" and not account.roles & PLATFORM_ROLES
    ]
    stay = {account.id for account, _member, _verdict in named if account is not None}
    taken = [_taken(one) for one in present if one.id not in stay and one.managed]
    _fuse(tenant, given, present, taken)
    changes = [one for one in (*sorted(given, key=_admins_first), *narrowed, *taken) if _is_one(one)]
    return Work(tuple(changes), tuple(verdicts))


def end(tenant: str, _members: Sequence[Member], accounts: Collection[Account]) -> Work:
    """Of a tenant that is closed: nobody stays, however many they are; who works for the platform keeps working."""
    present = sorted((one for one in accounts if one.tenant == tenant), key=lambda one: one.id)
    platform = [_taken(one) for one in present if one.roles & PLATFORM_ROLES]
    others = [Change(one, frozenset(), leaves=True, ends=True) for one in present if not one.roles & PLATFORM_ROLES]
    return Work(tuple(change for change in (*others, *platform) if _is_one(change)))


def _verdict(tenant: str, member: Member, account: Account | None) -> Verdict:
    if account is None:
        return Verdict(member.email, "pending", reason="nobody has an account with this address yet")
    if account.tenant not in (None, tenant):
        return Verdict(member.email, "refused", reason="the account belongs to another tenant")
    if account.roles & PLATFORM_ROLES:
        return Verdict(member.email, "refused", reason="the account has a role of the whole platform")
    if not account.usable:
        reason = "the account is disabled, or its address is not verified"
        return Verdict(member.email, "refused", account.id if account.tenant == tenant else None, reason)
    return Verdict(member.email, "synced", account.id)


def _taken(account: Account) -> Change:
    return Change(account, frozenset(), leaves=not account.roles & (KEEPS_TENANT | PLATFORM_ROLES))


def _admins_first(change: Change) -> tuple[bool, str]:
    """Nobody is without an administrator in between."""
    return ADMIN not in change.after, change.account.id


def _is_one(change: Change) -> bool:
    return bool(change.gives or change.takes or change.joins or change.leaves)


def _fuse(tenant: str, given: Iterable[Change], present: Iterable[Account], taken: Collection[Change]) -> None:
    administered = any(ADMIN in account.roles and account.usable for account in present)
    if administered and not any(ADMIN in change.after for change in given):
        raise Refused(
            "IAM_NO_ADMIN",
            f"nobody under cpi has an account that can administer {tenant}, whose administrators would lose their role",
            hint="keep one of them in the file until another one has an account that is enabled and verified",
        )
    if len(taken) > MOST_REMOVED:
        raise Refused(
            "IAM_TOO_MANY_REMOVED",
            f"{len(taken)} people of {tenant} would lose their roles at once, and {MOST_REMOVED} may",
            hint="remove them in steps; each one may follow when the one before is synced",
        )
