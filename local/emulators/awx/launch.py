"""Launching a template: what its prompts let through, what they ignore, what is missing; and launching again."""

import json
from typing import Any

import yaml
from starlette.requests import Request
from starlette.responses import Response

from local.emulators.awx.answers import Json, Refusal, answer
from local.emulators.awx.awx import Awx, json_object
from local.emulators.awx.documents import FINAL, document, launch_form, url_of
from local.emulators.awx.fields import PROMPTS, RUN
from local.emulators.awx.settings import NODE
from local.emulators.awx.survey import answers_of

LISTS = ("credentials", "labels", "instance_groups")
COPIED = [name for name in RUN if name != "extra_vars"]
FRESH: Json = {
    "status": "pending",
    "failed": False,
    "started": None,
    "finished": None,
    "canceled_on": None,
    "elapsed": 0.0,
    "job_explanation": "",
    "result_traceback": "",
    "event_processing_finished": False,
    "execution_node": "",
    "controller_node": NODE,
    "work_unit_id": None,
    "artifacts": {},
    "scm_revision": "",
    "host_status_counts": {},
    "playbook_counts": {},
    "instance_group": None,
    "job_slice_number": 0,
    "custom_virtualenv": None,
    "schedule": None,
    "dependencies": [],
}


async def form(awx: Awx, request: Request) -> Response:
    return answer(launch_form(awx, awx.object("job_templates", request.path_params["id"])))


async def launch(awx: Awx, request: Request) -> Response:
    template = awx.object("job_templates", request.path_params["id"])
    sent = await json_object(request)
    accepted, ignored = _prompted(template, sent)
    variables, unasked = _variables(template, sent)
    if unasked:
        ignored["extra_vars"] = unasked
    _check_resources(awx, template, accepted)
    job = create(awx, template, accepted, variables, "manual")
    body = document(awx, "jobs", job)
    return answer({"job": job["id"], "ignored_fields": ignored, **body}, 201, {"location": body["url"]})


def create(awx: Awx, template: Json, prompts: Json, variables: Json, launch_type: str, **more: Any) -> Json:
    """A pending job of a template; the scheduler is told."""
    fields = {name: prompts.get(name, template.get(name)) for name in COPIED}
    job = awx.add(
        "jobs",
        name=template["name"],
        description=template["description"],
        unified_job_template=template["id"],
        job_template=template["id"],
        launch_type=launch_type,
        launched_by={"id": 1, "name": awx.config.user, "type": "user", "url": url_of("users", 1)},
        created_by=1,
        **{**FRESH, **fields, "extra_vars": json.dumps(variables), "webhook_guid": "", **more},
    )
    for number in prompts.get("labels") or awx.store.linked("job_templates", template["id"], "labels"):
        awx.store.link("jobs", job["id"], "labels", number)
    awx.runs.wake()
    return job


async def relaunch(awx: Awx, request: Request) -> Response:
    old = awx.object("jobs", request.path_params["id"])
    sent = await json_object(request)
    hosts = sent.get("hosts", "all")
    if hosts not in ("all", "failed", "ok", "changed", "unreachable"):
        raise Refusal(400, {"hosts": [f'"{hosts}" is not a valid choice.']})
    if hosts != "all" and old["status"] not in FINAL:
        raise Refusal(400, {"hosts": ["Relaunch by host status not available until job finishes running."]})
    template = awx.object("job_templates", old["job_template"])
    prompts = {name: old[name] for name in COPIED}
    if hosts != "all":
        prompts["limit"] = ",".join(_of_status(old, hosts))
    prompts["labels"] = awx.store.linked("jobs", old["id"], "labels")
    job = create(awx, template, prompts, json.loads(old["extra_vars"]), "relaunch")
    body = document(awx, "jobs", job)
    return answer({**body, "job": job["id"]}, 201, {"location": body["url"]})


async def relaunch_form(awx: Awx, request: Request) -> Response:
    job = awx.object("jobs", request.path_params["id"])
    counts = {name: len(_of_status(job, name)) for name in ("ok", "changed", "failed", "unreachable")}
    return answer({"passwords_needed_to_start": [], "retry_counts": {**counts, "all": sum(counts.values())}})


def _of_status(job: Json, status: str) -> list[str]:
    key = {"failed": "failures", "unreachable": "dark"}.get(status, status)
    return [name for name, counts in job.get("hosts", {}).items() if counts.get(key)]


def _prompted(template: Json, sent: Json) -> tuple[Json, Json]:
    """Fields that the template prompts for, and fields that are ignored because it does not."""
    accepted: Json = {}
    ignored: Json = {}
    for name, flag in PROMPTS.items():
        if name == "extra_vars" or name not in sent or sent[name] == template.get(name):
            continue
        if template[flag]:
            accepted[name] = sent[name]
        elif sent[name] not in ([], None):
            ignored[name] = sent[name]
    for name in LISTS:
        if not isinstance(accepted.get(name, []), list):
            raise Refusal(400, {name: [f'Expected a list of items but got type "{type(accepted[name]).__name__}".']})
    return accepted, ignored


def _variables(template: Json, sent: Json) -> tuple[Json, Json]:
    """The variables of the run, and those that nobody asked for. Raises Refusal 400."""
    given = parsed(sent.get("extra_vars"))
    answered, problems = answers_of(template, given)
    if problems:
        raise Refusal(400, {"variables_needed_to_start": problems})
    variables = {**parsed(template["extra_vars"]), **answered}
    if template[PROMPTS["extra_vars"]]:
        return {**variables, **given}, {}
    return variables, {name: value for name, value in given.items() if name not in answered}


def parsed(text: Any) -> Json:
    """Variables as an object, or as JSON or YAML text. Raises Refusal 400."""
    found = text
    if isinstance(text, str):
        try:
            found = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise Refusal(400, {"extra_vars": [f"Cannot parse as JSON or YAML (error: {error})."]}) from error
    if found in (None, ""):
        return {}
    if not isinstance(found, dict):
        raise Refusal(400, {"extra_vars": ["Variables must be a JSON or YAML mapping."]})
    return found


def _check_resources(awx: Awx, template: Json, accepted: Json) -> None:
    if awx.store.get("projects", template["project"] or 0) is None:
        raise Refusal(400, {"project": "A project is required to run a job."})
    number = accepted.get("inventory", template["inventory"])
    if number is None:
        raise Refusal(400, {"inventory": ["Job Template 'inventory' is missing or undefined."]})
    if not isinstance(number, int) or awx.store.get("inventories", number) is None:
        raise Refusal(400, {"inventory": [f'Invalid pk "{number}" - object does not exist.']})
    if accepted.get("credentials"):
        raise Refusal(400, {"credentials": [f'Invalid pk "{accepted["credentials"][0]}" - object does not exist.']})
    for label in accepted.get("labels", []):
        if not isinstance(label, int) or awx.store.get("labels", label) is None:
            raise Refusal(400, {"labels": [f'Invalid pk "{label}" - object does not exist.']})
