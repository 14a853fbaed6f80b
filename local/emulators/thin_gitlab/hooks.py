"""A project's webhooks: made, changed, tested, their deliveries listed and sent again."""

import uuid
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, Response

from local.emulators.thin_gitlab.answers import Call, Json, message, not_found, paged
from local.emulators.thin_gitlab.gitlab import GitLab, moment
from local.emulators.thin_gitlab.push_events import PUSH, sample

HIDDEN = ("token", "signing_token", "recent_failures")
FIELDS = {
    "push_events": True,
    "tag_push_events": False,
    "merge_requests_events": False,
    "enable_ssl_verification": True,
    "push_events_branch_filter": "",
    "name": "",
    "description": "",
    "custom_headers": [],
}


def listed(gitlab: GitLab, call: Call) -> Response:
    return paged(call, [_shown(hook) for hook in gitlab.store.all("hook", gitlab.project(call)["id"])])


def read(gitlab: GitLab, call: Call) -> Response:
    return JSONResponse(_shown(_hook(gitlab, call)))


def create(gitlab: GitLab, call: Call) -> Response:
    project = gitlab.project(call)
    call.need("url")
    made = {"project_id": project["id"], "created_at": moment(), "alert_status": "executable", "disabled_until": None}
    hook = gitlab.store.add("hook", project["id"], {**made, **FIELDS, **_given(call)})
    return JSONResponse(_shown(hook), 201)


def update(gitlab: GitLab, call: Call) -> Response:
    """Saving a hook switches it on again."""
    hook = _hook(gitlab, call)
    call.need("url")
    fresh = {"alert_status": "executable", "disabled_until": None, "recent_failures": 0}
    return JSONResponse(_shown(gitlab.store.put("hook", {**hook, **_given(call), **fresh})))


def delete(gitlab: GitLab, call: Call) -> Response:
    gitlab.store.delete("hook", _hook(gitlab, call)["id"])
    return Response(status_code=204)


def test(gitlab: GitLab, call: Call) -> Response:
    """Sends the last push once more, now, and answers 422 when the receiver refused it."""
    hook, project = _hook(gitlab, call), gitlab.shown(gitlab.project(call))
    if call.path["trigger"] != "push_events":
        raise message(400, "trigger does not have a valid value")
    if project["default_branch"] is None:
        raise message(422, "Ensure the project has at least one commit.")
    body = sample(project, gitlab.repository(project))
    entry = gitlab.deliveries.send(hook["id"], PUSH, body, key=str(uuid.uuid4()), chain=str(uuid.uuid4()))
    if entry is None or entry["response_status"][:1] not in ("2", "3"):
        raise message(422, "Hook executed, but the receiver refused it")
    return JSONResponse({"message": "201 Created"}, 201)


def events(gitlab: GitLab, call: Call) -> Response:
    """The newest first; `status` filters by response status."""
    wanted = call.query.get("status")
    found = gitlab.store.all("delivery", _hook(gitlab, call)["id"])[::-1]
    return paged(call, [e for e in found if wanted is None or e["response_status"] == wanted])


def resend(gitlab: GitLab, call: Call) -> Response:
    """The same event with its idempotency key."""
    hook = _hook(gitlab, call)
    entries = {str(e["id"]): e for e in gitlab.store.all("delivery", hook["id"])}
    entry = entries.get(call.path["event"])
    if entry is None:
        raise not_found("Webhook event")
    name = entry["request_headers"]["X-Gitlab-Event"]
    key, chain = entry["idempotency_key"], entry["event_uuid"]
    sent = gitlab.deliveries.send(hook["id"], name, entry["request_data"], key=key, chain=chain)
    status = sent["response_status"] if sent else "internal error"
    return JSONResponse({"response_status": int(status) if status.isdigit() else status}, 201)


def _hook(gitlab: GitLab, call: Call) -> Json:
    project, number = gitlab.project(call), call.path["hook"]
    hook = gitlab.store.get("hook", int(number)) if number.isascii() and number.isdigit() else None
    if hook is None or hook["project_id"] != project["id"]:
        raise not_found("Hook")
    return hook


def _given(call: Call) -> Json:
    url = str(call.body["url"])
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise message(422, {"url": ["is blocked: Only allowed schemes are http, https"]})
    secrets = {name: str(call.body[name]) for name in ("token", "signing_token") if call.body.get(name)}
    return {"url": url, **secrets, **{name: call.body[name] for name in FIELDS if name in call.body}}


def _shown(hook: Json) -> Json:
    """Secrets are written, never read."""
    return {name: value for name, value in hook.items() if name not in HIDDEN}
