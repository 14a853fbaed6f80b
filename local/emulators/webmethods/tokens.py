"""Tokens of callers: RS256, checked with the keys of the authorization server whose issuer they name."""

import json
import time
from collections.abc import Mapping
from typing import Any

from joserfc import jwk, jwt
from joserfc.errors import JoseError
from joserfc.util import urlsafe_b64decode

from local.emulators.webmethods.answers import Json
from local.emulators.webmethods.backend import Backend, NotRouted
from local.emulators.webmethods.store import Store

REFETCH_S = 10.0
ACCEPT = [(b"accept", b"application/json")]


class Tokens:
    """Key sets are fetched at first use, and again for a key that they lack, at most every `REFETCH_S`."""

    def __init__(self, store: Store, backend: Backend) -> None:
        self.store = store
        self.backend = backend
        self.sets: dict[str, tuple[float, list[Json]]] = {}

    async def claims(self, headers: Mapping[str, str]) -> Json | None:
        """What a valid token says: its signature holds, its issuer is known, it is not over. Else None."""
        scheme, _, text = headers.get("authorization", "").partition(" ")
        server = self._server(text) if scheme.lower() == "bearer" else None
        if server is None:
            return None
        keys = await self._keys(str(server.get("jwksuri")), _part(text, 0).get("kid"))
        if not keys:
            return None
        try:
            token = jwt.decode(text, jwk.KeySet.import_key_set({"keys": keys}), algorithms=["RS256"])
            registry = jwt.JWTClaimsRegistry(
                exp={"essential": True}, iss={"essential": True, "value": server["issuer"]}
            )
            registry.validate(token.claims)
        except (JoseError, ValueError, KeyError):
            return None
        return dict(token.claims)

    def _server(self, text: str) -> Json | None:
        """The configuration of the authorization server that the token names; it is not believed yet."""
        issuer = _part(text, 1).get("iss")
        found = [alias.get("localIntrospectionConfig") for alias in self.store.all("alias")]
        known = [one for one in found if isinstance(one, dict) and one.get("issuer") and one.get("jwksuri")]
        return next((one for one in known if one["issuer"] == issuer), None)

    async def _keys(self, url: str, key_id: Any) -> list[Json]:
        at, keys = self.sets.get(url, (0.0, []))
        known = any(key.get("kid") == key_id for key in keys)
        if not known and (not at or time.monotonic() - at >= REFETCH_S):
            keys = await self._fetched(url)
            self.sets[url] = (time.monotonic(), keys)
        return [key for key in keys if key.get("kid") == key_id]

    async def _fetched(self, url: str) -> list[Json]:
        """Keys for signatures only; none when the server is away or says something else."""
        try:
            status, _, body = await self.backend.call("GET", url, list(ACCEPT), b"", None)
            found = json.loads(body)["keys"] if status == 200 else []
            return [key for key in found if key.get("use") == "sig" and key.get("kty") == "RSA" and key.get("kid")]
        except (NotRouted, ValueError, KeyError, TypeError, AttributeError):
            return []


def _part(text: str, number: int) -> Json:
    """Header (0) or claims (1) of a token, unverified; empty for what is none."""
    try:
        parts = text.split(".")
        found = json.loads(urlsafe_b64decode(parts[number].encode())) if len(parts) == 3 else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def matches(identifiers: list[str], claims: Json | None) -> bool:
    """Whether one of an application's identifiers, each a JSON object as text, is part of the claims."""
    return claims is not None and any(_within(text, claims) for text in identifiers)


def _within(text: str, claims: Json) -> bool:
    try:
        wanted = json.loads(text)
    except ValueError:
        return False
    if not isinstance(wanted, dict) or not wanted:
        return False
    return all(name in claims and _has(claims[name], value) for name, value in wanted.items())


def _has(claim: Any, value: Any) -> bool:
    return bool(value in claim if isinstance(claim, list) else value == claim)


def has_scope(store: Store, api_id: str, claims: Json | None) -> bool:
    """Whether the token has a scope of each mapping that covers the API; without a mapping no scope is asked for."""
    given = str((claims or {}).get("scope", "")).split()
    mappings = [one for one in store.all("scope") if api_id in one["apiScopes"]]
    return all(any(need.get("scopeName") in given for need in one["requiredAuthScopes"]) for one in mappings)
