"""What gitops tells the rest: a push was accepted; a deployment was prepared."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from typing_extensions import TypedDict

from stoa.kernel.clock import iso
from stoa.kernel.envelope import Event

PUSHES = "git-pushes"
PUSH_ACCEPTED = "stoa.git.push-accepted"


class PushAccepted(TypedDict):
    """Value on git-pushes. `before` and `after` are commit ids, all zeros for "none"."""

    trace_id: str
    push_id: str
    project_id: int
    ref: str
    before: str
    after: str
    pusher: str
    received_at: str


@dataclass(frozen=True)
class Prepared:
    """What an AWX job needs to know about one API in one environment, and the document it imports.

    `launch_vars` are the part of extra_vars that comes from Git; they hold references to secrets,
    never values. `document` is None when there is nothing to import (undeploy).
    """

    api_version: str | None
    launch_vars: dict[str, Any]
    document: bytes | None = None
    sha256: str | None = None
    openapi_type: str = "openapi"
    report: dict[str, Any] | None = None


def push_accepted(value: PushAccepted, at: datetime) -> Event:
    return Event(
        topic=PUSHES,
        key=f"{value['project_id']}/{value['ref']}",
        type=PUSH_ACCEPTED,
        subject=f"{value['project_id']}/{value['ref']}",
        tenant="_platform",
        actor=value["pusher"],
        trace_id=value["trace_id"],
        time=at,
        data={**value, "received_at": iso(at)},
    )
