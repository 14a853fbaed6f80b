"""Keycloak's admin REST API of one realm: users of a tenant, their realm roles, their sessions.

Source: Keycloak 26 Admin REST API, in the words it uses. The account needs `manage-users`, `view-users` and
`query-users` of `realm-management`, and nothing more.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import requests

from stoa.adapters.retry_after import seconds
from stoa.kernel.errors import NotFound, Refused, Transient
from stoa.kernel.settings import Secret

CLIENT = "stoa-identity"
RETRY_STATUS = frozenset({408, 425, 429})
PAGE = 100
MOST_USERS = 2000  # each costs a call for its roles
# a token is left alone before it expires: the call must arrive while it counts
EARLY_S = 20.0
WHOLE = {"briefRepresentation": "false"}
MACHINE = "service-account-"


@dataclass(frozen=True)
class User:
    """A person; `tenant` is their attribute, None without one. `email` is in small letters, empty without one."""

    id: str
    username: str
    email: str
    verified: bool
    enabled: bool
    tenant: str | None
    names: Mapping[str, str]


@dataclass(frozen=True)
class Session:
    """`clients` are the names of those that have tokens of it."""

    id: str
    ip: str
    started_at: datetime
    last_access_at: datetime
    clients: tuple[str, ...]


class Keycloak:
    """`url` is the realm's: https://host/realms/stoa. Raises Transient when it is away, busy, or refuses our account;
    NotFound for a user or session that is not there; Refused for what it does not take."""

    def __init__(self, url: str, secret: Secret, *, timeout_s: float = 10.0) -> None:
        self._realm = url.rstrip("/")
        self._admin = self._realm.replace("/realms/", "/admin/realms/", 1)
        self._secret = secret
        self._timeout_s = timeout_s
        self._session = requests.Session()
        self._session.trust_env = False
        self._token, self._token_ends = "", float("-inf")
        self._roles: dict[str, dict[str, Any]] = {}

    def user(self, user_id: str) -> User:
        """Raises NotFound."""
        return _user(self._read(f"/users/{_part(user_id)}"))

    def users_of(self, tenant: str) -> list[User]:
        """Everybody whose attribute says so; accounts of machines are left out."""
        found: list[User] = []
        while len(found) < MOST_USERS:
            part = {"first": str(len(found)), "max": str(PAGE)}
            page = [_user(one) for one in self._read("/users", {"q": f"tenant:{tenant}", **WHOLE, **part})]
            found += page
            if len(page) < PAGE:
                return [one for one in found if one.tenant == tenant and not one.username.startswith(MACHINE)]
        raise Refused("TOO_MANY_USERS", f"{tenant} has more than {MOST_USERS} users in Keycloak")

    def user_with(self, email: str) -> User | None:
        """The person with exactly this address."""
        asked = self._read("/users", {"email": email, "exact": "true", **WHOLE})
        found = [one for one in map(_user, asked) if one.email == email]
        return found[0] if len(found) == 1 else None

    def move(self, user: User, tenant: str | None) -> None:
        """Makes the user one of this tenant, or of none. What is not sent would be lost: attributes come as a whole."""
        attributes = {"tenant": [tenant]} if tenant else {}
        named = {"username": user.username, "email": user.email or None, **user.names}
        body = {**{name: text for name, text in named.items() if text is not None}, "attributes": attributes}
        self._send("PUT", f"/users/{_part(user.id)}", json=body)

    def roles_of(self, user_id: str) -> frozenset[str]:
        """Realm roles that the user holds directly."""
        return frozenset(str(role["name"]) for role in self._held(user_id))

    def give(self, user_id: str, roles: Collection[str]) -> None:
        """One that the user has already is no mistake. Raises Refused for a role that the realm has not."""
        missing = set(roles) - self._roles.keys()
        if missing:
            self._learn(self._read(f"{_mappings(user_id)}/available"))
        if unknown := set(roles) - self._roles.keys() - self.roles_of(user_id):
            raise Refused("UNKNOWN_ROLE", f"the realm has no role {', '.join(sorted(unknown))}")
        known = [self._roles[role] for role in sorted(roles) if role in self._roles]
        if known:
            self._send("POST", _mappings(user_id), json=known)

    def take(self, user_id: str, roles: Collection[str]) -> None:
        """Those of `roles` that the user has."""
        held = [role for role in self._held(user_id) if role["name"] in roles]
        if held:
            self._send("DELETE", _mappings(user_id), json=held)

    def sessions(self, user_id: str) -> list[Session]:
        """The one used last comes first. Raises NotFound for a user who is not there."""
        found = [_session(one) for one in self._read(f"/users/{_part(user_id)}/sessions")]
        return sorted(found, key=lambda one: (one.last_access_at, one.id), reverse=True)

    def end_session(self, session_id: str) -> None:
        """One that is over already is as good."""
        try:
            self._send("DELETE", f"/sessions/{_part(session_id)}")
        except NotFound:
            return

    def _held(self, user_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._read(_mappings(user_id))
        self._learn(found)
        return found

    def _learn(self, roles: list[dict[str, Any]]) -> None:
        self._roles |= {str(role["name"]): role for role in roles}

    def _read(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        answer = self._send("GET", path, params=params)
        try:
            return answer.json()
        except requests.JSONDecodeError as error:
            raise Transient("keycloak", f"answered {answer.status_code} with broken JSON") from error

    def _send(self, method: str, path: str, **request: Any) -> requests.Response:
        answer = self._ask(method, path, **request)
        if answer.status_code == 401:  # the token was made before a restart, or its key is gone
            self._token_ends = float("-inf")
            answer = self._ask(method, path, **request)
        return _checked(answer)

    def _ask(self, method: str, path: str, **request: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._bearer()}", "Accept": "application/json"}
        return self._call(method, self._admin + path, headers=headers, **request)

    def _bearer(self) -> str:
        if time.monotonic() >= self._token_ends:
            if not self._realm or not self._secret:
                raise Transient("keycloak", "no address or no secret is configured", alarm=True, sent=False)
            form = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": self._secret.reveal()}
            asked_at = time.monotonic()
            answer = self._call("POST", f"{self._realm}/protocol/openid-connect/token", data=form)
            if answer.status_code in (400, 401, 403):
                raise Transient("keycloak", f"{answer.status_code}: our account is not accepted", alarm=True)
            body = _checked(answer).json()
            self._token, self._token_ends = str(body["access_token"]), asked_at + float(body["expires_in"]) - EARLY_S
        return self._token

    def _call(self, method: str, url: str, **request: Any) -> requests.Response:
        try:
            return self._session.request(method, url, timeout=self._timeout_s, allow_redirects=False, **request)
        except requests.RequestException as error:
            raise Transient("keycloak", type(error).__name__) from error


def _checked(answer: requests.Response) -> requests.Response:
    status = answer.status_code
    if 200 <= status < 300:
        return answer
    said = _said(answer)
    if status in (401, 403):
        raise Transient("keycloak", f"{status}: our account may not do that", alarm=True)
    if status == 404 and said:
        raise NotFound("Keycloak has no such user or session")
    if status < 400 or status == 404 or status >= 500 or status in RETRY_STATUS:
        wait = seconds(status, answer.headers.get("Retry-After"))
        raise Transient("keycloak", f"answered {status}", retry_after_s=wait)
    raise Refused("KEYCLOAK_REFUSED", f"Keycloak answered {status}: {said[:300]}", status=409)


def _said(answer: requests.Response) -> str:
    """The sentence in an error of the admin API; empty for what a proxy says."""
    try:
        body = answer.json()
    except requests.JSONDecodeError:
        return ""
    said = (body.get("errorMessage") or body.get("error")) if isinstance(body, dict) else None
    return str(said) if said else ""


def _part(name: str) -> str:
    """Of a path; `.` and `..` would lead elsewhere."""
    if name in ("", ".", ".."):
        raise NotFound("Keycloak has no such user or session")
    return quote(name, safe="")


def _mappings(user_id: str) -> str:
    return f"/users/{_part(user_id)}/role-mappings/realm"


def _user(body: Mapping[str, Any]) -> User:
    tenants = (body.get("attributes") or {}).get("tenant") or []
    names = {name: str(body[name]) for name in ("firstName", "lastName") if body.get(name) is not None}
    return User(
        id=str(body["id"]),
        username=str(body["username"]),
        email=str(body.get("email") or "").lower(),
        verified=body.get("emailVerified") is True,
        enabled=body.get("enabled") is True,
        tenant=str(tenants[0]) if tenants else None,
        names=names,
    )


def _session(body: Mapping[str, Any]) -> Session:
    return Session(
        id=str(body["id"]),
        ip=str(body.get("ipAddress") or ""),
        started_at=_moment(body["start"]),
        last_access_at=_moment(body["lastAccess"]),
        clients=tuple(sorted(str(name) for name in (body.get("clients") or {}).values())),
    )


def _moment(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
