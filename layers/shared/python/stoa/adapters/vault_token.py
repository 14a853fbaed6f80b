"""Our own token of Vault: fixed, or got by AppRole; renewed while that is possible, got anew where it ends.

Source: Vault's HTTP API, `auth/token/renew-self` and `auth/approle/login`.
"""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from stoa.kernel.errors import Transient
from stoa.kernel.settings import Secret

if TYPE_CHECKING:
    import requests

APPROLE = "approle:"
RENEW_AFTER = 2 / 3  # of its life
AGAIN_S = 10.0  # no more logins, and no more tries to renew, than one in so many seconds
NEVER = float("inf")
# path, body and token -> an answer that is no fault of the moment
Post = Callable[[str, Mapping[str, str], Secret], "requests.Response"]


class OwnToken:
    """`credential` is a token, or `approle:<role id>:<secret id>`, with which one is got. Raises Transient."""

    def __init__(self, credential: Secret, post: Post) -> None:
        self._post = post
        self._credential = credential  # read anew for each login, since a secret id is rotated
        self._role = credential.reveal().startswith(APPROLE)
        self._token = Secret("") if self._role else credential
        self._got_at = float("-inf")
        # how long a fixed one lives is said when it is renewed
        self._renew_at, self._ends_at = (NEVER, float("-inf")) if self._role else (float("-inf"), NEVER)

    def current(self) -> Secret:
        """One that has not ended, as far as we know."""
        now = time.monotonic()
        if self._role and now >= self._ends_at:
            self._log_in()
        elif now >= self._renew_at:
            self._renew(now)
        return self._token

    def after_refusal(self) -> Secret | None:
        """Another one, because Vault refused this; None when none can be got, or this is too young to have ended."""
        if not self._role or time.monotonic() - self._got_at < AGAIN_S:
            return None
        self._log_in()
        return self._token

    def _log_in(self) -> None:
        role, _, secret = self._credential.reveal().removeprefix(APPROLE).partition(":")
        asked_at = time.monotonic()
        answer = self._post("/v1/auth/approle/login", {"role_id": role, "secret_id": secret}, Secret(""))
        if answer.status_code != 200:
            raise Transient("vault", f"{answer.status_code}: the AppRole is not accepted", alarm=True)
        self._take(answer, asked_at)
        self._got_at = asked_at

    def _renew(self, now: float) -> None:
        """While the token lives it is used, whatever becomes of this."""
        self._renew_at = now + AGAIN_S
        try:
            answer = self._post("/v1/auth/token/renew-self", {}, self._token)
        except Transient:
            return
        # what has less than a second left is said to have none
        if answer.status_code == 200 and (self._take(answer, now) or not self._role):
            return
        if self._role:
            self._log_in()
        else:
            self._renew_at = NEVER  # a root token, or one that may not

    def _take(self, answer: "requests.Response", asked_at: float) -> float:
        """How long it lives, in seconds, from when it was asked for: who waits for an answer must not believe a token
        for longer than Vault does."""
        auth = _auth(answer)
        self._token, lives_s = Secret(str(auth["client_token"])), float(auth.get("lease_duration") or 0)
        self._ends_at = asked_at + lives_s if lives_s else NEVER
        self._renew_at = asked_at + lives_s * RENEW_AFTER if lives_s else NEVER
        return lives_s


def _auth(answer: "requests.Response") -> Mapping[str, Any]:
    try:
        auth = answer.json()["auth"]
        if auth["client_token"]:
            return dict(auth)
    except (ValueError, LookupError, TypeError):
        pass
    raise Transient("vault", "answered a login with something that Vault does not say")
