"""Argo CD's REST API: read an application, sync it. Source: Argo CD 2.14 API, in the words it uses."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import requests

from stoa.adapters.retry_after import seconds
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret

NOT_FOUND, PRECONDITION = 5, 9  # gRPC codes, which are finer than the HTTP status
RETRY_STATUS = frozenset({408, 425, 429})
TIMED_OUT = 408
ACTIVE_ASSIGNED = ("activeWindows", "assignedWindows")


@dataclass(frozen=True)
class Operation:
    """The newest operation that the controller took up: `operationState`."""

    phase: str
    message: str
    revision: str
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True)
class Deployed:
    """An operation that ended well; `id` counts up within an application."""

    id: int
    revision: str


@dataclass(frozen=True)
class Application:
    """`requested` is the revision of an operation that is not over, None when there is none; `target` what automatic
    sync follows, None without it; `history` ends with the newest. Its times are whole seconds, cut off, and of the
    controller's clock, which is nobody else's."""

    requested: str | None
    operation: Operation | None
    target: str | None
    sync: str
    sync_revision: str
    health: str
    reconciled_at: datetime | None
    history: tuple[Deployed, ...] = ()


class ArgoCd:
    """A client for one Argo CD. Raises Transient when it is away, misconfigured or not ready to do what it is asked;
    `system` is `argocd/<application>` for what concerns one application only. Raises Refused when it says no."""

    def __init__(self, url: str, token: Secret, *, timeout_s: float = 10.0) -> None:
        self._url = url.rstrip("/") + "/api/v1/applications"
        self._token = token
        self._timeout_s = timeout_s
        self._session = requests.Session()

    def application(self, name: str, project: str, *, refresh: bool = False) -> Application | None:
        """None when there is none in this project. With `refresh` it is compared with Git first, of which the target is
        then read anew; that takes a moment."""
        params = {"project": project, **({"refresh": "normal"} if refresh else {})}
        answer = self._send("GET", name, "", params=params)
        if answer.status_code == 404 and _said(answer).get("code") == NOT_FOUND:
            return None
        return _application(_body(answer, name))

    def sync(self, name: str, project: str, revision: str, *, prune: bool) -> None:
        """Asks for an operation; that another one is running, or a sync window is closed, is Transient: the latter is
        `expected`, because somebody wants it. `sent` is False when the answer says that nothing was begun."""
        asked = {"revision": revision, "prune": prune, "dryRun": False, "project": project}
        answer = self._send("POST", name, "/sync", json=asked)
        try:
            _body(answer, name)
        except Transient as error:
            error.sent = not 400 <= answer.status_code < 500 or answer.status_code == TIMED_OUT
            raise

    def holds_back(self, name: str, project: str) -> bool:
        """Whether a sync window keeps automatic sync from it now: one that denies is open, or none of those that allow.
        `canSync` of the answer speaks of syncs by hand. Source: Argo CD 2.14, "Sync Windows"."""
        said = _body(self._send("GET", name, "/syncwindows", params={"project": project}), name)
        active, assigned = ({str(one["kind"]) for one in said.get(which) or ()} for which in ACTIVE_ASSIGNED)
        return "deny" in active or ("allow" in assigned and "allow" not in active)

    def _send(self, method: str, name: str, what: str, **request: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._token.reveal()}", "Content-Type": "application/json"}
        url = f"{self._url}/{quote(name, safe='')}{what}"
        try:
            return self._session.request(
                method, url, headers=headers, timeout=self._timeout_s, allow_redirects=False, **request
            )
        except requests.RequestException as error:
            raise Transient("argocd", type(error).__name__) from error


def _body(answer: requests.Response, name: str) -> dict[str, Any]:
    status = answer.status_code
    if status < 300 and (body := _said(answer)):
        return body
    said = _said(answer)
    message, one = str(said.get("message", ""))[:300], f"argocd/{name}"
    if status == 401:
        raise Transient("argocd", f"401: {message}", alarm=True)
    if status == 403 and "sync window" in message.lower():
        raise Transient(one, f"a sync window is closed: {message}", expected=True)
    if status == 403:
        raise Transient("argocd", f"403 for {name}: {message}", alarm=True)
    if (status, said.get("code")) in ((400, PRECONDITION), (404, NOT_FOUND)):
        raise Transient(one, message)
    if status == 404 or status < 400 or status >= 500 or status in RETRY_STATUS:
        raise Transient(
            "argocd", f"answered {status}: {message}", retry_after_s=seconds(status, answer.headers.get("Retry-After"))
        )
    raise Refused("ARGOCD_REFUSED", f"answered {status}: {message}", status=status)


def _said(answer: requests.Response) -> dict[str, Any]:
    """Empty for what is no JSON object, as an ingress answers."""
    try:
        body = answer.json()
    except requests.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _application(body: Mapping[str, Any]) -> Application:
    status, spec, asked = body.get("status") or {}, body.get("spec") or {}, body.get("operation")
    sync, health = status.get("sync") or {}, status.get("health") or {}
    return Application(
        requested=None if asked is None else _sync_of(asked),
        operation=_operation(status.get("operationState")),
        target=_target(spec),
        sync=str(sync.get("status", "Unknown")),
        sync_revision=str(sync.get("revision", "")),
        health=str(health.get("status", "Unknown")),
        reconciled_at=_time(status.get("reconciledAt")),
        history=tuple(Deployed(int(one["id"]), str(one.get("revision", ""))) for one in status.get("history") or ()),
    )


def _operation(state: Mapping[str, Any] | None) -> Operation | None:
    """One that failed early has no result; what was asked for stands in for it."""
    if not state:
        return None
    result = state.get("syncResult") or {}
    return Operation(
        phase=str(state.get("phase", "")),
        message=str(state.get("message", "")),
        revision=str(result.get("revision") or _sync_of(state.get("operation") or {})),
        started_at=_time(state.get("startedAt")),
        finished_at=_time(state.get("finishedAt")),
    )


def _sync_of(operation: Mapping[str, Any]) -> str:
    return str((operation.get("sync") or {}).get("revision", ""))


def _target(spec: Mapping[str, Any]) -> str | None:
    automated = (spec.get("syncPolicy") or {}).get("automated")
    if automated is None or automated.get("enabled") is False:
        return None
    return str((spec.get("source") or {}).get("targetRevision") or "HEAD")


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
