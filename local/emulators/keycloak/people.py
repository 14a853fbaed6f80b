"""Users and the accounts of machines: from the files at the first start, later by the admin API."""

import hashlib
import hmac
import secrets
import uuid
from typing import Any

from local.emulators.document_store import DocumentStore, Json
from local.emulators.keycloak.realm import Client, Realm, with_composites

KIND, LOCK = "user", "lock"
FIELDS = ("username", "email", "firstName", "lastName")


class People:
    """A user is {id, username, email, firstName, lastName, emailVerified, enabled, attributes, created, password,
    realmRoles, clientRoles, service}; `created` in milliseconds, `service` the client whose account it is."""

    def __init__(self, store: DocumentStore, realm: Realm, now: int) -> None:
        self._store = store
        self._realm = realm
        with store.transaction():
            known = {user["username"] for user in store.all(KIND)}
            for given in realm.users:
                if given["username"] not in known:
                    self._import(given, now)

    def all(self) -> list[Json]:
        """Without the accounts of machines, which Keycloak does not list either."""
        return sorted((u for u in self._store.all(KIND) if not u["service"]), key=lambda user: str(user["username"]))

    def get(self, user_id: str) -> Json | None:
        return self._store.get(KIND, user_id)

    def named(self, name: str) -> Json | None:
        """By user name or e-mail address, as at the login."""
        wanted = name.strip().lower()
        return next((u for u in self.all() if wanted and wanted in (u["username"], u["email"])), None)

    def account_of(self, client: Client) -> Json | None:
        return next((user for user in self._store.all(KIND) if user["service"] == client.name), None)

    def save(self, user: Json) -> None:
        self._store.put(KIND, user["id"], user)

    def drop(self, user: Json) -> None:
        self._store.drop(KIND, user["id"])
        self._store.drop(LOCK, user["id"])

    def roles_of(self, user: Json, client: Client, scope_roles: frozenset[str]) -> frozenset[str]:
        """Realm roles that may come into a token for the client."""
        return frozenset(user["realmRoles"]) & (client.roles | scope_roles)

    def client_roles_of(self, user: Json, client: Client) -> dict[str, frozenset[str]]:
        held = with_composites(user["clientRoles"])
        allowed = with_composites(client.client_roles)
        both = {name: held[name] & allowed.get(name, frozenset()) for name in held}
        return {name: roles for name, roles in both.items() if roles}

    def lock_of(self, user: Json) -> Json:
        found = self._store.get(LOCK, user["id"])
        return found or {"failures": 0, "lockouts": 0, "last": 0, "not_before": 0, "address": "n/a"}

    def unlock(self, user: Json) -> None:
        self._store.drop(LOCK, user["id"])

    def failed(self, user: Json, address: str, now: int) -> None:
        """From the fifth failure on the account is closed for a while, longer after the tenth, and so on."""
        lock, seconds = self.lock_of(user), self._realm.seconds
        if now - lock["last"] > seconds["maxDeltaTimeSeconds"]:
            lock |= {"failures": 0, "lockouts": 0}
        lock |= {"failures": lock["failures"] + 1, "last": now, "address": address}
        rounds = lock["failures"] // seconds["failureFactor"]
        if rounds:
            wait = min(seconds["waitIncrementSeconds"] * rounds, seconds["maxFailureWaitSeconds"])
            lock |= {"not_before": now + wait, "lockouts": lock["lockouts"] + 1}
        self._store.put(LOCK, user["id"], lock)

    def _import(self, given: Json, now: int) -> None:
        unknown = set(given.get("realmRoles", ())) - set(self._realm.roles)
        if unknown:
            raise ValueError(f"user {given['username']} has roles that are unknown: {', '.join(sorted(unknown))}")
        user = new(given, now)
        user["realmRoles"] = list(given.get("realmRoles", ()))
        user["clientRoles"] = given.get("clientRoles", {})
        user["service"] = given.get("serviceAccountClientId")
        self.save(user)


def new(given: Json, now: int) -> Json:
    """A user of a file or of the admin API, with no role yet."""
    texts: dict[str, Any] = {name: given.get(name) for name in FIELDS}
    texts |= {name: texts[name].lower() for name in ("username", "email") if texts[name]}
    password = next((c["value"] for c in given.get("credentials", ()) if c.get("type") == "password"), None)
    return {
        "id": str(uuid.uuid4()),
        **texts,
        "emailVerified": bool(given.get("emailVerified", False)),
        "enabled": bool(given.get("enabled", False)),
        "attributes": given.get("attributes", {}),
        "created": now * 1000,
        "password": None if password is None else hashed(password),
        "realmRoles": [],
        "clientRoles": {},
        "service": None,
    }


def hashed(password: str) -> str:
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}:{_scrypt(password, salt)}"


def fits(kept: str | None, password: str) -> bool:
    """Takes as long for a user without a password, so that names cannot be guessed."""
    salt, _, wanted = (kept or f"{'0' * 32}:").partition(":")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)), wanted)


def _scrypt(password: str, salt: bytes) -> str:
    # far cheaper than what Keycloak does: these accounts are for this machine only
    return hashlib.scrypt(password.encode(), salt=salt, n=1024, r=8, p=1).hex()
