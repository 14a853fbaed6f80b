"""Vault or OpenBao, KV version 2.

The control plane asks only whether a secret has a key (the `subkeys` endpoint answers with names and
nulls); values are read inside a playbook's run, and by the one function that writes to people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret

if TYPE_CHECKING:
    import hvac
    import requests


@dataclass(frozen=True)
class SecretValue:
    """One key of a secret, and the version of the secret it comes from."""

    value: Secret
    version: int


class Vault:
    """`path` starts with the mount: `secret/apim/...`. Raises Transient when sealed, away or forbidden."""

    def __init__(self, url: str, token: Secret, *, timeout_s: float = 5.0) -> None:
        self._url = url
        self._token = token
        self._timeout_s = timeout_s
        self._client: hvac.Client | None = None

    def keys(self, path: str) -> frozenset[str]:
        """The names in the newest version of a secret. Raises Refused SECRET_NOT_FOUND."""
        import hvac.exceptions  # noqa: PLC0415  130 ms that only a definition with secrets pays
        import requests  # noqa: PLC0415

        mount, _, rest = path.partition("/")
        try:
            answer = self._connected().adapter.get(f"/v1/{mount}/subkeys/{rest}")
        except hvac.exceptions.InvalidPath as error:
            raise _missing(f"there is no secret {path}") from error
        except (hvac.exceptions.Forbidden, hvac.exceptions.Unauthorized) as error:
            raise Transient("vault", "the token is not accepted", alarm=True) from error
        except hvac.exceptions.VaultError as error:
            raise Transient("vault", type(error).__name__) from error
        except requests.RequestException as error:
            raise Transient("vault", type(error).__name__) from error
        return frozenset(_data(answer).get("subkeys") or {})

    def need(self, path: str, key: str, *, file: str, line: int | None) -> None:
        """Raises Refused SECRET_NOT_FOUND, at the place that asks for it, when the secret or its key is missing."""
        try:
            if key not in self.keys(path):
                raise _missing(f"the secret {path} has no key {key}")
        except Refused as error:
            error.file, error.line = file, line
            raise

    def read(self, reference: str) -> SecretValue:
        """The value behind `vault:mount/path#key`. Raises Refused SECRET_UNREADABLE."""
        return read_secret(self._url, self._token, reference)

    def _connected(self) -> "hvac.Client":
        import hvac  # noqa: PLC0415  see keys()

        if self._client is None:
            # a redirect would carry the token to wherever it points
            self._client = hvac.Client(url=self._url, timeout=self._timeout_s, allow_redirects=False)
        self._client.token = self._token.reveal()  # it may have been rotated
        return self._client


def read_secret(url: str, token: Secret, reference: str) -> SecretValue:
    """The value behind `vault:mount/path#key`. Raises Refused SECRET_UNREADABLE, or Transient."""
    import requests  # noqa: PLC0415  most functions never come here

    mount, _, rest = reference.removeprefix("vault:").partition("/")
    path, _, key = rest.partition("#")
    try:
        answer = requests.get(
            f"{url.rstrip('/')}/v1/{mount}/data/{path}",
            headers={"X-Vault-Token": token.reveal()},
            timeout=10,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise Transient("vault", type(error).__name__) from error
    status = answer.status_code
    if status in (401, 403):
        raise Transient("vault", f"{status}: the token is not accepted", alarm=True)
    if status >= 500 or status == 429 or 300 <= status < 400:
        raise Transient("vault", f"answered {status}")
    body = _json(answer)
    if not isinstance(body, dict):  # of something before Vault: it says nothing of the secret
        raise Transient("vault", f"answered {status} with something that Vault does not say")
    found = _data(body) if status == 200 else {}
    if not isinstance(found.get("data"), dict) or not isinstance(found["data"].get(key), str):
        hint = "write the key to Vault as text, or correct the reference"
        raise Refused("SECRET_UNREADABLE", f"{reference} cannot be read ({status})", hint=hint)
    return SecretValue(Secret(found["data"][key]), int(found["metadata"]["version"]))


def _missing(detail: str) -> Refused:
    return Refused("SECRET_NOT_FOUND", detail, hint="write the secret to Vault first, or correct the reference")


def _json(answer: "requests.Response") -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _data(body: Any) -> Mapping[str, Any]:
    """What Vault wraps every answer in. Raises Transient for what a proxy or another server says instead."""
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict):
        raise Transient("vault", "answered with something that Vault does not say")
    return data
