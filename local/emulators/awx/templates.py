"""Templates, labels and notification templates: made, changed, deleted, tied to each other."""

import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from local.emulators.awx.answers import Json, Refusal, answer, nothing
from local.emulators.awx.awx import Awx, json_object
from local.emulators.awx.documents import document
from local.emulators.awx.fields import KINDS, TEMPLATE_DEFAULTS, Kind
from local.emulators.awx.launch import parsed
from local.emulators.awx.lists import Scope, page
from local.emulators.awx.moments import now

WEBHOOK_SERVICES = ("", "github", "gitlab", "bitbucket_dc")
NOTIFICATION_DEFAULTS: Json = {"description": "", "messages": None, "notification_configuration": {}}
DUPLICATE = {
    "job_templates": {"__all__": ["Job template with this name, and organization already exists."]},
    "labels": {"__all__": ["Label with this Name and Organization already exists."]},
    "notification_templates": {"__all__": ["Notification template with this Organization and Name already exists."]},
}


async def create(awx: Awx, request: Request) -> Response:
    table = request.path_params["table"]
    kind = KINDS[table]
    sent = await json_object(request)
    missing = {name: ["This field is required."] for name in kind.required if name not in sent}
    if missing:
        raise Refusal(400, missing)
    fields = _checked(awx, kind, {name: sent[name] for name in kind.writable if name in sent})
    made = awx.add(table, **complete(awx, table, fields))
    body = document(awx, table, made)
    return answer(body, 201, {"location": body["url"]})


def complete(awx: Awx, table: str, fields: Json) -> Json:
    """All fields of a new object. Raises Refusal 400 when its name is taken in its organization."""
    defaults: dict[str, Json] = {
        "job_templates": {
            **TEMPLATE_DEFAULTS,
            "status": "never updated",
            "last_job_run": None,
            "last_job_failed": False,
        },
        "notification_templates": NOTIFICATION_DEFAULTS,
    }
    body = {**defaults.get(table, {}), **fields, "created_by": 1}
    if table == "job_templates":
        project = awx.store.get("projects", body["project"] or 0)
        # the organization of a template is the one of its project
        body["organization"] = project["organization"] if project else None
        body["webhook_key"] = secrets.token_hex(20) if body["webhook_service"] else ""
    if next(awx.store.where(table, name=body["name"], organization=body["organization"]), None):
        raise Refusal(400, DUPLICATE[table])
    return body


def _checked(awx: Awx, kind: Kind, fields: Json) -> Json:
    problems: dict[str, list[str]] = {}
    for name, value in fields.items():
        problem = _problem(awx, kind, name, value)
        if problem:
            problems[name] = [problem]
    if problems:
        raise Refusal(400, problems)
    return fields


def _problem(awx: Awx, kind: Kind, name: str, value: Any) -> str:
    type_of = kind.fields.get(name)
    if name == "name" and not value:
        return "This field may not be blank."
    if type_of == "boolean" and not isinstance(value, bool):
        return "Must be a valid boolean."
    if type_of == "integer" and (isinstance(value, bool) or not isinstance(value, int)):
        return "A valid integer is required."
    target = dict(kind.targets).get(name)
    if target and value is not None and (not isinstance(value, int) or awx.store.get(target, value) is None):
        return f'Invalid pk "{value}" - object does not exist.'
    if name == "playbook" and value and not (awx.config.playbooks / str(value)).is_file():
        return "Playbook not found for project."
    if name == "webhook_service" and value not in WEBHOOK_SERVICES:
        return f'"{value}" is not a valid choice.'
    if name == "extra_vars":
        parsed(value)
    return "Only webhooks are emulated." if name == "notification_type" and value != "webhook" else ""


async def change(awx: Awx, request: Request) -> Response:
    table, number = request.path_params["table"], request.path_params["id"]
    kind, old = KINDS[table], awx.object(table, number)
    sent = await json_object(request)
    fields = _checked(awx, kind, {name: sent[name] for name in kind.writable if name in sent})
    if fields.get("webhook_service") and not old.get("webhook_key"):
        fields["webhook_key"] = secrets.token_hex(20)
    return answer(document(awx, table, awx.store.change(table, number, modified=now(), **fields)))


async def delete(awx: Awx, request: Request) -> Response:
    table, number = request.path_params["table"], request.path_params["id"]
    awx.object(table, number)
    awx.store.delete(table, number)
    return nothing()


async def survey(awx: Awx, request: Request) -> Response:
    template = awx.object("job_templates", request.path_params["id"])
    if request.method == "GET":
        return answer(template.get("survey_spec") or {})
    if request.method == "DELETE":
        awx.store.change("job_templates", template["id"], survey_spec={})
        return answer({})
    spec = await json_object(request)
    for name in ("name", "description", "spec"):
        if name not in spec:
            return answer({"error": f"'{name}' missing from survey spec."}, 400)
    if not isinstance(spec["spec"], list) or not spec["spec"]:
        return answer({"error": "'spec' doesn't contain any items."}, 400)
    if any("variable" not in question for question in spec["spec"]):
        return answer({"error": "'variable' missing from survey question 0."}, 400)
    awx.store.change("job_templates", template["id"], survey_spec=spec)
    return answer({})


async def webhook_key(awx: Awx, request: Request) -> Response:
    template = awx.object("job_templates", request.path_params["id"])
    if request.method == "POST":
        template = awx.store.change("job_templates", template["id"], webhook_key=secrets.token_hex(20))
        return answer({"webhook_key": template["webhook_key"]}, 201)
    return answer({"webhook_key": template["webhook_key"]})


async def jobs(awx: Awx, request: Request) -> Response:
    template = awx.object("job_templates", request.path_params["id"])
    return page(awx, request, "jobs", Scope("json_extract(t.body, '$.job_template') = ?", (template["id"],)))


async def attached(awx: Awx, request: Request) -> Response:
    """Labels and notification templates of a template: list, associate `{"id": N}`, `"disassociate": true`."""
    name = request.path_params["name"]
    table = "labels" if name == "labels" else "notification_templates"
    template = awx.object("job_templates", request.path_params["id"])
    if request.method == "GET":
        inner = "SELECT target FROM links WHERE owner_kind = 'job_templates' AND owner = ? AND name = ?"
        return page(awx, request, table, Scope(f"t.id IN ({inner})", (template["id"], name)))
    sent = await json_object(request)
    number = sent.get("id")
    if not isinstance(number, int):
        return answer({"msg": '"id" field must be an integer.'}, 400)
    awx.object(table, number)
    act = awx.store.unlink if sent.get("disassociate") else awx.store.link
    act("job_templates", template["id"], name, number)
    return nothing()
