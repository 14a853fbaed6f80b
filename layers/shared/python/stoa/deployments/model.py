"""What a deployment is and how it may change. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Action = Literal["deploy", "undeploy"]
Outcome = Literal["succeeded", "failed", "superseded", "cancelled"]

FINAL = frozenset({"succeeded", "failed", "superseded", "cancelled"})
# how often a request is asked for again that AWX or the gateway lost: about two hours of pauses
RETRIES = 20

# the seed's words on deploy-results
ResultStatus = Literal["success", "failed", "superseded", "cancelled"]
RESULT_STATUS: dict[Outcome, ResultStatus] = {
    "succeeded": "success",
    "failed": "failed",
    "superseded": "superseded",
    "cancelled": "cancelled",
}


@dataclass(frozen=True)
class Lane:
    """Where at most one unfinished AWX job may be: one API in one environment."""

    tenant: str
    api: str
    environment: str

    @property
    def subject(self) -> str:
        return f"{self.tenant}/{self.api}/{self.environment}"

    @property
    def key(self) -> str:
        return f"{self.tenant}/{self.api}"


@dataclass(frozen=True)
class Holder:
    """What a lane row says: who holds it, and how far its launch has come."""

    lane: Lane
    deployment_id: str | None
    last_generation: int
    awx_job_id: int | None
    launch_started_at: datetime | None
    cancelled_by: str | None = None


@dataclass(frozen=True)
class Deployment:
    """One request to bring one API in one environment to the state of one commit."""

    id: str
    lane: Lane
    action: Action
    generation: int
    state: str
    project_id: int
    commit: str
    trigger: str
    requested_by: str
    trace_id: str
    requested_at: datetime
    api_version: str | None = None
    launch_vars: dict[str, Any] | None = None
    artefact_sha256: str | None = None
    awx_job_id: int | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    finished_at: datetime | None = None

    @property
    def final(self) -> bool:
        return self.state in FINAL

    @property
    def prepared(self) -> bool:
        return self.launch_vars is not None


@dataclass(frozen=True)
class Verdict:
    """How a deployment ended, and what is known about it."""

    state: Outcome
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class Turn:
    """Who gets the lane next; `superseded` are the waiting ones that a newer request made needless."""

    holder: Deployment | None
    superseded: tuple[Deployment, ...]


def next_turn(waiting: Sequence[Deployment], last_generation: int) -> Turn:
    """The newest waiting request gets the lane, unless something newer already had it."""
    ordered = sorted(waiting, key=lambda d: d.generation)
    if not ordered or ordered[-1].generation <= last_generation:
        return Turn(None, tuple(ordered))
    return Turn(ordered[-1], tuple(ordered[:-1]))


def tag(deployment_id: str) -> str:
    """What AWX keeps of a deployment in a field that can be searched: the job's skip tags, which skip nothing."""
    return f"stoa-{deployment_id}"


def problem(code: str, detail: str, **place: str | int | None) -> dict[str, Any]:
    """The error of a deployment as it is stored and published; absent places are left out."""
    return {"code": code, "detail": detail, **{k: v for k, v in place.items() if v is not None}}


def verdict(status: str, artifacts: dict[str, Any], explanation: str) -> Verdict:
    """Judges a finished AWX job. `status` is AWX's word; `artifacts` what the playbook published.

    A job that AWX calls successful but that does not say what it did counts as failed: nobody
    verified anything.
    """
    result = artifacts.get("stoa_result")
    said = result if isinstance(result, dict) else None
    if status == "canceled":
        return Verdict("cancelled", said, problem("AWX_JOB_CANCELED", "the AWX job was canceled"))
    if status == "successful" and said is not None:
        return _judged(said)
    if status == "successful":
        return Verdict("failed", None, problem("AWX_NO_RESULT", "the playbook ended without a result"))
    if said is not None and said.get("code"):
        return Verdict("failed", said, problem(str(said["code"]), str(said.get("detail") or "the playbook failed")))
    code = "AWX_JOB_ERROR" if status == "error" else "AWX_JOB_FAILED"
    return Verdict("failed", said, problem(code, explanation or f"the AWX job ended as {status}"))


def cancelled(actor: str) -> Verdict:
    return Verdict("cancelled", None, problem("CANCELLED", f"{actor} cancelled it before it was launched"))


def lost(ended: Verdict) -> bool:
    """Whether the request itself was not at fault: AWX lost the job, or a system that the playbook needs was away."""
    code = str((ended.error or {}).get("code"))
    return ended.state == "failed" and (code == "AWX_JOB_ERROR" or code.endswith("_UNAVAILABLE"))


def _judged(said: dict[str, Any]) -> Verdict:
    if said.get("outcome") == "superseded":
        return Verdict("superseded", said, problem("OLDER_GENERATION", "the gateway holds a newer generation"))
    if said.get("verified") is not True:
        return Verdict("failed", said, problem("NOT_VERIFIED", "the gateway was not read back as asked for"))
    return Verdict("succeeded", said)


def extra_vars(d: Deployment, public_url: str) -> dict[str, Any]:
    """What the AWX job gets: adapters/webmethods/extra_vars.schema.json. References to secrets, never values."""
    common = {
        "schema_version": 1,
        "event_id": d.id,
        "deployment_id": d.id,
        "trace_id": d.trace_id,
        "tenant_id": d.lane.tenant,
        "environment": d.lane.environment,
        "api_name": d.lane.api,
        "action": d.action,
        "desired_generation": d.generation,
        "callback_url": f"{public_url}/webhooks/awx/job-complete",
    }
    if d.api_version:
        common["api_version"] = d.api_version
    if d.artefact_sha256:
        common["openapi_url"] = f"{public_url}/artefacts/{d.lane.tenant}/{d.artefact_sha256}"
        common["openapi_sha256"] = d.artefact_sha256
    return {**common, **(d.launch_vars or {})}
