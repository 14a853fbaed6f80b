"""Tokens: the one from the environment, sessions of a day, and tokens of accounts."""

import hashlib
import hmac
import secrets

from local.emulators.argocd.answers import DENIED, INVALID, UNAUTHENTICATED, Json, Refusal
from local.emulators.argocd.settings import ADMIN, Config, Timing
from local.emulators.document_store import DocumentStore

KIND = "token"


class Sessions:
    """Only hashes of tokens are kept."""

    def __init__(self, config: Config, store: DocumentStore, timing: Timing) -> None:
        self._config = config
        self._store = store
        self._timing = timing

    def check(self, header: str) -> None:
        """Raises Refusal 401."""
        scheme, _, token = header.partition(" ")
        if scheme != "Bearer" or not token:
            raise Refusal(UNAUTHENTICATED, "no session information")
        if hmac.compare_digest(token.encode(), self._config.token.encode()):
            return
        known = self._store.get(KIND, _hash(token))
        if known is None:
            raise Refusal(UNAUTHENTICATED, "invalid session: token is malformed: could not be verified")
        if known["expires"] is not None and known["expires"] <= self._timing.now():
            raise Refusal(UNAUTHENTICATED, "invalid session: token has invalid claims: token is expired")

    def login(self, body: Json) -> Json:
        """Raises Refusal 401 for a wrong password; an empty one lets nobody in."""
        given, password = str(body.get("password", "")), self._config.password
        if not password or body.get("username") != ADMIN or not hmac.compare_digest(given.encode(), password.encode()):
            raise Refusal(UNAUTHENTICATED, "Invalid username or password")
        return self._issue(self._timing.session_s)

    def account_token(self, account: str, body: Json) -> Json:
        """`expiresIn` seconds, 0 for ever. Raises Refusal."""
        expires = body.get("expiresIn", 0)
        if type(expires) is not int or expires < 0:
            raise Refusal(INVALID, "expiresIn is a number of seconds")
        if account != ADMIN:
            raise Refusal(DENIED, "permission denied")
        return self._issue(expires or None)

    def _issue(self, seconds: float | None) -> Json:
        token = secrets.token_urlsafe(32)
        self._store.put(KIND, _hash(token), {"expires": None if seconds is None else self._timing.now() + seconds})
        return {"token": token}


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
