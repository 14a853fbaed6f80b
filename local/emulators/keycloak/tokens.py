"""What is in a token, and the answer that carries a set of them."""

import base64
import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.emulators.document_store import Json
from local.emulators.keycloak.keys import Keys
from local.emulators.keycloak.mappers import Subject, apply
from local.emulators.keycloak.people import People
from local.emulators.keycloak.realm import Client, Realm, Scope
from local.emulators.keycloak.sessions import Sessions
from local.emulators.keycloak.settings import Oddities

# as Keycloak begins the id of an access token: the session's kind, the token's, and how it was granted
JTI = {"authorization_code": "onrtac:", "refresh_token": "onrtrt:", "client_credentials": "trrtcc:"}


@dataclass(frozen=True)
class Grant:
    """`scope` is what the login asked for, `narrowed` the part of it that a refresh asks for; `notes` are those of a
    session, see `Subject`."""

    kind: str
    client: Client
    user: Json
    scope: str
    notes: Mapping[str, Any] = field(default_factory=dict)
    session: Json | None = None
    nonce: str | None = None
    narrowed: str | None = None

    @property
    def asked(self) -> str:
        if self.narrowed is None:
            return self.scope
        return " ".join(name for name in self.scope.split() if name in self.narrowed.split())


class Tokens:
    def __init__(self, issuer: str, realm: Realm, keys: Keys, people: People, oddities: Oddities) -> None:
        self.issuer = issuer
        self._realm = realm
        self._keys = keys
        self._people = people
        self._oddities = oddities

    def answer(self, grant: Grant, sessions: Sessions, now: int, family: str | None = None) -> Json:
        """The token endpoint's. With a session it continues the family, or begins one."""
        ends = now + self._realm.seconds["accessTokenLifespan"]
        if grant.session is not None:
            ends = min(ends, sessions.ends({**grant.session, "seen": now}))
        access = self._access(grant, now, ends)
        body = {"access_token": access, "expires_in": ends - now, "refresh_expires_in": 0, "token_type": "Bearer"}
        if grant.session is not None:
            refresh, refresh_ends = self._refresh(grant, grant.session, sessions, now, family)
            body |= {"refresh_expires_in": refresh_ends - now, "refresh_token": refresh}
            body["session_state"] = grant.session["id"]
        if "openid" in grant.asked.split():
            body["id_token"] = self._id(grant, access, now, ends)
        return {**body, "not-before-policy": 0, "scope": self.scope_of(grant)}

    def claims(self, grant: Grant, target: str) -> Json:
        """What the mappers write: for an access token, an id token, userinfo or an introspection."""
        claims: Json = {}
        scopes = self._scopes(grant)
        extra = frozenset().union(*(scope.roles for scope in scopes))
        roles = self._people.roles_of(grant.user, grant.client, extra)
        held = self._people.client_roles_of(grant.user, grant.client)
        subject = Subject(grant.user, roles, held, grant.client.origins, grant.notes)
        for mapper in (*(m for scope in scopes for m in scope.mappers), *grant.client.mappers):
            apply(mapper, target, subject, claims)
        return claims

    def scope_of(self, grant: Grant) -> str:
        shown = [scope.name for scope in self._scopes(grant) if scope.shown]
        return " ".join(["openid"] * ("openid" in grant.asked.split()) + shown)

    def _scopes(self, grant: Grant) -> list[Scope]:
        return self._realm.granted(grant.client, grant.asked, frozenset(grant.user["realmRoles"]))

    def _base(self, grant: Grant, typ: str, now: int, ends: int) -> Json:
        claims = {"exp": ends, "iat": now, "jti": str(uuid.uuid4()), "iss": self.issuer, "typ": typ}
        claims["azp"] = grant.client.name
        return claims if grant.session is None else {**claims, "sid": grant.session["id"]}

    def _access(self, grant: Grant, now: int, ends: int) -> str:
        claims = self._base(grant, "Bearer", now, ends) | self.claims(grant, "access")
        claims |= {"jti": JTI[grant.kind] + claims["jti"], "scope": self.scope_of(grant)}
        if self._oddities.without_audience:
            claims.pop("aud", None)
        return self._keys.sign(claims)

    def _id(self, grant: Grant, access: str, now: int, ends: int) -> str:
        half = hashlib.sha256(access.encode()).digest()[:16]
        claims = self._base(grant, "ID", now, ends) | self.claims(grant, "id")
        claims |= {"aud": grant.client.name, "sub": grant.user["id"]}
        claims["at_hash"] = base64.urlsafe_b64encode(half).rstrip(b"=").decode()
        return self._keys.sign(claims if grant.nonce is None else {**claims, "nonce": grant.nonce})

    def _refresh(
        self, grant: Grant, session: Json, sessions: Sessions, now: int, family: str | None
    ) -> tuple[str, int]:
        session["seen"] = now
        ends = sessions.ends(session)
        claims = self._base(grant, "Refresh", now, ends) | {"aud": self.issuer, "sub": grant.user["id"]}
        claims |= {"scope": grant.scope, "reuse_id": family or str(uuid.uuid4()), "acr": grant.notes.get("acr", "0")}
        families = session["clients"][grant.client.name]["families"]
        before = families.get(claims["reuse_id"], [None])[0]
        families[claims["reuse_id"]] = [claims["jti"], before]
        sessions.save(session)
        return self._keys.sign_refresh(claims), ends
