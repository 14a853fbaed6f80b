"""The realm file, read: clients, client scopes, which roles they let into a token, and lifespans."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.emulators.document_store import Json
from local.emulators.keycloak.mappers import KNOWN

NUMBERS = (
    "accessTokenLifespan", "accessCodeLifespan", "accessCodeLifespanLogin", "ssoSessionIdleTimeout",
    "ssoSessionMaxLifespan", "failureFactor", "waitIncrementSeconds", "maxFailureWaitSeconds", "maxDeltaTimeSeconds",
)  # fmt: skip
# Keycloak's own pages, which are not emulated
OWN_PAGES = ("account", "account-console", "security-admin-console")
# what Keycloak adds by itself to every realm
BUILT_IN_ROLES = ("offline_access", "uma_authorization")
BUILT_IN_COMPOSITES = {"view-users": ("query-users", "query-groups")}


@dataclass(frozen=True)
class Scope:
    """`roles`: only who has one of them gets the scope, and they come into its tokens; empty for everybody."""

    name: str
    shown: bool
    mappers: tuple[Json, ...]
    roles: frozenset[str]


@dataclass(frozen=True)
class Client:
    """`roles` and `client_roles` (by client) are what may come into its tokens; `scopes` by default, `optional` when
    they are asked for."""

    name: str
    id: str
    enabled: bool
    public: bool
    secret: str
    signs_in: bool
    service: bool
    redirects: tuple[str, ...]
    origins: tuple[str, ...]
    attributes: Mapping[str, str]
    mappers: tuple[Json, ...]
    scopes: tuple[str, ...]
    optional: tuple[str, ...]
    roles: frozenset[str]
    client_roles: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def after_logout(self) -> tuple[str, ...]:
        return tuple(filter(None, self.attributes.get("post.logout.redirect.uris", "").split("##")))


@dataclass(frozen=True)
class Realm:
    """`seconds` holds lifespans and the numbers of the lock, by the names of the file; `policy` is the least length of
    a password; `patterns` what an attribute of a user must match, for those that are declared."""

    name: str
    id: str
    clients: Mapping[str, Client]
    scopes: Mapping[str, Scope]
    roles: Mapping[str, str]
    seconds: Mapping[str, int]
    users: tuple[Json, ...]
    title: str

    def id_of(self, kind: str, name: str) -> str:
        """Ids do not change over restarts."""
        return str(uuid.uuid5(uuid.UUID(self.id), f"{kind}:{name}"))

    def granted(self, client: Client, asked: str, roles: frozenset[str]) -> list[Scope]:
        """The scopes of a token: the default ones, and of the optional ones those that were asked for."""
        wanted = set(asked.split())
        named = [*client.scopes, *(name for name in client.optional if name in wanted)]
        scopes = [self.scopes[name] for name in named]
        return [scope for scope in scopes if not scope.roles or scope.roles & roles]

    def unknown_scopes(self, client: Client, asked: str) -> bool:
        return not set(asked.split()) <= {"openid", *client.scopes, *client.optional}


def parse(file: Json, more_users: Json | None) -> Realm:
    """Raises ValueError for what would be a hole, or is not emulated."""
    name = file["realm"]
    made = str(uuid.uuid5(uuid.NAMESPACE_URL, f"realm:{name}"))
    _check(file)
    scope_roles = _mapped(file, "clientScope")
    client_roles = _mapped(file, "client")
    scopes = {one["name"]: _scope(one, scope_roles) for one in file["clientScopes"]}
    clients = {
        one["clientId"]: _client(one, made, client_roles, file)
        for one in file["clients"]
        if one["clientId"] not in OWN_PAGES
    }
    for client in clients.values():
        _check_client(client, scopes)
    users = (*file.get("users", ()), *(more_users or {}).get("users", ()))
    roles = {one["name"]: one.get("description", "") for one in file["roles"]["realm"]}
    roles |= dict.fromkeys((*BUILT_IN_ROLES, f"default-roles-{name}"), "")
    seconds = {number: file[number] for number in NUMBERS}
    return Realm(name, made, clients, scopes, roles, seconds, users, str(file.get("displayName", name)))


def _check(file: Json) -> None:
    must = {"revokeRefreshToken": True, "refreshTokenMaxReuse": 0, "bruteForceProtected": True,
            "bruteForceStrategy": "MULTIPLE", "permanentLockout": False, "quickLoginCheckMilliSeconds": 0,
            "registrationAllowed": False}  # fmt: skip
    wrong = [name for name, value in must.items() if file.get(name) != value]
    wrong += [name for name in NUMBERS if type(file.get(name)) is not int]
    if wrong:
        raise ValueError(f"only a realm is emulated that sets {', '.join(sorted(wrong))} as ours does")


def _check_client(client: Client, scopes: Mapping[str, Scope]) -> None:
    """Raises ValueError for a client that would let in too many, or whose tokens would not be Keycloak's."""
    unknown = [name for name in (*client.scopes, *client.optional) if name not in scopes]
    mappers = [m for name in (*client.scopes, *client.optional) if name in scopes for m in scopes[name].mappers]
    kinds = {mapper["protocolMapper"] for mapper in (*mappers, *client.mappers)} - KNOWN
    if unknown or kinds:
        raise ValueError(f"client {client.name}: not emulated: {', '.join(sorted({*unknown, *kinds}))}")
    if any("*" in uri for uri in (*client.redirects, *client.after_logout)) or "*" in client.origins:
        raise ValueError(f"client {client.name}: addresses are written out, without *")
    if not client.public and not client.secret:
        raise ValueError(f"client {client.name} has no secret")


def _scope(one: Json, roles: Mapping[str, frozenset[str]]) -> Scope:
    shown = one.get("attributes", {}).get("include.in.token.scope", "true") == "true"
    mappers = tuple(one.get("protocolMappers", ()))
    return Scope(one["name"], shown, mappers, roles.get(one["name"], frozenset()))


def _client(one: Json, realm_id: str, roles: Mapping[str, frozenset[str]], file: Json) -> Client:
    name = one["clientId"]
    if one["directAccessGrantsEnabled"] or one["implicitFlowEnabled"] or one["fullScopeAllowed"]:
        raise ValueError(f"client {name}: direct grants, the implicit flow and the full scope are not emulated")
    held = {
        owner: frozenset(mapping["roles"])
        for owner, mappings in file.get("clientScopeMappings", {}).items()
        for mapping in mappings
        if mapping.get("client") == name
    }
    return Client(
        name,
        str(uuid.uuid5(uuid.UUID(realm_id), f"client:{name}")),
        bool(one["enabled"]),
        bool(one.get("publicClient", False)),
        str(one.get("secret", "")),
        bool(one["standardFlowEnabled"]),
        bool(one["serviceAccountsEnabled"]),
        tuple(one["redirectUris"]),
        tuple(one["webOrigins"]),
        one.get("attributes", {}),
        tuple(one.get("protocolMappers", ())),
        tuple(one.get("defaultClientScopes", ())),
        tuple(one.get("optionalClientScopes", ())),
        roles.get(name, frozenset()),
        held,
    )


def _mapped(file: Json, kind: str) -> dict[str, frozenset[str]]:
    return {one[kind]: frozenset(one["roles"]) for one in file.get("scopeMappings", ()) if kind in one}


def with_composites(roles: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Client roles by client, with those that they bring."""
    return {
        client: frozenset({*names, *(more for name in names for more in BUILT_IN_COMPOSITES.get(name, ()))})
        for client, names in roles.items()
    }
