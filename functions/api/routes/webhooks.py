"""What GitLab and AWX tell us. Authenticated before anything is parsed or stored."""

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any

import pydantic
from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from functions.api.inline import Router
from functions.api.problems import UNLIMITED
from functions.api.security import awx_notification, gitlab_delivery
from stoa.bootstrap import app
from stoa.gitops.events import PushAccepted
from stoa.kernel import metrics
from stoa.kernel.clock import iso, now
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.log import bind, log

router = Router(prefix="/webhooks", tags=["webhooks"], responses=UNLIMITED)

SHA = r"^([0-9a-f]{40}|[0-9a-f]{64})$"
KIND = re.compile(r"^[a-z_]{1,40}$")
KEY = re.compile(r"^[\x21-\x7e]{1,200}$")


class Project(BaseModel):
    model_config = ConfigDict(extra="ignore")
    default_branch: str | None = None


class Push(BaseModel):
    """The part of GitLab's push event that we use; e-mails and commits[] are left alone on purpose."""

    model_config = ConfigDict(extra="ignore")
    ref: str = Field(min_length=1, max_length=500)
    before: str = Field(pattern=SHA)
    after: str = Field(pattern=SHA)
    project_id: int = Field(ge=1, lt=2**63, strict=True)
    user_id: int | None = Field(None, strict=True)
    project: Project


class Kind(BaseModel):
    model_config = ConfigDict(extra="ignore")
    object_kind: str


class Notification(BaseModel):
    model_config = ConfigDict(extra="ignore")
    id: int = Field(ge=1, lt=2**63, strict=True)


async def body(request: Request) -> bytes:
    return await request.body()


Raw = Annotated[bytes, Depends(body)]
IGNORED: dict[int | str, dict[str, Any]] = {
    200: {"description": "nothing is to be done about it", "content": {"application/json": {"schema": {}}}}
}


@router.post("/gitlab", status_code=202, responses=IGNORED)
def gitlab_push(request: Request, raw: Raw) -> JSONResponse:
    """202 with the trace id for a push that may deploy something, 200 for what is ignored."""
    gitlab_delivery(request.headers, raw)
    kind = _parsed(Kind, raw).object_kind
    if kind != "push":
        return _ignored(f"{kind if KIND.match(kind) else 'such'} events start nothing")
    push = _parsed(Push, raw)
    if not push.after.strip("0"):
        return _ignored("the branch was deleted")
    if not push.project.default_branch or push.ref != f"refs/heads/{push.project.default_branch}":
        return _ignored("only the default branch is deployed")
    wanted = _accepted(push, _delivery_id(request.headers, raw), request.state.trace_id)
    trace_id = app().gitops.accept_push(wanted)
    metrics.WEBHOOKS.add(sender="gitlab")
    bind(trace_id=trace_id)  # a redelivery goes on in the trace of the first
    return JSONResponse({"status": "accepted", "trace_id": trace_id}, status_code=202)


@router.post("/awx/job-complete", status_code=202, dependencies=[Depends(awx_notification)], responses=IGNORED)
def awx_job_finished(raw: Raw) -> JSONResponse:
    """A hint: the job is read back from AWX; the reconciler does it if that fails now."""
    data = _parsed(dict[str, Any], raw)
    if "id" not in data:
        return _ignored("a test notification")
    job_id = _parsed(Notification, raw).id
    try:
        known = app().deployments.job_finished(job_id)
        metrics.WEBHOOKS.add(sender="awx")
    except Transient as error:
        log.warning("awx.hint_left_to_reconciler", system=error.system, detail=error.detail, awx_job_id=job_id)
        known = True
    return JSONResponse({"status": "noted" if known else "unknown job"}, status_code=202)


def _parsed(kind: Any, raw: bytes) -> Any:
    try:
        return pydantic.TypeAdapter(kind).validate_json(raw)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        hint = "send the body that this kind of event has"
        raise Refused("INVALID_PAYLOAD", f"{where}: {first['msg']}", field=where, hint=hint) from error


def _delivery_id(headers: Mapping[str, str], raw: bytes) -> str:
    """What is stable per event: GitLab's `Idempotency-Key`, which `webhook-id` repeats; else a hash of the body.

    The signature covers only `webhook-id`: under new keys, a delivery that somebody captured would be new again.
    """
    given = headers.get("webhook-id" if "webhook-signature" in headers else "idempotency-key", "")
    return given if KEY.match(given) else "sha256:" + hashlib.sha256(raw).hexdigest()


def _accepted(push: Push, push_id: str, trace_id: str) -> PushAccepted:
    return {
        "trace_id": trace_id,
        "push_id": push_id,
        "project_id": push.project_id,
        "ref": push.ref,
        "before": push.before,
        "after": push.after,
        "pusher": f"gitlab:{push.user_id or 'unknown'}",
        "received_at": iso(now()),
    }


def _ignored(reason: str) -> JSONResponse:
    return JSONResponse({"status": "ignored", "reason": reason})
