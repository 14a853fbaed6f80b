"""The messages that people are to get: one event per channel, which names it and never its address."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from stoa.kernel.envelope import Event, Message
from stoa.kernel.errors import Refused
from stoa.kernel.identity import SYSTEM
from stoa.notifications import templates
from stoa.notifications.model import TYPES, Channel, MessageType

NOTIFICATIONS = "notifications"
WANTED = "stoa.notification.wanted"

LONGEST_TEXT = 2_000


class Fault(TypedDict):
    """Why something failed; `place` is a file with its line, or a field."""

    code: str
    detail: str
    hint: NotRequired[str]
    place: NotRequired[str]


class DeployEnded(TypedDict):
    """What a message tells of a deployment. `duration_ms` runs from the request to its end."""

    deployment_id: str
    api_id: str
    environment: str
    action: Literal["deploy", "undeploy"]
    status: str
    api_version: str | None
    commit: str | None
    requested_by: str
    triggered_by: str
    duration_ms: int | None
    finished_at: str
    error: Fault | None


class NotificationWanted(TypedDict):
    """Value on notifications. `recipients` has the name of one channel of the tenant, and `channel_id` says which of
    that name; `template` is a file of stoa/notifications/templates without its endings; `caused_by` is the event that
    it tells of."""

    trace_id: str
    tenant: str
    type: MessageType
    recipients: list[str]
    channel_id: str
    template: str
    caused_by: str
    data: DeployEnded


@dataclass(frozen=True)
class Told:
    """A message as its consumer needs it. `record` is where it stands in its topic."""

    event_id: str
    tenant: str
    channel: str
    channel_id: str
    record: str
    type: str
    template: str
    trace_id: str
    data: Mapping[str, Any]


def of_result(status: str) -> MessageType:
    """The type of message for a status on deploy-results."""
    return next(known for known in TYPES if known == f"deploy_{status}")


def of_deployment(message: Message, value: Mapping[str, Any], channel: Channel, at: datetime) -> Event:
    """The message about a deploy result to one channel."""
    kind = of_result(value["status"])
    data: DeployEnded = {
        "deployment_id": value["deployment_id"],
        "api_id": value["api_id"],
        "environment": value["environment"],
        "action": value["action"],
        "status": value["status"],
        "api_version": value["api_version"],
        "commit": value["commit"],
        "requested_by": _text(value.get("requested_by")),
        "triggered_by": _text(value.get("triggered_by")),
        "duration_ms": duration if type(duration := value.get("duration_ms")) is int else None,
        "finished_at": value["finished_at"],
        "error": _fault(value.get("error")),
    }
    wanted: NotificationWanted = {
        "trace_id": message.trace_id,
        "tenant": message.tenant,
        "type": kind,
        "recipients": [channel.name],
        "channel_id": channel.id,
        "template": kind,
        "caused_by": message.id,
        "data": data,
    }
    key = channel.key
    return Event(
        topic=NOTIFICATIONS,
        key=key,
        type=WANTED,
        subject=key,
        tenant=message.tenant,
        actor=SYSTEM,
        trace_id=message.trace_id,
        time=at,
        data=wanted,
    )


def read(message: Message) -> Told:
    """Raises Refused for what no channel can be told."""
    value = message.data
    recipients, data = value.get("recipients"), value.get("data")
    wrong = [name for name in ("template", "trace_id", "channel_id") if not isinstance(value.get(name), str)]
    if value.get("type") not in TYPES:
        wrong.append("type")
    if not isinstance(data, dict):
        wrong.append("data")
    if not (isinstance(recipients, list) and len(recipients) == 1 and isinstance(recipients[0], str)):
        raise _bad("recipients")
    if (
        not message.tenant
        or value.get("tenant") != message.tenant
        or message.key != f"{message.tenant}/{recipients[0]}"
    ):
        wrong.append("tenant")
    if wrong:
        raise _bad(*wrong)
    if value["template"] not in templates.NAMES:
        raise Refused("UNKNOWN_TEMPLATE", "there is no template of this name", field="template")
    return Told(
        event_id=message.id,
        tenant=message.tenant,
        channel=recipients[0],
        channel_id=value["channel_id"],
        record=f"{message.position.partition}/{message.position.offset}",
        type=value["type"],
        template=value["template"],
        trace_id=value["trace_id"],
        data=value["data"],
    )


def _bad(*fields: str) -> Refused:
    return Refused("BAD_NOTIFICATION", f"not usable in the message: {', '.join(fields)}", field=fields[0])


def _fault(error: object) -> Fault | None:
    if not isinstance(error, Mapping):
        return None
    made: Fault = {"code": _text(error.get("code")), "detail": _text(error.get("detail"))}
    if hint := _text(error.get("hint")):
        made["hint"] = hint
    file, line, field = (_text(error.get(name)) for name in ("file", "line", "field"))
    if place := f"{file}:{line}" if file and line else file or field:
        made["place"] = place
    return made


def _text(value: object) -> str:
    """Of what another function wrote: never too long, and of characters that can be written."""
    said = str(value) if isinstance(value, str | int) else ""
    return said[:LONGEST_TEXT].encode("utf-8", "replace").decode()
