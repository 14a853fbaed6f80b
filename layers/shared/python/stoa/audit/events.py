"""Who did what. Written in the transaction of the change itself; nothing derives it from other events."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

from typing_extensions import TypedDict

from stoa.kernel import ids
from stoa.kernel.clock import iso
from stoa.kernel.envelope import Event

AUDIT_LOG = "audit-log"
ACTED = "stoa.audit.acted"
HEARTBEAT = "AUDIT_HEARTBEAT"  # the action that proves, each minute, that audit events arrive
PLATFORM = "_platform"  # the tenant of what concerns no tenant, or all

Outcome = Literal["done", "refused"]


class Acted(TypedDict):
    """Value on audit-log. `action` is a verb in the past, upper-case; `resource` a path such as deployments/dep-...;
    `ip` is empty where nobody knows it; `before` and `after` hold what the action changed, null when there is none."""

    action: str
    actor: str
    resource: str
    ip: str
    tenant: str
    trace_id: str
    outcome: Outcome
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    git_commit: str | None
    occurred_at: str


# of a table of audit events: a name that an audit event has, or none
COLUMNS = (
    "occurred_at", "event_id", "tenant", "actor", "ip", "action", "resource", "outcome", "trace_id", "git_commit",
    "before", "after",
)  # fmt: skip
# what a spreadsheet begins to calculate at, in any width. Source: OWASP, "CSV Injection"
FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
CONTROL = ("\t", "\r", "\n")


def csv_line(cells: Iterable[Any]) -> str:
    """RFC 4180, every cell in quotes; one that a spreadsheet would run as a formula has an apostrophe in front."""
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow([_cell(cell) for cell in cells])
    return line.getvalue()


def _cell(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.lstrip().startswith(FORMULA) or text.startswith(CONTROL) else text


def kind(action: object) -> Literal["heartbeat", "action"]:
    """How a record of audit-log is counted, by the action in its value."""
    return "heartbeat" if action == HEARTBEAT else "action"


def acted(
    action: str, resource: str, *, actor: str, tenant: str, trace_id: str, at: datetime, ip: str = "",
    outcome: Outcome = "done", before: Mapping[str, Any] | None = None, after: Mapping[str, Any] | None = None,
    git_commit: str | None = None, event_id: str = "",
) -> Event:  # fmt: skip
    """Its key is its own id, so that the topic's compaction drops no history; the tenant chooses the partition."""
    value: Acted = {
        "action": action,
        "actor": actor,
        "resource": resource,
        "ip": ip,
        "tenant": tenant,
        "trace_id": trace_id,
        "outcome": outcome,
        "before": dict(before) if before is not None else None,
        "after": dict(after) if after is not None else None,
        "git_commit": git_commit,
        "occurred_at": iso(at),
    }
    event_id = event_id or ids.event_id()
    return Event(
        topic=AUDIT_LOG,
        key=event_id,
        type=ACTED,
        subject=resource,
        tenant=tenant,
        actor=actor,
        trace_id=trace_id,
        time=at,
        data=value,
        id=event_id,
        partition_key=tenant,
    )
