"""Stored objects as the API shows them: `type`, `url`, `related` and `summary_fields` added, secrets masked."""

from typing import Any

from local.emulators.awx.answers import Json
from local.emulators.awx.awx import Awx
from local.emulators.awx.fields import KINDS, PROMPTS

ENCRYPTED = "$encrypted$"
HIDDEN = "************"
FINAL = ("successful", "failed", "error", "canceled")
EVENT_CUT = 1024
NOT_IN_LISTS = ("result_traceback", "event_processing_finished", "job_args", "job_cwd", "job_env")
PATHS = {"inventories": "inventory", "job_events": "job_events"}
RELATED = {
    "job_templates": {
        **{name: name for name in ("launch", "jobs", "labels", "survey_spec", "webhook_key", "named_url")},
        **{f"notification_templates_{when}": "" for when in ("started", "success", "error")},
    },
    "jobs": {
        name: name
        for name in ("stdout", "job_events", "job_host_summaries", "cancel", "relaunch", "notifications", "labels")
    },
    "notification_templates": {"test": "test", "notifications": "notifications"},
}
PRIVATE = frozenset({"webhook_key", "survey_spec", "token_hash", "hosts"})


def url_of(table: str, object_id: int) -> str:
    return f"/api/v2/{PATHS.get(table, table)}/{object_id}/"


def document(awx: Awx, table: str, found: Json, in_list: bool = False) -> Json:
    kind = KINDS[table]
    url = url_of(table, found["id"])
    body = {
        "id": found["id"],
        "type": kind.type,
        "url": url,
        "related": _related(awx, table, found, url),
        "summary_fields": _summaries(awx, table, found),
        **{name: value for name, value in found.items() if name not in PRIVATE and name != "id"},
    }
    if table == "notification_templates":
        body["notification_configuration"] = _masked(found["notification_configuration"])
    if table == "tokens":
        body["token"] = HIDDEN
    if table == "jobs" and in_list and awx.variants.short_lists:
        body = {name: value for name, value in body.items() if name not in NOT_IN_LISTS}
    if table == "job_events" and in_list and len(body["stdout"]) > EVENT_CUT:
        body["stdout"] = body["stdout"][: EVENT_CUT - 1] + "\u2026"
    return body


def _related(awx: Awx, table: str, found: Json, url: str) -> dict[str, str]:
    related = {name: f"{url}{name}/" for name in RELATED.get(table, {}) if name != "named_url"}
    for name, target in KINDS[table].targets:
        if found.get(name) is not None:
            related[name] = url_of(target, found[name])
    if table == "job_templates":
        organization = awx.store.get("organizations", found["organization"] or 0)
        related["named_url"] = f"/api/v2/job_templates/{found['name']}++{organization['name'] if organization else ''}/"
    if table == "jobs":
        related["launch"] = f"{url_of('job_templates', found['job_template'])}launch/"
    if found.get("created_by"):
        related["created_by"] = url_of("users", 1)
    return related


def _summaries(awx: Awx, table: str, found: Json) -> Json:
    summary: Json = {}
    for name, target in KINDS[table].targets:
        other = awx.store.get(target, found[name]) if found.get(name) is not None else None
        if other is not None and "name" in other:
            summary[name] = {key: other.get(key, "") for key in ("id", "name", "description")}
    for name, target in KINDS[table].many:
        others = [awx.store.get(target, number) for number in awx.store.linked(table, found["id"], name)]
        results = [{"id": other["id"], "name": other["name"]} for other in others if other]
        summary[name] = {"count": len(results), "results": results}
    if found.get("created_by"):
        summary["created_by"] = {"id": 1, "username": awx.config.user, "first_name": "", "last_name": ""}
    if table in ("job_templates", "jobs"):
        summary["user_capabilities"] = {"edit": True, "delete": True, "start": True, "schedule": True, "copy": True}
    return summary


def _masked(configuration: Json) -> Json:
    return {**configuration, **({"password": ENCRYPTED} if configuration.get("password") else {})}


def launch_form(awx: Awx, template: Json) -> Json:
    """What GET on `launch/` reports."""
    needed = missing_variables(template)
    defaults: dict[str, Any] = {name: template.get(name) for name in PROMPTS if name in template}
    inventory = awx.store.get("inventories", template["inventory"] or 0)
    defaults["inventory"] = {"id": inventory["id"], "name": inventory["name"]} if inventory else {"id": None}
    defaults["credentials"] = []
    defaults["labels"] = [{"id": number} for number in awx.store.linked("job_templates", template["id"], "labels")]
    return {
        "can_start_without_user_input": not needed and not any(template[flag] for flag in PROMPTS.values()),
        "passwords_needed_to_start": [],
        **{flag: template[flag] for flag in PROMPTS.values()},
        "survey_enabled": template["survey_enabled"],
        "variables_needed_to_start": needed,
        "credential_needed_to_start": False,
        "inventory_needed_to_start": template["inventory"] is None,
        "job_template_data": {key: template[key] for key in ("name", "id", "description")},
        "defaults": defaults,
    }


def missing_variables(template: Json) -> list[str]:
    """Names of the required survey variables."""
    questions = (template.get("survey_spec") or {}).get("spec", []) if template["survey_enabled"] else []
    return [question["variable"] for question in questions if question.get("required")]
