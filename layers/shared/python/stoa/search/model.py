"""What a record of the log becomes in the index: one document per event, one per deployment. Pure.

Ordinary indices, named after the time that the record itself tells: a data stream takes no document twice only until
it rolls over, so that a replay would double what it holds.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stoa.deployments.events import FINISHED, REQUESTED
from stoa.gitops.events import PUSH_ACCEPTED
from stoa.kernel.clock import iso
from stoa.kernel.envelope import Message, decode
from stoa.kernel.errors import Refused

EVENTS, AUDIT, TRACES, ANALYTICS = "stoa-events-", "audit-", "apim-traces-", "apim-analytics-"
AUDIT_TOPIC = "audit-log"
ID_BYTES = 512  # of an _id; one that is longer fails a whole bulk request
SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
NAME = re.compile(r"[\x21-\x7e]{1,200}")
LONG = 2**63

# versions of a trace document: the newer one stays, in whatever order they come
AS_REQUESTED, AS_FINISHED = 1, 2


@dataclass(frozen=True)
class Document:
    """`version` is None for what never changes: it is created, and is there already when it comes again."""

    index: str
    id: str
    body: Mapping[str, Any]
    version: int | None = None

    def entry(self) -> bytes:
        """Its two lines in a bulk request. Raises Refused for what is no JSON to anybody but Python."""
        target: dict[str, Any] = {"_index": self.index, "_id": self.id}
        action = {"create": target}
        if self.version is not None:
            action = {"index": {**target, "version": self.version, "version_type": "external"}}
        try:
            lines = [
                json.dumps(line, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
                for line in (action, self.body)
            ]
        except (ValueError, RecursionError) as error:
            raise Refused("NOT_INDEXABLE", "the value holds NaN or Infinity, or is nested too deeply") from error
        # "replace": JSON may hold halves of surrogate pairs, UTF-8 may not
        return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def documents(record: Mapping[str, Any]) -> list[Document]:
    """The event, and what it says of a deployment. Raises Refused for what is no event of ours.

    A value that does not say what its type promises is indexed as the event that it is, and as nothing else.
    """
    message = decode(record)
    made = [_event(message)]
    told = _told(message)
    if told is not None:
        made.append(_trace(message, told))
    if told is not None and message.type == FINISHED and SLUG.fullmatch(message.tenant):
        made.append(_analytics(message, told))
    return made


@dataclass(frozen=True)
class _Told:
    """A deployment as its event tells it; `fields` are those that trace and analytics documents share."""

    requested_at: datetime
    deployment_id: str
    fields: dict[str, Any]


def _event(message: Message) -> Document:
    at = _time(message.time)
    if at is None:
        raise Refused("BAD_RECORD", "ce_time is no time with a zone", field="ce_time")
    if len(message.id.encode()) > ID_BYTES:
        raise Refused("BAD_RECORD", f"ce_id is longer than {ID_BYTES} bytes", field="ce_id")
    data = message.data
    body = {
        "@timestamp": iso(at),
        "event_id": message.id,
        "topic": message.position.topic,
        "partition": message.position.partition,
        "offset": message.position.offset,
        "key": message.key,
        "type": message.type,
        "subject": message.subject,
        "tenant_id": message.tenant,
        "actor": message.actor,
        "trace_id": message.trace_id or None,
        "generation": message.generation,
        "deployment_id": _text(data, "deployment_id"),
        "api_name": _text(data, "api_id"),
        "environment": _text(data, "environment"),
        "git_commit_sha": _text(data, "after" if message.type == PUSH_ACCEPTED else "commit"),
        "data": data,
    }
    if message.position.topic != AUDIT_TOPIC:
        return Document(_month(EVENTS, at), message.id, _known(body))
    told = {"action": _text(data, "action"), "outcome": _text(data, "outcome")}
    return Document(_month(AUDIT, at), message.id, _known({**body, **told}))


def _told(message: Message) -> _Told | None:
    data = message.data
    deployment_id, requested_at = _text(data, "deployment_id"), _time(_text(data, "requested_at"))
    if message.type not in (REQUESTED, FINISHED) or data.get("tenant") != message.tenant:
        return None
    if requested_at is None or deployment_id is None or not NAME.fullmatch(deployment_id):
        return None
    fields = {
        "trace_id": message.trace_id or None,
        "deployment_id": deployment_id,
        "tenant_id": message.tenant,
        "api_id": _text(data, "api_id"),
        "api_name": _text(data, "api_id"),
        "api_version": _text(data, "api_version"),
        "environment": _text(data, "environment"),
        "action": _text(data, "action"),
        "generation": message.generation,
        "trigger_type": _text(data, "triggered_by"),
    }
    return _Told(requested_at, deployment_id, fields)


def _trace(message: Message, told: _Told) -> Document:
    """Whatever its order, request and result meet in one index: both say when it was requested."""
    data, person = message.data, _text(message.data, "requested_by")
    begun = iso(told.requested_at)
    body = {
        **told.fields,
        "@timestamp": begun,
        "created_at": begun,
        "requested_by": person,
        "git_author": person if data.get("triggered_by") == "gitlab-push" else None,
        "git_commit_sha": _text(data, "commit"),
        "git_project": _number(data, "project_id"),
        "status": "in_progress",
        "steps": [_step("requested", "success", begun, begun)],
    }
    version = AS_REQUESTED
    if message.type == FINISHED:
        body, version = {**body, **_end(data, begun)}, AS_FINISHED
    return Document(_month(TRACES, told.requested_at), told.deployment_id, _known(body), version)


def _end(data: Mapping[str, Any], begun: str) -> dict[str, Any]:
    over = _time(_text(data, "finished_at"))
    completed, status = iso(over) if over else None, _text(data, "status")
    worked = status if status in ("success", "failed") else "skipped"
    return {
        **_outcome(data),
        "status": status,
        "completed_at": completed,
        "total_duration_ms": _number(data, "duration_ms"),
        "error_summary": _text(_mapping(data, "error"), "detail"),
        "awx_job_id": _number(data, "awx_job_id"),
        "steps": [_step("requested", "success", begun, begun), _step("deploy", worked, begun, completed)],
    }


def _analytics(message: Message, told: _Told) -> Document:
    data, ended = message.data, _time(message.time)
    body = {
        **told.fields,
        **_outcome(data),
        "@timestamp": iso(ended) if ended else None,
        "event_id": message.id,
        "outcome": _text(data, "status"),
        "duration_ms": _number(data, "duration_ms"),
    }
    return Document(f"{ANALYTICS}{message.tenant}", message.id, _known(body))


def _outcome(data: Mapping[str, Any]) -> dict[str, Any]:
    verified = data.get("verified")
    return {
        "error_code": _text(_mapping(data, "error"), "code"),
        "verified": verified if isinstance(verified, bool) else None,
    }


def _step(name: str, status: str, started: str, completed: str | None) -> dict[str, Any]:
    return _known({"name": name, "status": status, "started_at": started, "completed_at": completed})


def _known(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


def _month(family: str, at: datetime) -> str:
    return f"{family}{iso(at)[:7].replace('-', '.')}"


def _time(text: str | None) -> datetime | None:
    """None for what is no time with a zone, or none that UTC can say."""
    try:
        at = datetime.fromisoformat(text or "")
        iso(at)
    except (ValueError, OverflowError):
        return None
    return at


def _text(data: Mapping[str, Any], name: str) -> str | None:
    value = data.get(name)
    return value if isinstance(value, str) else None


def _number(data: Mapping[str, Any], name: str) -> int | None:
    value = data.get(name)
    return value if type(value) is int and -LONG <= value < LONG else None


def _mapping(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    return value if isinstance(value, Mapping) else {}
