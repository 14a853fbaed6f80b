"""What a new AWX of this platform holds: organization, project, inventory, templates, and the notification."""

import json
import uuid

from local.emulators.awx.awx import Awx
from local.emulators.awx.settings import Config
from local.emulators.awx.templates import complete
from local.home import ROOT

TEMPLATES = ("deploy-api", "undeploy-api", "sync-alias")
EXPOSE = "expose-admin-api"
# as `POST /api/v2/job_templates/N/survey_spec/` of a real AWX takes it
SURVEY = ROOT / "playbooks" / "surveys" / f"{EXPOSE}.json"


def seed(awx: Awx) -> None:
    """Only what is not there yet; the notification's address and token are those of this start. A job that a person
    launches is notified of nowhere: it is no deployment."""
    if awx.store.setting("install_uuid") is None:
        awx.store.set_setting("install_uuid", str(uuid.uuid4()))
        awx.add("organizations", name="STOA", description="")
        awx.add("projects", name="playbooks", description="", organization=1, status="successful", scm_type="")
        awx.add("inventories", name="localhost", description="", organization=1, kind="", total_hosts=1)
        awx.add("users", username=awx.config.user, email="", first_name="", last_name="", is_superuser=True)
        for name in TEMPLATES:
            _template(awx, name)
    if awx.config.notification_url:
        _notification(awx)
    if next(awx.store.where("job_templates", name=EXPOSE), None) is None:
        _exposing(awx)
    awx.store.commit()


def _exposing(awx: Awx) -> None:
    """Launched by people: its survey is all that it asks for, and one runs at a time."""
    fields = {
        "name": EXPOSE,
        "project": 1,
        "inventory": 1,
        "playbook": f"{EXPOSE}.yaml",
        "extra_vars": json.dumps({"schema_version": 1, "action": EXPOSE}),
        "survey_enabled": True,
    }
    made = awx.add("job_templates", **complete(awx, "job_templates", fields))
    awx.store.change("job_templates", made["id"], survey_spec=json.loads(SURVEY.read_text()))


def _template(awx: Awx, name: str) -> None:
    fields = {
        "name": name,
        "project": 1,
        "inventory": 1,
        "playbook": f"{name}.yaml",
        "ask_variables_on_launch": True,
        "ask_skip_tags_on_launch": True,
        "allow_simultaneous": True,
    }
    awx.add("job_templates", **complete(awx, "job_templates", fields))


def _notification(awx: Awx) -> None:
    configuration = _configuration(awx.config)
    known = next(awx.store.where("notification_templates", name="stoa"), None)
    if known is not None:
        awx.store.change("notification_templates", known["id"], notification_configuration=configuration)
        return
    fields = {"name": "stoa", "organization": 1, "notification_type": "webhook"}
    made = awx.add(
        "notification_templates",
        **complete(awx, "notification_templates", {**fields, "notification_configuration": configuration}),
    )
    for template in list(awx.store.where("job_templates")):
        for when in ("success", "error"):
            awx.store.link("job_templates", template["id"], f"notification_templates_{when}", made["id"])


def _configuration(config: Config) -> dict[str, object]:
    headers = {"X-Stoa-Token": config.notification_token} if config.notification_token else {}
    return {"url": config.notification_url, "http_method": "POST", "headers": headers, "username": "", "password": ""}
