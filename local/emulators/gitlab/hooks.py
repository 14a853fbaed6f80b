"""Project webhooks: their settings, a test run, what was delivered, and sending it again."""

import base64
import binascii
import json
import uuid
from urllib.parse import urlsplit

from starlette.responses import Response

from local.emulators.gitlab import pushes
from local.emulators.gitlab.answers import Json, answer, not_found, nothing, refuse
from local.emulators.gitlab.call import Call
from local.emulators.gitlab.courier import Delivery, alert_status
from local.emulators.gitlab.instance import stamp
from local.emulators.gitlab.pushes import Change
from local.emulators.gitlab.repository import HEADS

EVENTS = (
    "push_events",
    "tag_push_events",
    "merge_requests_events",
    "issues_events",
    "confidential_issues_events",
    "note_events",
    "confidential_note_events",
    "pipeline_events",
    "wiki_page_events",
    "deployment_events",
    "job_events",
    "releases_events",
)
TEXTS = ("name", "description", "push_events_branch_filter", "custom_webhook_template")
SECRETS = ("token", "signing_token")
TEST_COMMITS = 3


def shown(hook: Json) -> Json:
    """Never the token, the signing token or the values of custom headers."""
    kept = {name: value for name, value in hook.items() if name not in (*SECRETS, "failures")}
    until = hook["disabled_until"]
    return {
        **kept,
        "alert_status": alert_status(hook),
        "disabled_until": until if alert_status(hook) == "temporarily_disabled" else None,
        "custom_headers": [{"key": header["key"]} for header in hook["custom_headers"]],
        "url_variables": [],
    }


def _given(call: Call) -> Json:
    """The settings in a request, checked. Raises Refusal."""
    settings: Json = {name: call.flag(name) for name in (*EVENTS, "enable_ssl_verification") if name in call.params}
    settings |= {name: call.text(name) for name in (*TEXTS, *SECRETS) if name in call.params}
    if "url" in call.params:
        address = urlsplit(call.text("url"))
        if address.scheme not in ("http", "https") or not address.hostname:
            raise refuse(422, "Invalid url given")
        settings["url"] = call.text("url")
    if settings.get("signing_token") and not _is_signing_token(settings["signing_token"]):
        raise refuse(422, {"signing_token": ["is invalid"]})
    if "custom_headers" in call.params:
        settings["custom_headers"] = [dict(header) for header in call.params["custom_headers"]]
    return settings


def _is_signing_token(token: str) -> bool:
    try:
        return token.startswith("whsec_") and bool(base64.b64decode(token.removeprefix("whsec_"), validate=True))
    except binascii.Error:
        return False


def create(call: Call) -> Response:
    call.need("url")
    project = call.maintain()
    defaults: Json = dict.fromkeys(EVENTS, False) | {name: None for name in TEXTS}
    body = {
        "url": "",
        "project_id": project.id,
        "created_at": stamp(),
        **defaults,
        "push_events": True,
        "push_events_branch_filter": "",
        "branch_filter_strategy": "wildcard",
        "enable_ssl_verification": True,
        "custom_headers": [],
        "disabled_until": None,
        "failures": 0,
        **_given(call),
    }
    return answer(shown(call.instance.store.add("hook", project.id, body)), 201)


def find(call: Call) -> Json:
    hook = call.instance.store.get("hook", call.number("hook_id"))
    if hook is None or hook["project_id"] != call.maintain().id:
        raise refuse(404, "404 Not found")
    return hook


def read(call: Call) -> Response:
    return answer(shown(find(call)))


def list_hooks(call: Call) -> Response:
    return call.listed(call.instance.store.all("hook", call.maintain().id), shown=shown)


def update(call: Call) -> Response:
    """A new address switches a hook on again, as a successful test run does."""
    given = _given(call)
    hook = find(call)
    if given.get("url", hook["url"]) != hook["url"]:
        given |= {"failures": 0, "disabled_until": None}
    changed = {**hook, **given}
    call.instance.store.put("hook", hook["project_id"], changed)
    return answer(shown(changed))


def delete(call: Call) -> Response:
    hook = find(call)
    call.instance.store.drop("hook", hook["id"])
    return nothing()


def test(call: Call) -> Response:
    """Sends the newest commits of the default branch at once, also to a hook that is switched off."""
    hook = find(call)
    if call.args["trigger"] != "push_events":
        raise refuse(400, "trigger does not have a valid value")
    project = call.project
    head = project.repository.branch(project.default_branch)
    if head is None:
        raise refuse(422, "Ensure the project has at least one commit.")
    recent = project.repository.ids(f"--max-count={TEST_COMMITS}", head)
    change = Change(HEADS + project.default_branch, recent[-1], head)
    payload = pushes.payload(call.instance, project, "push", change, {})
    key, chain = str(uuid.uuid4()), str(uuid.uuid4())
    body = json.dumps(payload, separators=(",", ":")).encode()
    sent = Delivery(project.id, hook["id"], "Push Hook", "push_hooks", body, key, chain, forced=True)
    outcome = call.instance.courier.send(sent)
    if outcome.status is None or outcome.status >= 400:
        raise refuse(422, outcome.reason or outcome.text or f"Hook executed but returned HTTP {outcome.status}")
    return answer({"message": "201 Created"}, 201)


def events(call: Call) -> Response:
    """The newest first; `status` is a code, or `successful`, `client_failure`, `server_failure`."""
    hook = find(call)
    wanted = call.text("status")
    sent = [e for e in call.instance.store.all("delivery", hook["id"]) if e["request_headers"]]
    found = [entry for entry in reversed(sent) if _matches(entry["status"], wanted)]
    return call.listed(found, shown=lambda entry: _event(hook, entry))


def _matches(status: int | None, wanted: str) -> bool:
    if not wanted:
        return True
    classes = {"successful": (200, 399), "client_failure": (400, 499), "server_failure": (500, 599)}
    if wanted in classes:
        low, high = classes[wanted]
        return status is not None and low <= status <= high or (status is None and wanted == "server_failure")
    return str(status) == wanted


def _event(hook: Json, entry: Json) -> Json:
    return {
        "id": entry["id"],
        "url": hook["url"],
        "trigger": entry["trigger"],
        "request_headers": entry["request_headers"],
        "request_data": entry["request_data"],
        "response_headers": entry["response_headers"],
        "response_body": entry["response_body"],
        "execution_duration": entry["ms"] / 1000,
        "response_status": "internal error" if entry["status"] is None else str(entry["status"]),
    }


def resend(call: Call) -> Response:
    hook = find(call)
    entry = call.instance.store.get("delivery", call.number("event_id"))
    if entry is None or entry["hook_id"] != hook["id"]:
        raise not_found("Hook Event")
    outcome = call.instance.courier.again(entry)
    if outcome.status is None:
        raise refuse(422, outcome.reason)
    return answer({"response_status": outcome.status}, 201)
