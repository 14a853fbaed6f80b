"""The fields of each kind of object: what may be filtered, what OPTIONS tells, what a new template starts with."""

from dataclasses import dataclass
from typing import Any

COMMON = {"id": "integer", "type": "string", "created": "datetime", "modified": "datetime", "name": "string"}
NAMED = {**COMMON, "description": "string"}
RUN = {
    "job_type": "string",
    "inventory": "id",
    "project": "id",
    "playbook": "string",
    "scm_branch": "string",
    "forks": "integer",
    "limit": "string",
    "verbosity": "integer",
    "extra_vars": "json",
    "job_tags": "string",
    "force_handlers": "boolean",
    "skip_tags": "string",
    "start_at_task": "string",
    "timeout": "integer",
    "use_fact_cache": "boolean",
    "organization": "id",
    "execution_environment": "id",
    "allow_simultaneous": "boolean",
    "diff_mode": "boolean",
    "job_slice_count": "integer",
    "webhook_service": "string",
    "webhook_credential": "id",
}
# field of a launch -> the template's flag that lets it through
PROMPTS = {
    "extra_vars": "ask_variables_on_launch",
    "limit": "ask_limit_on_launch",
    "inventory": "ask_inventory_on_launch",
    "credentials": "ask_credential_on_launch",
    "job_tags": "ask_tags_on_launch",
    "skip_tags": "ask_skip_tags_on_launch",
    "job_type": "ask_job_type_on_launch",
    "scm_branch": "ask_scm_branch_on_launch",
    "verbosity": "ask_verbosity_on_launch",
    "diff_mode": "ask_diff_mode_on_launch",
    "labels": "ask_labels_on_launch",
    "timeout": "ask_timeout_on_launch",
    "forks": "ask_forks_on_launch",
    "execution_environment": "ask_execution_environment_on_launch",
    "instance_groups": "ask_instance_groups_on_launch",
    "job_slice_count": "ask_job_slice_count_on_launch",
}
TEMPLATE_DEFAULTS: dict[str, Any] = {
    "description": "",
    "job_type": "run",
    "inventory": None,
    "project": None,
    "playbook": "",
    "scm_branch": "",
    "forks": 0,
    "limit": "",
    "verbosity": 0,
    "extra_vars": "",
    "job_tags": "",
    "force_handlers": False,
    "skip_tags": "",
    "start_at_task": "",
    "timeout": 0,
    "use_fact_cache": False,
    "execution_environment": None,
    "allow_simultaneous": False,
    "diff_mode": False,
    "job_slice_count": 1,
    "webhook_service": "",
    "webhook_credential": None,
    "survey_enabled": False,
    "become_enabled": False,
    "host_config_key": "",
    **dict.fromkeys(PROMPTS.values(), False),
}


@dataclass(frozen=True)
class Kind:
    """One resource; `targets` are its fields that point at another one, `many` its lists of others."""

    table: str
    type: str
    model: str
    fields: dict[str, str]
    order: str = "id"
    targets: tuple[tuple[str, str], ...] = ()
    many: tuple[tuple[str, str], ...] = ()
    hidden: frozenset[str] = frozenset()
    writable: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


ORGANIZATION = (("organization", "organizations"),)
OF_RUN = (*ORGANIZATION, ("project", "projects"), ("inventory", "inventories"))
JOB_FIELDS = {
    **NAMED,
    **RUN,
    "job_template": "id",
    "unified_job_template": "id",
    "launch_type": "string",
    "status": "string",
    "failed": "boolean",
    "started": "datetime",
    "finished": "datetime",
    "canceled_on": "datetime",
    "elapsed": "float",
    "job_explanation": "string",
    "execution_node": "string",
    "controller_node": "string",
    "scm_revision": "string",
    "webhook_guid": "string",
    "work_unit_id": "string",
    "artifacts": "json",
}
EVENT_FIELDS = {
    **{name: kind for name, kind in COMMON.items() if name != "name"},
    "job": "id",
    "event": "string",
    "counter": "integer",
    "failed": "boolean",
    "changed": "boolean",
    "uuid": "string",
    "parent_uuid": "string",
    "host_name": "string",
    "play": "string",
    "task": "string",
    "role": "string",
    "stdout": "string",
    "start_line": "integer",
    "end_line": "integer",
    "verbosity": "integer",
}
TEMPLATE_FIELDS = {
    **NAMED,
    **RUN,
    **dict.fromkeys(PROMPTS.values(), "boolean"),
    "survey_enabled": "boolean",
    "become_enabled": "boolean",
    "status": "string",
    "last_job_run": "datetime",
    "last_job_failed": "boolean",
}
NOTIFICATION_FIELDS = {
    **NAMED,
    "organization": "id",
    "notification_type": "string",
    "notification_configuration": "json",
    "messages": "json",
}
SENT_FIELDS = {
    **{name: kind for name, kind in COMMON.items() if name != "name"},
    "notification_template": "id",
    "status": "string",
    "error": "string",
    "notifications_sent": "integer",
    "notification_type": "string",
    "job": "id",
}
LABELS = (("labels", "labels"),)
KINDS = {
    kind.table: kind
    for kind in (
        Kind("organizations", "organization", "Organization", NAMED, "name"),
        Kind("projects", "project", "Project", {**NAMED, "organization": "id"}, "name", ORGANIZATION),
        Kind("inventories", "inventory", "Inventory", {**NAMED, "organization": "id"}, "name", ORGANIZATION),
        Kind(
            "job_templates",
            "job_template",
            "JobTemplate",
            TEMPLATE_FIELDS,
            "name",
            OF_RUN,
            LABELS,
            frozenset({"extra_vars"}),
            ("name", *TEMPLATE_DEFAULTS),
            ("name",),
        ),
        Kind(
            "jobs",
            "job",
            "Job",
            JOB_FIELDS,
            "id",
            (*OF_RUN, ("job_template", "job_templates")),
            LABELS,
            frozenset({"extra_vars", "artifacts"}),
        ),
        Kind("job_events", "job_event", "JobEvent", EVENT_FIELDS, "id", (("job", "jobs"),)),
        Kind(
            "labels",
            "label",
            "Label",
            {**COMMON, "organization": "id"},
            "name",
            ORGANIZATION,
            writable=("name", "organization"),
            required=("name", "organization"),
        ),
        Kind(
            "notification_templates",
            "notification_template",
            "NotificationTemplate",
            NOTIFICATION_FIELDS,
            "name",
            ORGANIZATION,
            hidden=frozenset({"notification_configuration", "messages"}),
            writable=("name", "description", "organization", "notification_type", "notification_configuration"),
            required=("name", "organization", "notification_type"),
        ),
        Kind("notifications", "notification", "Notification", SENT_FIELDS, "id"),
        Kind(
            "tokens",
            "o_auth2_access_token",
            "OAuth2AccessToken",
            {**NAMED, "scope": "string", "user": "id"},
            writable=("description", "scope"),
        ),
        Kind("users", "user", "User", {**COMMON, "username": "string", "email": "string"}, "username"),
    )
}
