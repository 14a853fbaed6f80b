"""The admin API of one gateway, asked on behalf of a caller: only what the contract has, and its answers in our words.

The gateway answers 401 for an unknown id and for a bad credential alike, and its runtime has error bodies of its own:
see reference/webmethods.md, sections 1, 12 and 13.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import requests

from stoa.adapters.deadline import Deadline
from stoa.adapters.vault import SecretValue
from stoa.adapters.webmethods.admin_contract import NAME, Operation, operations, version
from stoa.adapters.webmethods.answers import PAGE, failed_items, words
from stoa.kernel.errors import NotFound, Refused, Transient
from stoa.kernel.settings import Secret

WHOLE_S = 24.0  # the function that asks has 29
CONNECT_S = 3.0
LARGEST = 4 * 1024 * 1024  # in base64 it fits into the answer of a Lambda function
AGAIN = frozenset({408, 425, 429})
CONFLICT = re.compile(
    r"already|active state|latest version|associated|published|default alias|Method Not", re.IGNORECASE
)
SYSTEM = "gateway"
DENIED = "Access Denied"  # who we are, not what we asked for


@dataclass(frozen=True)
class Access:
    """`base` stands before every path of the contract; `authorization` is the value of that header, `anew` reads it
    from where it may have changed."""

    base: str
    authorization: Secret
    anew: Callable[[], Secret] | None = None


class Gateways:
    """The gateway of each environment. `direct` are the environments whose admin API is reached past the published
    one, with the account in Vault; `read` gives the value behind a reference, anew when told to."""

    def __init__(self, urls: Mapping[str, str], direct: frozenset[str], read: Callable[..., SecretValue]) -> None:
        """Raises ValueError for a direct environment that is none."""
        if not direct <= urls.keys():
            raise ValueError(f"there is no environment {', '.join(sorted(direct - urls.keys()))}")
        self._urls = urls
        self._direct = direct
        self._read = read

    def of(self, environment: str, token: Secret) -> "AdminProxy":
        """Raises NotFound without a gateway there, Refused without a token that it could be asked with."""
        url = self._urls[environment].rstrip("/")
        if not url:
            raise NotFound(f"no gateway of {environment} is known here")
        if environment in self._direct:
            account = partial(self._account, environment)
            return AdminProxy(Access(f"{url}/rest/apigateway", account(), partial(account, anew=True)))
        if not token:
            detail, hint = "the gateway takes tokens of the realm only", "sign in, and send the token that you get"
            raise Refused("TOKEN_NEEDED", detail, status=403, hint=hint)
        return AdminProxy(Access(f"{url}/gateway/{NAME}/{version()}", Secret(f"Bearer {token.reveal()}")))

    def _account(self, environment: str, *, anew: bool = False) -> Secret:
        path = f"vault:secret/gateways/{environment}"
        parts = [self._read(f"{path}#{key}", anew=anew).value for key in ("username", "password")]
        text = ":".join(part.reveal() for part in parts)
        return Secret(f"Basic {base64.b64encode(text.encode()).decode()}")


class AdminProxy:
    """One request of a caller, however many calls it takes. Raises Refused, NotFound, Transient."""

    def __init__(self, access: Access, *, whole_s: float = WHOLE_S) -> None:
        self._access = access
        self._deadline = Deadline(whole_s)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Accept"] = "application/json"
        self._say_who(access.authorization)

    def json(self, operation_id: str, object_id: str = "", *, hidden: Sequence[str] = (), **request: Any) -> Any:
        """The parsed answer. What is `hidden` is in none of the gateway's words that go on."""
        operation = operations()[operation_id]
        status, content = self._ask(operation, object_id, request)
        body = _parsed(content)
        hidden = (*hidden, self._authorization.reveal())
        if status >= 300:
            raise _refusal(operation, object_id, status, body, hidden)
        failed = failed_items(body) if operation.method != "GET" else []
        if failed:
            raise Refused("GATEWAY_CONFLICT", _without("; ".join(failed), hidden), status=409)
        if content and body is None:
            raise Transient(SYSTEM, f"answered {status} with {PAGE}")
        return body

    def content(self, operation_id: str, **request: Any) -> bytes:
        """The answer as it is."""
        operation = operations()[operation_id]
        status, content = self._ask(operation, "", request)
        if status >= 300:
            raise _refusal(operation, "", status, _parsed(content), (self._authorization.reveal(),))
        return content

    def _say_who(self, authorization: Secret) -> None:
        self._authorization = authorization
        self._session.headers["Authorization"] = authorization.reveal()

    def _ask(self, operation: Operation, object_id: str, request: Mapping[str, Any]) -> tuple[int, bytes]:
        """An account that is refused is read anew, and the call made once more: nothing was done for the first."""
        status, content = self._send(operation, object_id, request)
        if status == 401 and DENIED.encode() in content and self._access.anew:
            newer, old = self._access.anew(), self._authorization
            if newer.reveal() != old.reveal():
                self._say_who(newer)
                return self._send(operation, object_id, request)
        return status, content

    def _send(self, operation: Operation, object_id: str, request: Mapping[str, Any]) -> tuple[int, bytes]:
        url = self._access.base + operation.path_of(object_id)
        if self._deadline.over:
            raise Transient(SYSTEM, "it took too long")
        left_s = self._deadline.left_s
        try:
            with self._session.request(
                operation.method, url, timeout=(min(CONNECT_S, left_s), left_s), allow_redirects=False, stream=True,
                **request,
            ) as answer:  # fmt: skip
                return answer.status_code, self._whole(answer)
        except requests.RequestException as error:
            raise Transient(SYSTEM, type(error).__name__) from error

    def _whole(self, answer: requests.Response) -> bytes:
        parts, size = [], 0
        for part in answer.iter_content(65_536):
            size += len(part)
            if size > LARGEST:
                detail = f"the gateway's answer has more than {LARGEST} bytes"
                raise Refused("ANSWER_TOO_LARGE", detail, hint="ask for one thing instead of a list")
            if self._deadline.over:
                raise Transient(SYSTEM, "it took too long")
            parts.append(part)
        return b"".join(parts)


def _parsed(content: bytes) -> Any:
    """None for what is no JSON."""
    try:
        return json.loads(content) if content else None
    except (ValueError, RecursionError):
        return None


def _refusal(operation: Operation, object_id: str, status: int, body: Any, hidden: Sequence[str]) -> Exception:
    """What an answer that is no success means to our caller."""
    if status >= 500 or status in AGAIN or 300 <= status < 400:
        return Transient(SYSTEM, f"answered {status}")
    if isinstance(body, Mapping) and "Exception" in body:
        return _of_runtime(status)
    if not isinstance(body, Mapping):
        return Transient(SYSTEM, f"answered {status} with {PAGE}")
    said = _without(words(body), hidden)
    if DENIED in said:
        return Transient(SYSTEM, "the gateway does not take its own credential", alarm=True)
    unknown = status in (401, 404) or (status == 400 and f"id: {object_id} does not exist" in said)
    if object_id and unknown:
        return NotFound(said)
    if status in (401, 403, 404):
        return Transient(SYSTEM, f"{status}: the account of the admin API may not do this", alarm=True)
    if status in (405, 409) or CONFLICT.search(said):
        return Refused("GATEWAY_CONFLICT", said, status=409)
    return Refused("GATEWAY_REFUSED", said)


def _of_runtime(status: int) -> Exception:
    """The published API itself refused, before its admin API was asked."""
    if status == 401:
        return Refused("INVALID_TOKEN", "the gateway refuses the token", status=401, hint="sign in again")
    if status == 403:
        hint = "ask for a token with the scope deploy: and the environment"
        return Refused("FORBIDDEN", "the token has not the scope that the gateway asks for", status=403, hint=hint)
    detail = f"{status}: {NAME} is not published there as the contract has it; run playbooks/expose-admin-api.yaml"
    return Transient(SYSTEM, detail, alarm=True)


def _without(said: str, hidden: Sequence[str]) -> str:
    for secret in filter(None, hidden):
        said = said.replace(secret, "***")
    return said
