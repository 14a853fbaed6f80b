"""Vault or OpenBao, KV version 2, through hvac.

The control plane asks of a backend's secret only whether it has a key (the `subkeys` endpoint answers with names and
nulls); such values are read inside a playbook's run. What the platform itself is known by outside is read here.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from stoa.adapters.retry_after import seconds
from stoa.adapters.vault_token import OwnToken
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret

if TYPE_CHECKING:
    import hvac
    import requests

T = TypeVar("T")

FRESH_S = 300.0  # KV 2 says no lease: so long, and no longer where another engine says more
MOST_KEPT = 1000
# beside 5xx: redirects, too many requests, a replica that is behind or on standby
PASSES = frozenset({408, 412, 429, 472, 473})


@dataclass(frozen=True)
class SecretValue:
    """One key of a secret, and the version of the secret it comes from."""

    value: Secret
    version: int


class Vault:
    """`path` starts with the mount: `secret/apim/...`. Raises Transient when sealed, away or forbidden.

    `credential` is as in vault_token.py. What was read is kept for its lease, `fresh_s` at most. One call at a time.
    """

    def __init__(self, url: str, credential: Secret, *, timeout_s: float = 5.0, fresh_s: float = FRESH_S) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._fresh_s = fresh_s
        self._own = OwnToken(credential, lambda path, body, token: self._send("POST", path, token, json=dict(body)))
        self._client: hvac.Client | None = None
        self._kept: dict[str, tuple[Any, float]] = {}
        self._lock = Lock()

    def keys(self, path: str) -> frozenset[str]:
        """The names in the newest version of a secret. Raises Refused SECRET_NOT_FOUND."""
        return self._fresh(path, lambda: self._names(path), anew=False)

    def need(self, path: str, key: str, *, file: str, line: int | None) -> None:
        """Raises Refused SECRET_NOT_FOUND, at the place that asks for it, when the secret or its key is missing."""
        try:
            if key not in self.keys(path) and key not in self._fresh(path, lambda: self._names(path), anew=True):
                raise _missing(f"the secret {path} has no key {key}")
        except Refused as error:
            error.file, error.line = file, line
            raise

    def read(self, reference: str, *, anew: bool = False) -> SecretValue:
        """The value behind `vault:mount/path#key`; `anew` when the one that is kept was refused, or may not be old.
        Raises Refused SECRET_UNREADABLE."""
        return self._fresh(reference, lambda: self._value(reference), anew=anew)

    def _fresh(self, name: str, ask: Callable[[], tuple[T, float]], *, anew: bool) -> T:
        with self._lock:
            value, until = self._kept.get(name, (None, 0.0))
            if value is None or anew or time.monotonic() >= until:
                value, lease_s = ask()
                if len(self._kept) >= MOST_KEPT:
                    self._kept.clear()
                self._kept[name] = value, time.monotonic() + min(lease_s or self._fresh_s, self._fresh_s)
            found: T = value
            return found

    def _names(self, path: str) -> tuple[frozenset[str], float]:
        mount, _, rest = path.partition("/")
        answer = self._get(f"/v1/{mount}/subkeys/{rest}")
        if answer.status_code == 404:
            raise _missing(f"there is no secret {path}")
        body = _body(answer)
        return frozenset(_data(body).get("subkeys") or {}), _lease_s(body)

    def _value(self, reference: str) -> tuple[SecretValue, float]:
        answer = self._get(_place(reference))
        return value_of(answer, reference), _lease_s(_body(answer))

    def _get(self, path: str) -> "requests.Response":
        """With our token; one that ended, or was revoked, is got anew once. Raises Transient."""
        answer = self._send("GET", path, self._own.current())
        if answer.status_code in (401, 403) and (other := self._own.after_refusal()):
            answer = self._send("GET", path, other)
        if answer.status_code in (401, 403):
            raise Transient("vault", f"{answer.status_code}: the token is not accepted", alarm=True)
        return answer

    def _send(self, method: str, path: str, token: Secret, **request: Any) -> "requests.Response":
        import requests  # noqa: PLC0415  150 ms with hvac, which only those who ask pay

        adapter = self._connected().adapter
        adapter.token = token.reveal()
        try:
            answer: requests.Response = adapter.request(method, path, raise_exception=False, **request)
        except requests.RequestException as error:
            raise Transient("vault", type(error).__name__) from error
        raise_for_moment(answer)
        return answer

    def _connected(self) -> "hvac.Client":
        import hvac  # noqa: PLC0415  see _send()
        from hvac.adapters import RawAdapter  # noqa: PLC0415  the others hide the headers

        if self._client is None:
            # a redirect would carry the token to wherever it points; without one hvac would look for it on the machine
            self._client = hvac.Client(
                url=self._url, token="", timeout=self._timeout_s, allow_redirects=False, adapter=RawAdapter
            )
        return self._client


def read_secret(url: str, token: Secret, reference: str) -> SecretValue:
    """The value behind `vault:mount/path#key`, for a run of a playbook, which reads each once and loads no hvac.
    Raises Refused SECRET_UNREADABLE, or Transient."""
    import requests  # noqa: PLC0415  most functions never come here

    try:
        answer = requests.get(
            url.rstrip("/") + _place(reference),
            headers={"X-Vault-Token": token.reveal()},
            timeout=10,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise Transient("vault", type(error).__name__) from error
    if answer.status_code in (401, 403):
        raise Transient("vault", f"{answer.status_code}: the token is not accepted", alarm=True)
    raise_for_moment(answer)
    return value_of(answer, reference)


def raise_for_moment(answer: "requests.Response") -> None:
    """Raises Transient for an answer that says nothing of what was asked: sealed, on standby, too busy, redirected."""
    status = answer.status_code
    if status >= 500 or status in PASSES or 300 <= status < 400:
        after_s = seconds(status, answer.headers.get("Retry-After"))
        raise Transient("vault", "sealed or away" if status == 503 else f"answered {status}", retry_after_s=after_s)


def value_of(answer: "requests.Response", reference: str) -> SecretValue:
    """Raises Refused SECRET_UNREADABLE, or Transient for what is not of Vault."""
    body, key = _body(answer), reference.partition("#")[2]
    found = _data(body) if answer.status_code == 200 else {}
    if not isinstance(found.get("data"), dict) or not isinstance(found["data"].get(key), str):
        hint = "write the key to Vault as text, or correct the reference"
        raise Refused("SECRET_UNREADABLE", f"{reference} cannot be read ({answer.status_code})", hint=hint)
    return SecretValue(Secret(found["data"][key]), int(found["metadata"]["version"]))


def _place(reference: str) -> str:
    mount, _, rest = reference.removeprefix("vault:").partition("/")
    return f"/v1/{mount}/data/{rest.partition('#')[0]}"


def _missing(detail: str) -> Refused:
    return Refused("SECRET_NOT_FOUND", detail, hint="write the secret to Vault first, or correct the reference")


def _body(answer: "requests.Response") -> Mapping[str, Any]:
    """Raises Transient for what something before Vault says instead: it says nothing of the secret."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Transient("vault", f"answered {answer.status_code} with something that Vault does not say")
    return body


def _lease_s(body: Mapping[str, Any]) -> float:
    """0 when it says none."""
    said = body.get("lease_duration")
    return float(said) if isinstance(said, int) and said > 0 else 0.0


def _data(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """What Vault wraps every answer in. Raises Transient for what a proxy or another server says instead."""
    data = body.get("data")
    if not isinstance(data, dict):
        raise Transient("vault", "answered with something that Vault does not say")
    return data
