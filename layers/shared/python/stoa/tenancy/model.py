"""Who may do what: the one table. Routes name a permission; nothing else decides.

Columns: Admin CPI, Tenant CPI, DevOps, viewer, security, consumer (a signed-in portal developer), service account.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from stoa.kernel.errors import NotFound, Refused
from stoa.kernel.settings import Secret

Role = Literal["cpi-admin", "tenant-admin", "devops", "viewer", "security", "consumer", "service"]
Reach = Literal["all", "tenant", "own", "published"]
Permission = Literal[
    "tenants:manage", "tenants:read", "apis:read", "apis:write", "apis:delete", "apis:deploy", "apis:promote",
    "requests:create", "requests:approve", "requests:reject", "requests:cancel", "requests:read",
    "apps:write", "apps:delete", "apps:read", "subscriptions:decide", "users:manage", "sessions:own", "channels:manage",
    "channels:read", "audit:read", "audit:export", "traces:read", "events:replay", "findings:ack",
    "resources:extend", "freeze:manage", "gateway:admin",
]  # fmt: skip

# never that of what concerns all: audit/events.py, PLATFORM
TENANT = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
ROLES: tuple[Role, ...] = get_args(Role)
# whoever has one of these works for all tenants
OF_THE_PLATFORM: frozenset[Role] = frozenset({"cpi-admin", "security"})
WIDEST: tuple[Reach, ...] = get_args(Reach)
_ALL: Reach = "all"
_OF_TENANT: Reach = "tenant"
_OWN: Reach = "own"
_PUBLISHED: Reach = "published"
_ROWS: Mapping[Permission, tuple[Reach | None, ...]] = {
    # permission           CA    TA          DO          VI          SE    CO          SV
    "tenants:manage":      (_ALL, None,       None,       None,       None, None,       None),
    "tenants:read":        (_ALL, _OF_TENANT, _OF_TENANT, _OF_TENANT, _ALL, None,       None),
    "apis:read":           (_ALL, _OF_TENANT, _OF_TENANT, _OF_TENANT, _ALL, _PUBLISHED, _OF_TENANT),
    "apis:write":          (_ALL, _OF_TENANT, _OF_TENANT, None,       None, None,       None),
    "apis:delete":         (_ALL, _OF_TENANT, None,       None,       None, None,       None),
    "apis:deploy":         (_ALL, _OF_TENANT, _OF_TENANT, None,       None, None,       None),
    "apis:promote":        (_ALL, _OF_TENANT, _OF_TENANT, None,       None, None,       None),
    "requests:create":     (_ALL, _OF_TENANT, _OF_TENANT, None,       None, None,       None),
    "requests:approve":    (_ALL, _OF_TENANT, None,       None,       None, None,       None),
    "requests:reject":     (_ALL, _OF_TENANT, None,       None,       None, None,       None),
    "requests:cancel":     (_ALL, _OF_TENANT, _OWN,       None,       None, None,       None),
    "requests:read":       (_ALL, _OF_TENANT, _OF_TENANT, _OF_TENANT, _ALL, None,       None),
    "apps:write":          (_ALL, _OF_TENANT, _OF_TENANT, None,       None, _OWN,       None),
    "apps:delete":         (_ALL, _OF_TENANT, None,       None,       None, _OWN,       None),
    "apps:read":           (_ALL, _OF_TENANT, _OF_TENANT, _OF_TENANT, _ALL, _OWN,       _OF_TENANT),
    "subscriptions:decide": (_ALL, _OF_TENANT, None,      None,       None, None,       None),
    "users:manage":        (_ALL, _OF_TENANT, None,       None,       None, None,       None),
    "sessions:own":        (_OWN, _OWN,       _OWN,       _OWN,       _OWN, _OWN,      None),
    "channels:manage":     (_ALL, _OF_TENANT, None,       None,       None, None,       None),
    "channels:read":       (_ALL, _OF_TENANT, _OF_TENANT, _OF_TENANT, _ALL, None,       None),
    "audit:read":          (_ALL, _OF_TENANT, _OF_TENANT, _OF_TENANT, _ALL, _OWN,       None),
    "audit:export":        (_ALL, _OF_TENANT, None,       None,       _ALL, None,       None),
    "traces:read":         (_ALL, _OF_TENANT, _OF_TENANT, _OF_TENANT, _ALL, None,       None),
    "events:replay":       (_ALL, _OF_TENANT, None,       None,       None, None,       None),
    "findings:ack":        (_ALL, _OF_TENANT, None,       None,       _ALL, None,       None),
    "resources:extend":    (_ALL, _OF_TENANT, _OWN,       None,       None, None,       None),
    "freeze:manage":       (_ALL, _OF_TENANT, None,       None,       None, None,       None),
    # a service account needs the scope deploy:{env} beside it: see functions/api/routes/gateway.py
    "gateway:admin":       (_ALL, None,       None,       None,       None, None,       None),
}  # fmt: skip
MATRIX: Mapping[Permission, Mapping[Role, Reach]] = {
    permission: {role: reach for role, reach in zip(ROLES, row, strict=True) if reach}
    for permission, row in _ROWS.items()
}


@dataclass(frozen=True)
class Caller:
    """Whose token was verified. `id` is the `sub`; `scopes` those of the token; `session` its `sid`.

    `tenant` is None for who belongs to none; what reaches a tenant only then reaches nothing.
    """

    id: str
    roles: frozenset[Role]
    tenant: str | None
    scopes: frozenset[str] = frozenset()
    session: str | None = None
    token: Secret = field(default=Secret(""), repr=False)

    def reach(self, permission: Permission) -> Reach | None:
        """How far the caller's roles go, the widest of them; None when not at all."""
        granted = {MATRIX[permission][role] for role in self.roles if role in MATRIX[permission]}
        if self.tenant is None:
            granted.discard(_OF_TENANT)
        return min(granted, key=WIDEST.index, default=None)

    def reaches(self, permission: Permission, tenant: str) -> bool:
        """Whether the caller may do it to whatever is the tenant's."""
        reach = self.reach(permission)
        return reach == _ALL or (reach == _OF_TENANT and tenant == self.tenant)


class OtherTenant(NotFound):
    """Somebody asked for what is another tenant's; to them, it is not there."""


@dataclass(frozen=True)
class Grant:
    """What a route was permitted to do for whom."""

    caller: Caller
    permission: Permission
    reach: Reach

    @property
    def id(self) -> str:
        return self.caller.id

    @property
    def tenant(self) -> str | None:
        """The tenant that rows are read and changed in; None for all of them."""
        return None if self.reach == _ALL else self.caller.tenant

    def within(self, asked: str | None) -> str | None:
        """`tenant`, narrowed to the one that was asked for. Raises NotFound for another one than the caller's own."""
        own = self.tenant
        if self.reach != _ALL and asked not in {None, own}:
            raise OtherTenant(f"there is no tenant {asked}")
        return asked if asked is not None else own


def granted(caller: Caller, permission: Permission, *, also: frozenset[Reach] = frozenset()) -> Grant:
    """Raises Refused 403. `also` are the narrower reaches that the route can keep to."""
    reach = caller.reach(permission)
    if reach is None or (reach not in {_ALL, _OF_TENANT} and reach not in also):
        detail = f"none of your roles has the permission {permission}"
        raise Refused("FORBIDDEN", detail, status=403, hint="ask an administrator of your tenant for it")
    return Grant(caller, permission, reach)


def caller_of(claims: Mapping[str, Any], token: Secret) -> Caller:
    """The caller in verified claims of Keycloak; roles that are not ours grant nothing, nor a tenant that none can be
    called."""
    access = claims.get("realm_access")
    names = access.get("roles") if isinstance(access, dict) else None
    tenant, scope, session = claims.get("tenant_id"), claims.get("scope"), claims.get("sid")
    return Caller(
        id=str(claims["sub"]),
        roles=frozenset(role for role in ROLES if isinstance(names, list) and role in names),
        tenant=tenant if isinstance(tenant, str) and TENANT.fullmatch(tenant) else None,
        scopes=frozenset(scope.split()) if isinstance(scope, str) else frozenset(),
        session=session if isinstance(session, str) else None,
        token=token,
    )
