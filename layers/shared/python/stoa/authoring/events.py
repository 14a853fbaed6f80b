"""What is told of a change that a person asked for, and how its commit points back to it."""

import re
from dataclasses import dataclass

from typing_extensions import TypedDict

from stoa.authoring.model import Change
from stoa.kernel.clock import iso
from stoa.kernel.envelope import Event

CHANGES = "api-changes"
ASKED = "stoa.api.change-asked"
TITLES = {"create": "Add", "replace": "Change", "delete": "Remove", "publish": "Publish", "deprecate": "Deprecate"}
# the last paragraph of a message; whoever can commit can write it, so that it proves nothing
TRAILER = re.compile(r"^Stoa-Intent: (chg-[0-9a-hjkmnp-tv-z]{26})\s*\Z", re.MULTILINE)


class ChangeAsked(TypedDict):
    """Value on api-changes. `api_id` is the API's slug; what it is changed into is in the row `change_id` alone."""

    trace_id: str
    change_id: str
    tenant: str
    api_id: str
    action: str
    project_id: int
    requested_by: str
    requested_at: str


@dataclass(frozen=True)
class Authored:
    """A commit that the platform made for somebody: `sha` is of `change_id`, asked for by `actor`."""

    change_id: str
    tenant: str
    api: str
    actor: str
    sha: str


def asked(change: Change) -> Event:
    value: ChangeAsked = {
        "trace_id": change.trace_id,
        "change_id": change.id,
        "tenant": change.tenant,
        "api_id": change.api,
        "action": change.action,
        "project_id": change.project_id,
        "requested_by": change.requested_by,
        "requested_at": iso(change.requested_at),
    }
    key = f"{change.tenant}/{change.api}"
    return Event(
        topic=CHANGES, key=key, type=ASKED, subject=f"changes/{change.id}", tenant=change.tenant,
        actor=change.requested_by, trace_id=change.trace_id, time=change.requested_at, data=value,
    )  # fmt: skip


def message_of(change: Change) -> str:
    """Of its commit."""
    return f"{TITLES[change.action]} {change.tenant}/{change.api}\n\nStoa-Intent: {change.id}\n"


def named(message: str) -> str | None:
    """The change that a commit says it is of."""
    found = TRAILER.search(message)
    return found[1] if found else None
