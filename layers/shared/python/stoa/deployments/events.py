"""The messages of a deployment: what is asked for, and how it ended."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from stoa.deployments.model import RESULT_STATUS, Deployment, ResultStatus, Verdict
from stoa.kernel.clock import iso
from stoa.kernel.envelope import Event, Message
from stoa.kernel.errors import Refused
from stoa.kernel.identity import SYSTEM

AUTO_DEPLOY = frozenset({"dev"})

REQUESTS = "deploy-requests"
RESULTS = "deploy-results"
REQUESTED = "stoa.deployment.requested"
FINISHED = "stoa.deployment.finished"

_TEXTS = ("tenant", "api_id", "environment", "deployment_id", "finished_at")
_WORDS: dict[str, tuple[str, ...]] = {"status": tuple(RESULT_STATUS.values()), "action": ("deploy", "undeploy")}


class Wanted(TypedDict):
    """One deployment that a push or a person asks for, before it has an id.

    `refused` holds a problem when it may not be carried out: it is recorded as failed at once.
    """

    tenant: str
    api: str
    environment: str
    action: Literal["deploy", "undeploy"]
    refused: NotRequired[dict[str, Any]]


class Cause(TypedDict):
    """Who or what asks, at which commit of which GitLab project."""

    project_id: int
    commit: str
    trigger: str
    actor: str
    trace_id: str


class DeployRequested(TypedDict):
    """Value on deploy-requests. `api_id` is the API's slug; `generation` counts tenant/api/environment."""

    trace_id: str
    deployment_id: str
    tenant: str
    api_id: str
    environment: str
    action: Literal["deploy", "undeploy"]
    triggered_by: str
    requested_by: str
    project_id: int
    commit: str
    generation: int
    requested_at: str


class DeployFinished(TypedDict):
    """Value on deploy-results: all that is known of the deployment, so that it needs no request beside it.

    `duration_ms` runs from the request to its end; `gateway_response` is what the playbook published, null when it
    never ran."""

    trace_id: str
    deployment_id: str
    tenant: str
    api_id: str
    environment: str
    action: Literal["deploy", "undeploy"]
    triggered_by: str
    requested_by: str
    requested_at: str
    project_id: int
    generation: int
    status: ResultStatus
    awx_job_id: int | None
    duration_ms: int
    gateway_response: dict[str, Any] | None
    verified: bool
    commit: str
    api_version: str | None
    error: dict[str, Any] | None
    finished_at: str


def subject(w: Wanted) -> str:
    return f"{w['tenant']}/{w['api']}/{w['environment']}"


def approval_required() -> Refused:
    detail = "this environment is deployed by a promotion with approval, not by a push"
    return Refused("APPROVAL_REQUIRED", detail, field="environment", status=409, hint="open a promotion ticket")


def again(
    d: Deployment, trigger: str = "retry", actor: str | None = None, trace_id: str | None = None
) -> tuple[Cause, Wanted]:
    """The same once more, by default in the same trace; without `actor` by nobody's hand."""
    who, trace = actor or d.requested_by, trace_id or d.trace_id
    cause = Cause(project_id=d.project_id, commit=d.commit, trigger=trigger, actor=who, trace_id=trace)
    lane = d.lane
    return cause, Wanted(tenant=lane.tenant, api=lane.api, environment=lane.environment, action=d.action)


def asked(d: Deployment) -> Event:
    """deploy-requests, or deploy-results for one that was refused at once."""
    if d.error is not None:
        return finished(d, Verdict("failed", None, d.error), d.requested_at)
    return requested(d)


def requested(d: Deployment) -> Event:
    value: DeployRequested = {
        "trace_id": d.trace_id,
        "deployment_id": d.id,
        "tenant": d.lane.tenant,
        "api_id": d.lane.api,
        "environment": d.lane.environment,
        "action": d.action,
        "triggered_by": d.trigger,
        "requested_by": d.requested_by,
        "project_id": d.project_id,
        "commit": d.commit,
        "generation": d.generation,
        "requested_at": iso(d.requested_at),
    }
    return _event(REQUESTS, REQUESTED, d, value, d.requested_by, d.requested_at)


def finished(d: Deployment, ended: Verdict, at: datetime) -> Event:
    value: DeployFinished = {
        "trace_id": d.trace_id,
        "deployment_id": d.id,
        "tenant": d.lane.tenant,
        "api_id": d.lane.api,
        "environment": d.lane.environment,
        "action": d.action,
        "triggered_by": d.trigger,
        "requested_by": d.requested_by,
        "requested_at": iso(d.requested_at),
        "project_id": d.project_id,
        "generation": d.generation,
        "status": RESULT_STATUS[ended.state],
        "awx_job_id": d.awx_job_id,
        "duration_ms": int((at - d.requested_at).total_seconds() * 1000),
        "gateway_response": ended.result,
        "verified": bool(ended.result and ended.result.get("verified")),
        "commit": d.commit,
        "api_version": d.api_version,
        "error": ended.error,
        "finished_at": iso(at),
    }
    return _event(RESULTS, FINISHED, d, value, SYSTEM, at)


def read_requested(message: Message) -> str:
    """The id in the value of a deploy request. Raises Refused."""
    deployment_id = message.data.get("deployment_id")
    if not isinstance(deployment_id, str) or not message.tenant:
        raise Refused("BAD_REQUEST_EVENT", "the event names no deployment or no tenant", field="deployment_id")
    return deployment_id


def read_finished(message: Message) -> dict[str, Any]:
    """The value of a deploy result, with every field that its readers rely on. Raises Refused."""
    value = message.data
    wrong = [name for name in _TEXTS if not isinstance(value.get(name), str)]
    wrong += [name for name in ("commit", "api_version") if not isinstance(value.get(name), str | None)]
    wrong += [name for name, known in _WORDS.items() if value.get(name) not in known]
    if type(value.get("generation")) is not int:
        wrong.append("generation")
    if value.get("tenant") != message.tenant:
        wrong.append("tenant")
    if wrong:
        raise Refused("BAD_RESULT", f"not usable in the result: {', '.join(wrong)}", field=wrong[0])
    return value


def _event(topic: str, kind: str, d: Deployment, value: Mapping[str, Any], actor: str, at: datetime) -> Event:
    return Event(
        topic=topic,
        key=d.lane.key,
        type=kind,
        subject=d.lane.subject,
        tenant=d.lane.tenant,
        actor=actor,
        trace_id=d.trace_id,
        time=at,
        data=value,
        generation=d.generation,
    )
