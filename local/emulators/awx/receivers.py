"""The webhook receivers of a template: GitHub with a SHA-1 signature, GitLab with a token; one job for each event."""

import hashlib
import hmac
import json

from starlette.requests import Request
from starlette.responses import Response

from local.emulators.awx.answers import Json, Refusal, answer, detail
from local.emulators.awx.awx import Awx
from local.emulators.awx.launch import create, parsed

QUEUED, REPEATED = "Job queued.", "Webhook previously received, aborting."


async def github(awx: Awx, request: Request) -> Response:
    template, body = _template(awx, request, "github"), await request.body()
    algorithm, _, signature = request.headers.get("x-hub-signature", "").partition("=")
    wanted = hmac.new(template["webhook_key"].encode(), body, hashlib.sha1).hexdigest()
    if algorithm != "sha1" or not hmac.compare_digest(signature.encode(), wanted.encode()):
        raise detail(403)
    headers = request.headers
    return _receive(awx, template, body, headers.get("x-github-event", ""), headers.get("x-github-delivery", ""))


async def gitlab(awx: Awx, request: Request) -> Response:
    template, body = _template(awx, request, "gitlab"), await request.body()
    if not hmac.compare_digest(request.headers.get("x-gitlab-token", "").encode(), template["webhook_key"].encode()):
        raise detail(403)
    # GitLab sends no id of its own that AWX would use
    guid = hashlib.sha1(body).hexdigest()  # noqa: S324
    return _receive(awx, template, body, request.headers.get("x-gitlab-event", ""), guid)


def _template(awx: Awx, request: Request, service: str) -> Json:
    template = awx.store.get("job_templates", request.path_params["id"])
    if template is None or template["webhook_service"] != service or not template["webhook_key"]:
        raise detail(403)
    return template


def _receive(awx: Awx, template: Json, body: bytes, event: str, guid: str) -> Response:
    try:
        payload = json.loads(body)
    except ValueError as error:
        raise Refusal(400, {"detail": f"JSON parse error - {error}"}) from error
    if next(awx.store.where("jobs", webhook_guid=guid, job_template=template["id"]), None):
        return answer({"message": REPEATED}, 202)
    facts = {"event_type": event, "event_guid": guid, "event_ref": payload.get("after"), "status_api": None}
    variables = parsed(template["extra_vars"])
    for prefix in ("awx", "tower"):
        variables |= {f"{prefix}_webhook_{name}": value for name, value in {**facts, "payload": payload}.items()}
    create(awx, template, {}, variables, "webhook", webhook_guid=guid)
    return answer({"message": QUEUED}, 202)
