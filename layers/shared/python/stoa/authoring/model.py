"""What a person may ask to be changed of an API, and when. Pure, and without YAML, which routes do without."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from stoa.kernel.errors import Refused

Action = Literal["create", "replace", "delete", "publish", "deprecate"]
State = Literal["requested", "committed", "done", "refused"]

FROM: Mapping[str, Collection[str]] = {"publish": ("draft", "deprecated"), "deprecate": ("published", "deprecated")}
READ_AGAIN = "read the API again, and ask with its new ETag"


@dataclass(frozen=True)
class Known:
    """An API as the catalogue has it; `lifecycle` is its state, `deprecated` and `sunset`."""

    generation: int
    project_id: int
    commit: str
    environments: tuple[str, ...]
    lifecycle: Mapping[str, Any]


@dataclass(frozen=True)
class Order:
    """What is asked for. `seen` are the generations that the asker would have it done to, None for whichever it is;
    `wanted` has `spec`, `document` and `environments`, or `sunset`."""

    tenant: str
    api: str
    action: Action
    wanted: Mapping[str, Any]
    seen: frozenset[int] | None = None
    project_id: int | None = None


@dataclass(frozen=True)
class Asker:
    """Who asks, from where, in which trace."""

    id: str
    ip: str
    trace_id: str
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Change:
    """An order that was accepted. `files` are the hashes that its commit must have, None before the first try."""

    id: str
    tenant: str
    api: str
    action: Action
    state: State
    project_id: int
    base: str | None
    base_generation: int
    wanted: Mapping[str, Any]
    files: Mapping[str, str | None] | None
    commit: str | None
    requested_by: str
    trace_id: str
    error: Mapping[str, Any] | None
    requested_at: datetime
    finished_at: datetime | None

    @property
    def folder(self) -> str:
        return f"tenants/{self.tenant}/apis/{self.api}"


def blocked(action: str, known: Known | None) -> Refused | None:
    """Why the API's state does not allow it; None when it does."""
    if (known is None) != (action == "create"):
        detail = "there is no such API" if known is None else "there is such an API already"
        code, status = ("NOT_FOUND", 404) if known is None else ("API_EXISTS", 409)
        return Refused(code, detail, status=status, hint="GET /v1/apis lists the APIs there are")
    state = known.lifecycle["state"] if known else ""
    if action in FROM and state not in FROM[action]:
        detail = f"an API that is {state} cannot be {action}{'d' if action == 'deprecate' else 'ed'}"
        return Refused("WRONG_STATE", detail, status=409, hint=f"it must be {' or '.join(FROM[action])}")
    return None


def changes_blocked(state: str, permitted: Mapping[str, bool], under_way: str | None) -> dict[str, str]:
    """Why which change of an API cannot be asked for. `state` is of its lifecycle, `under_way` its unfinished one."""
    found = {}
    for action, may in permitted.items():
        if not may:
            found[action] = "none of your roles permits it here"
        elif under_way:
            found[action] = f"change {under_way} is not finished yet"
        elif state not in FROM.get(action, (state,)):
            found[action] = f"it is {state}, and would have to be {' or '.join(FROM[action])}"
    return found
