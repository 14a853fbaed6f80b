"""The realm's keys: one signs, others are kept for tokens that they have signed, one is there for encryption only."""

from typing import Any, cast

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, RSAKey

from local.emulators.document_store import DocumentStore, Json

SIGNING, ENCRYPTION, REFRESH = "key", "encryption-key", "refresh-key"
# disabled keys vanish from the key set, and what they have signed is no longer taken
ACTIVE, PASSIVE, DISABLED = "active", "passive", "disabled"
STATES = (ACTIVE, PASSIVE, DISABLED)


class Keys:
    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._read: dict[str, RSAKey] = {}
        with store.transaction():
            if not store.all(SIGNING):
                self.rotate()
                self._make(ENCRYPTION, {"use": "enc", "alg": "RSA-OAEP"})
                store.put(REFRESH, REFRESH, cast(Json, OctKey.generate_key(512, auto_kid=True).as_dict(private=True)))
            self._refresh = OctKey.import_key(store.get(REFRESH, REFRESH) or {})

    def rotate(self) -> str:
        """A new key signs from now on; the one before stays in the set. Returns the new one's id."""
        for key in self._store.all(SIGNING):
            if key["state"] == ACTIVE:
                self._store.put(SIGNING, key["kid"], {**key, "state": PASSIVE})
        return self._make(SIGNING, {"use": "sig", "alg": "RS256"})

    def change(self, kid: str, state: str) -> bool:
        """False for a key that is unknown. Without an active one a new one is made."""
        key = self._store.get(SIGNING, kid)
        if key is None:
            return False
        if state == ACTIVE:
            self._store.put(SIGNING, self._active()["kid"], {**self._active(), "state": PASSIVE})
        self._store.put(SIGNING, kid, {**key, "state": state})
        if not any(one["state"] == ACTIVE for one in self._store.all(SIGNING)):
            self.rotate()
        return True

    def shown(self) -> list[Json]:
        """The id and state of every signing key, the newest first."""
        keys = sorted(self._store.all(SIGNING), key=lambda key: key["number"], reverse=True)
        return [{"kid": key["kid"], "state": key["state"]} for key in keys]

    def jwks(self) -> Json:
        kept = [key for key in self._store.all(SIGNING) if key["state"] != DISABLED]
        return {"keys": [self._key(one).as_dict(private=False) for one in (*self._store.all(ENCRYPTION), *kept)]}

    def public_key(self) -> bytes:
        """The active one, as DER."""
        return self._key(self._active()).as_der(private=False)

    def sign(self, claims: Json, typ: str = "JWT") -> str:
        key = self._key(self._active())
        return jwt.encode({"alg": "RS256", "typ": typ, "kid": key.kid}, claims, key)

    def sign_refresh(self, claims: Json) -> str:
        header = {"alg": "HS512", "typ": "JWT", "kid": self._refresh.kid}
        return jwt.encode(header, claims, self._refresh, algorithms=["HS512"])

    def verified(self, token: str, typ: str, issuer: str) -> Json | None:
        """The claims of a token of ours with that `typ`, expired or not; None for anything else."""
        try:
            claims = jwt.decode(token, self._refresh, algorithms=["HS512"]) if typ == "Refresh" else self._signed(token)
        except (JoseError, ValueError):
            return None
        found: dict[str, Any] = dict(claims.claims)
        return found if found.get("typ") == typ and found.get("iss") == issuer else None

    def _signed(self, token: str) -> jwt.Token:
        kept = [self._key(key) for key in self._store.all(SIGNING) if key["state"] != DISABLED]
        by_id = {key.kid: key for key in kept}
        return jwt.decode(token, lambda guest: _known(by_id, guest.headers().get("kid")), algorithms=["RS256"])

    def _active(self) -> Json:
        return next(key for key in self._store.all(SIGNING) if key["state"] == ACTIVE)

    def _make(self, kind: str, parameters: dict[str, str]) -> str:
        made = RSAKey.generate_key(2048, cast(Any, parameters), auto_kid=True)
        number = len(self._store.all(kind))
        body = {"kid": made.kid, "number": number, "state": ACTIVE, "jwk": made.as_dict(private=True)}
        self._store.put(kind, str(made.kid), body)
        return str(made.kid)

    def _key(self, kept: Json) -> RSAKey:
        if kept["kid"] not in self._read:  # reading one takes longer than signing with it
            self._read[kept["kid"]] = RSAKey.import_key(kept["jwk"])
        return self._read[kept["kid"]]


def _known(keys: dict[str | None, RSAKey], kid: str | None) -> RSAKey:
    """Raises ValueError."""
    if kid not in keys:
        raise ValueError("a key that is not ours")
    return keys[kid]
