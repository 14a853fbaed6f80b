"""Tokens of one Keycloak realm: their signature, and the claims without which nothing is believed.

Sources: RFC 9068, RFC 8725 (best practices), Keycloak's access token: `typ` Bearer is a claim, `aud` may be absent.
"""

import hashlib
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
import requests

from stoa.kernel.errors import Refused, Transient
from stoa.kernel.log import log

ALGORITHMS = ("RS256", "PS256", "ES256")
REQUIRED = ("exp", "iat", "iss", "aud", "sub")
LEEWAY_S = 30
LONGEST_TOKEN = 8192
FRESH_S = 300.0  # a key that was withdrawn is believed for so long
COOL_DOWN_S = 10.0  # unknown key ids bring no more fetches than this
OLDEST_S = 900.0  # older keys are not believed any more while the issuer does not answer
TIMEOUT_S = (2.0, 3.0)
KEPT_S = 60.0  # a token that was verified is not verified again for so long
KEPT = 256  # tokens, the last ones
# OpenID Connect Core 1.0, section 2: at most 255 ASCII characters
NAME = re.compile(r"[!-~]{1,255}")
MALFORMED = "its signature or its claims are not valid"
LOGGED_OUT = "http://schemas.openid.net/event/backchannel-logout"


class Keys:
    """The signing keys at `url`, by key id. One fetch at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._session = requests.Session()
        self._session.trust_env = False

    def of(self, kid: str) -> jwt.PyJWK | None:
        """The key; None when there is no such signing key. Raises Transient without keys that are young enough."""
        with self._lock:
            now = time.monotonic()
            wanted = kid not in self._keys or now - self._fetched_at > FRESH_S
            if wanted and now - self._tried_at > COOL_DOWN_S:
                self._tried_at = now
                self._fetch(now)
            if now - self._fetched_at > OLDEST_S:
                raise Transient("identity", "its signing keys cannot be fetched", alarm=True)
            return self._keys.get(kid)

    def _fetch(self, now: float) -> None:
        try:
            answer = self._session.get(self._url, timeout=TIMEOUT_S, allow_redirects=False)
            answer.raise_for_status()
            listed = answer.json()["keys"] if answer.status_code == 200 else []
            found = [key for key in listed if key.get("use") == "sig" and key.get("kid")]
            keys = {str(key["kid"]): jwt.PyJWK(key) for key in found if key.get("alg") in ALGORITHMS}
        except (requests.RequestException, ValueError, LookupError, TypeError, AttributeError, jwt.PyJWTError) as error:
            log.warning("identity.keys_not_fetched", error=type(error).__name__)
            return
        if keys:
            self._keys, self._fetched_at = keys, now


@dataclass(frozen=True)
class Believed:
    """What a token said that was verified by `key`. It is worth that from `since` to `until`, by the clock of today."""

    claims: Mapping[str, Any]
    key: jwt.PyJWK
    since: float
    until: float


class Memory:
    """The tokens that were verified lately, by digest. A token is taken from here only within its own time, and while
    its key is the one that the issuer has now: a fetch of the keys brings new ones, by which all are verified anew."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._believed: OrderedDict[bytes, Believed] = OrderedDict()

    def claims(self, token: str) -> Mapping[str, Any] | None:
        """Raises Transient without keys that are young enough."""
        one = self._believed.get(_digest(token))
        if one is None or not one.since <= time.time() < one.until:
            return None
        return one.claims if self._keys.of(str(one.key.key_id)) is one.key else None

    def keep(self, token: str, key: jwt.PyJWK, claims: Mapping[str, Any]) -> None:
        now = time.time()
        until = min(now + KEPT_S, int(claims["exp"]) + LEEWAY_S)
        self._believed[_digest(token)] = Believed(claims, key, now, until)
        if len(self._believed) > KEPT:
            self._believed.popitem(last=False)


class Issuer:
    """`url` is the exact `iss`; a token must name `audience` in `aud` and one of `clients` in `azp`."""

    def __init__(self, url: str, keys_url: str, audience: str, clients: frozenset[str]) -> None:
        self._url = url
        self._audience = audience
        self._clients = clients
        self._keys = Keys(keys_url)
        self._memory = Memory(self._keys)

    def claims(self, token: str) -> Mapping[str, Any]:
        """The claims of an access token. Raises Refused 401 with the reason, Transient without keys to check it by."""
        if (known := self._memory.claims(token)) is not None:
            return known
        claims, key = self._verified(token, [self._audience], REQUIRED)
        if claims.get("typ") != "Bearer":
            raise _invalid("it is no access token")
        client = claims.get("azp")
        if not isinstance(client, str) or client not in self._clients:
            raise _invalid("it was made for a client that is not known here")
        if claims["iat"] < 0 or not all(_is_name(claims[name]) for name in ("sub", "sid") if name in claims):
            raise _invalid("nobody could be who it names, or when it was made")
        self._memory.keep(token, key, claims)
        return claims

    def logout_claims(self, token: str) -> Mapping[str, Any]:
        """The claims of a logout token, with `sid` or `sub`. Raises Refused, Transient.

        Source: OpenID Connect Back-Channel Logout 1.0, section 2.6.
        """
        claims, _ = self._verified(token, sorted(self._clients), ("exp", "iat", "iss", "aud", "jti"))
        events = claims.get("events")
        if claims.get("typ") != "Logout" or not isinstance(events, dict) or events.get(LOGGED_OUT) != {}:
            raise _invalid("it is no logout token")
        if "nonce" in claims or not (isinstance(claims.get("sid"), str) or isinstance(claims.get("sub"), str)):
            raise _invalid("it has a nonce, or names neither a session nor a user")
        return claims

    def _verified(
        self, token: str, audience: list[str], required: Iterable[str]
    ) -> tuple[Mapping[str, Any], jwt.PyJWK]:  # fmt: skip
        if not self._url or not self._audience or not self._clients:
            raise _invalid("no issuer of tokens is configured here")
        key = self._key(token)
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm_name],
                audience=audience,
                issuer=self._url,
                leeway=LEEWAY_S,
                options={"require": list(required)},
            )
        except jwt.PyJWTError as error:
            raise _invalid(REASONS.get(type(error), MALFORMED)) from error
        except (TypeError, ValueError, OverflowError, RecursionError) as error:  # of claims in another form
            raise _invalid(MALFORMED) from error
        return claims, key

    def _key(self, token: str) -> jwt.PyJWK:
        """The header says which key, never which algorithm: that is the key's own."""
        if len(token) > LONGEST_TOKEN:
            raise _invalid("it is too long")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise _invalid("it is no JSON Web Token") from error
        kid = header.get("kid")
        if header.get("alg") not in ALGORITHMS or not isinstance(kid, str):
            raise _invalid("its algorithm is not one of ours, or it names no key")
        key = self._keys.of(kid)
        if key is None or key.algorithm_name != header["alg"]:
            raise _invalid("its key is not one of the issuer's")
        return key


REASONS: Mapping[type[Exception], str] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidIssuerError: "it is of another issuer",
    jwt.InvalidAudienceError: "it is not for this API",
    jwt.MissingRequiredClaimError: "a claim is missing",
    jwt.InvalidSignatureError: "its signature is wrong",
}


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _is_name(claim: object) -> bool:
    return isinstance(claim, str) and NAME.fullmatch(claim) is not None


def _invalid(reason: str) -> Refused:
    return Refused(
        "INVALID_TOKEN",
        f"the token is refused: {reason}",
        status=401,
        hint="sign in again and send Authorization: Bearer <token>",
    )
