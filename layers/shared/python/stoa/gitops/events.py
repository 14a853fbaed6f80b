"""What gitops tells the rest: a push was accepted; an API came, changed or went; a deployment was prepared."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NotRequired

from typing_extensions import TypedDict

from stoa.kernel.clock import iso
from stoa.kernel.database import Row
from stoa.kernel.envelope import Event, Message
from stoa.kernel.errors import Refused

PUSHES = "git-pushes"
PUSH_ACCEPTED = "stoa.git.push-accepted"
CREATED, UPDATED, DELETED = "api-created", "api-updated", "api-deleted"
API_EVENTS = {CREATED: "stoa.api.created", UPDATED: "stoa.api.updated", DELETED: "stoa.api.deleted"}
COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?\Z")


NO_COMMIT = "0" * 40  # what Git says where there is none


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


class Life(TypedDict):
    """`state` is draft, published or deprecated; the times are null unless it is deprecated."""

    state: str
    deprecated: str | None
    sunset: str | None


DRAFT: Life = {"state": "draft", "deprecated": None, "sunset": None}


class ApiState(TypedDict):
    """An API as Git has it at `commit`. `api_id` is its slug, `generation` counts tenant/api; `environments` are those
    it has a file for; people are stable ids. What follows them is what api.yaml says in every environment, and the
    operations of its document, one a line: method, path, id, summary. Older events have none of it."""

    trace_id: str
    api_id: str
    tenant: str
    generation: int
    project_id: int
    commit: str
    environments: list[str]
    lifecycle: Life
    created_at: str
    created_by: str
    updated_at: str
    updated_by: str
    display_name: NotRequired[str]
    description: NotRequired[str]
    tags: NotRequired[list[str]]
    owner: NotRequired[str | None]
    version: NotRequired[str | None]
    operations: NotRequired[str]


class ApiCreated(ApiState):
    """Value on api-created."""


class ApiUpdated(ApiState):
    """Value on api-updated. `changes` are paths as seen from the API's folder, so that a shared file begins with ../;
    there are `changed_files` of them, of which a very large push names the first 500."""

    changes: list[str]
    changed_files: int


class ApiDeleted(ApiState):
    """Value on api-deleted: its last state, and who removed it when."""

    deleted_by: str
    timestamp: str


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


def api_event(row: Row, trace_id: str, changes: tuple[str, ...] = (), changed: int = 0) -> Event:
    """What became of an API, from its row: deleted, begun with this generation, or changed."""
    state: ApiState = {
        "trace_id": trace_id,
        "api_id": row["api"],
        "tenant": row["tenant"],
        "generation": row["generation"],
        "project_id": row["project_id"],
        "commit": row["commit_sha"],
        "environments": row["environments"],
        "lifecycle": row["lifecycle"],
        "created_at": iso(row["created_at"]),
        "created_by": row["created_by"],
        "updated_at": iso(row["updated_at"]),
        "updated_by": row["updated_by"],
        "display_name": row["display_name"],
        "description": row["description"],
        "tags": row["tags"],
        "owner": row["owner"],
        "version": row["version"],
        "operations": row["operations"],
    }
    if row["deleted_at"] is not None:
        ended: ApiDeleted = {**state, "deleted_by": row["deleted_by"], "timestamp": iso(row["deleted_at"])}
        return _of_api(DELETED, row, ended)
    if row["created_generation"] == row["generation"]:
        return _of_api(CREATED, row, state)
    changed_state: ApiUpdated = {**state, "changes": list(changes), "changed_files": changed}
    return _of_api(UPDATED, row, changed_state)


def read_api(message: Message) -> Mapping[str, Any]:
    """The value of an event about an API, with every field that its readers rely on. Raises Refused."""
    value = message.data
    wrong = [name for name in ("api_id", "tenant", "trace_id") if not (value.get(name) and _is_text(value[name]))]
    if not (_is_text(value.get("commit")) and COMMIT.match(value["commit"])):
        wrong.append("commit")
    if type(value.get("generation")) is not int:
        wrong.append("generation")
    if value.get("tenant") != message.tenant:
        wrong.append("tenant")
    if message.type not in API_EVENTS.values():
        wrong.append("ce_type")
    if wrong:
        raise Refused("BAD_API_EVENT", f"not usable in the event: {', '.join(wrong)}", field=wrong[0])
    return value


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _of_api(topic: str, row: Row, value: Mapping[str, Any]) -> Event:
    return Event(
        topic=topic,
        key=f"{row['tenant']}/{row['api']}",
        type=API_EVENTS[topic],
        subject=f"{row['tenant']}/{row['api']}",
        tenant=row["tenant"],
        actor=row["updated_by"],
        trace_id=value["trace_id"],
        time=row["updated_at"],
        data=value,
        generation=row["generation"],
    )
