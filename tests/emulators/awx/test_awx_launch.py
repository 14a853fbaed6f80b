"""Launching: what is reported, what is let through, ignored or missing; launching again; templates."""

import json
from typing import Any

from local.emulators.awx.store import Store

QUESTION = {"variable": "size", "question_name": "Size", "type": "integer", "required": True, "min": 2, "max": 9}
SURVEY = {
    "name": "",
    "description": "",
    "spec": [
        QUESTION,
        {"variable": "colour", "type": "multiplechoice", "choices": ["red", "blue"], "default": "red"},
        {"variable": "word", "type": "text", "min": 3, "max": 5},
    ],
}


def test_a_launch_is_a_201_with_the_whole_job(kit: Any) -> None:
    answer = kit.api.post("/job_templates/1/launch/", json={"extra_vars": {"api_name": "x"}, "skip_tags": "stoa-1"})

    job = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/api/v2/jobs/{job['id']}/")
    assert (job["job"], job["ignored_fields"], job["type"]) == (job["id"], {}, "job")
    assert (job["url"], job["status"], job["skip_tags"]) == (f"/api/v2/jobs/{job['id']}/", "pending", "stoa-1")
    assert {"stdout", "job_events", "cancel", "relaunch", "notifications", "launch"} <= set(job["related"])
    shown = kit.job(job["id"])
    assert shown == {name: value for name, value in job.items() if name not in ("job", "ignored_fields")}


def test_a_job_has_all_the_fields_that_clients_read(kit: Any) -> None:
    job = kit.job(kit.launch()["id"])

    assert {
        *("status", "failed", "started", "finished", "canceled_on", "elapsed", "job_explanation", "result_traceback"),
        *("launch_type", "extra_vars", "artifacts", "event_processing_finished", "host_status_counts", "scm_revision"),
        *("execution_node", "controller_node", "launched_by", "work_unit_id", "allow_simultaneous", "webhook_guid"),
        *("id", "type", "url", "related", "summary_fields", "created", "modified", "name", "skip_tags", "limit"),
    } <= set(job)


def test_variables_are_an_object_or_text_and_come_back_as_a_json_string(kit: Any) -> None:
    for given in ({"word": "a", "n": 1}, '{"word": "a", "n": 1}', "word: a\nn: 1"):
        assert json.loads(kit.launch(extra_vars=given)["extra_vars"]) == {"word": "a", "n": 1}
    for bad in ("[1, 2]", "a: b: c", 7):
        answer = kit.api.post("/job_templates/1/launch/", json={"extra_vars": bad})
        assert (answer.status_code, list(answer.json())) == (400, ["extra_vars"])


def test_variables_of_the_template_are_kept_below_those_of_the_launch(kit: Any) -> None:
    template = kit.prompting(extra_vars="a: 1\nb: 1")

    assert json.loads(kit.launch(template, extra_vars={"b": 2})["extra_vars"]) == {"a": 1, "b": 2}


def test_what_is_not_prompted_for_is_ignored_and_the_job_starts(kit: Any) -> None:
    template = kit.template()

    job = kit.launch(template, extra_vars={"a": 1}, skip_tags="stoa-1", limit="x", inventory=7)

    assert job["ignored_fields"] == {"extra_vars": {"a": 1}, "skip_tags": "stoa-1", "limit": "x", "inventory": 7}
    assert (job["extra_vars"], job["skip_tags"], job["limit"], job["inventory"]) == ("{}", "", "", 1)
    assert kit.job(job["id"])["status"] == "pending"


def test_a_value_equal_to_the_templates_and_an_unknown_field_are_not_reported(kit: Any) -> None:
    template = kit.template(limit="all")

    assert kit.launch(template, limit="all", nonsense=1)["ignored_fields"] == {}


def test_the_launch_form_reports_prompts_and_needs(kit: Any) -> None:
    form = kit.api.get("/job_templates/1/launch/").json()

    assert (form["ask_variables_on_launch"], form["ask_skip_tags_on_launch"], form["ask_limit_on_launch"]) == (
        True,
        True,
        False,
    )
    assert (form["variables_needed_to_start"], form["passwords_needed_to_start"]) == ([], [])
    assert (form["survey_enabled"], form["can_start_without_user_input"]) == (False, False)
    assert form["job_template_data"] == {"name": "deploy-api", "id": 1, "description": ""}
    assert form["defaults"]["inventory"] == {"id": 1, "name": "localhost"}
    plain = kit.api.get(f"/job_templates/{kit.template()['id']}/launch/").json()
    assert plain["can_start_without_user_input"] is True


def test_a_survey_without_its_variables_is_a_400(kit: Any) -> None:
    template = kit.template(survey_enabled=True)
    assert kit.api.post(f"/job_templates/{template['id']}/survey_spec/", json=SURVEY).status_code == 200
    path = f"/job_templates/{template['id']}/launch/"

    assert kit.api.get(path).json()["variables_needed_to_start"] == ["size"]
    answer = kit.api.post(path, json={})
    assert (answer.status_code, answer.json()) == (400, {"variables_needed_to_start": ["'size' value missing"]})
    assert kit.ids("/jobs/") == []


def test_a_survey_checks_its_answers_fills_defaults_and_ignores_the_rest(kit: Any) -> None:
    template = kit.template(survey_enabled=True)
    kit.api.post(f"/job_templates/{template['id']}/survey_spec/", json=SURVEY)

    for given, word in (
        ({"size": "3"}, "numeric"),
        ({"size": 1}, "too small"),
        ({"size": 3, "word": "abcdef"}, "too large"),
        ({"size": 3, "word": 5}, "string"),
        ({"size": 3, "colour": "pink"}, "one of"),
    ):
        answer = kit.api.post(f"/job_templates/{template['id']}/launch/", json={"extra_vars": given})
        assert answer.status_code == 400
        assert word in answer.json()["variables_needed_to_start"][0]
    job = kit.launch(template, extra_vars={"size": 3, "other": 1})
    assert json.loads(job["extra_vars"]) == {"size": 3, "colour": "red"}
    assert job["ignored_fields"] == {"extra_vars": {"other": 1}}


def test_a_survey_needs_name_description_and_questions(kit: Any) -> None:
    path = f"/job_templates/{kit.template()['id']}/survey_spec/"

    assert kit.api.post(path, json={"name": "", "spec": []}).status_code == 400
    assert kit.api.post(path, json={"name": "", "description": "", "spec": []}).status_code == 400
    assert kit.api.post(path, json=SURVEY).status_code == 200
    assert kit.api.get(path).json()["spec"][0]["variable"] == "size"
    assert kit.api.delete(path).status_code == 200
    assert kit.api.get(path).json() == {}


def test_without_project_or_inventory_or_with_unknown_ones_a_launch_is_a_400(kit: Any) -> None:
    asking = kit.prompting(ask_inventory_on_launch=True, ask_labels_on_launch=True, ask_credential_on_launch=True)
    for template, body, key in (
        (kit.template(project=None), {}, "project"),
        (kit.template(inventory=None), {}, "inventory"),
        (asking, {"inventory": 99}, "inventory"),
        (asking, {"labels": [99]}, "labels"),
        (asking, {"labels": "x"}, "labels"),
        (asking, {"credentials": [99]}, "credentials"),
    ):
        answer = kit.api.post(f"/job_templates/{template['id']}/launch/", json=body)
        assert (answer.status_code, list(answer.json())) == (400, [key])


def test_two_launches_with_the_same_tag_are_two_jobs(kit: Any) -> None:
    assert kit.launch(skip_tags="stoa-1")["id"] != kit.launch(skip_tags="stoa-1")["id"]
    told = kit.plain.get("/_emulator/launches").json()
    assert told["by_skip_tags"] == {"stoa-1": 2}


def test_the_emulator_lists_its_launches_in_order(kit: Any) -> None:
    first = kit.launch(extra_vars={"n": 1}, skip_tags="stoa-1")["id"]
    second = kit.launch(3)["id"]

    listed = kit.plain.get("/_emulator/launches").json()["launches"]

    assert listed == [
        {"job": first, "template": "deploy-api", "skip_tags": "stoa-1", "extra_vars": {"n": 1}, "status": "pending"},
        {"job": second, "template": "sync-alias", "skip_tags": "", "extra_vars": {}, "status": "pending"},
    ]


def test_a_relaunch_is_a_201_with_the_old_variables(kit: Any) -> None:
    old = kit.launch(extra_vars={"event_id": "e1"}, skip_tags="stoa-1")

    answer = kit.api.post(f"/jobs/{old['id']}/relaunch/", json={})

    new = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/api/v2/jobs/{new['id']}/")
    assert (new["job"], new["launch_type"]) == (new["id"], "relaunch")
    assert new["id"] != old["id"]
    assert (json.loads(new["extra_vars"]), new["skip_tags"]) == ({"event_id": "e1"}, "stoa-1")
    assert kit.api.get(f"/jobs/{old['id']}/relaunch/").json()["passwords_needed_to_start"] == []


def test_a_relaunch_by_hosts_needs_a_known_word_and_a_finished_job(kit: Any) -> None:
    path = f"/jobs/{kit.launch()['id']}/relaunch/"

    assert kit.api.post(path, json={"hosts": "some"}).json() == {"hosts": ['"some" is not a valid choice.']}
    assert kit.api.post(path, json={"hosts": "failed"}).status_code == 400


def test_the_templates_of_the_platform_prompt_for_variables_and_tags(kit: Any) -> None:
    for name in ("deploy-api", "undeploy-api", "sync-alias"):
        template = kit.api.get(f"/job_templates/{name}++STOA/").json()
        assert (template["ask_variables_on_launch"], template["ask_skip_tags_on_launch"]) == (True, True)
        assert (template["allow_simultaneous"], template["playbook"]) == (True, f"{name}.yaml")


def test_templates_are_created_changed_and_deleted(kit: Any) -> None:
    template = kit.template()

    assert (template["allow_simultaneous"], template["ask_variables_on_launch"]) == (False, False)
    assert template["summary_fields"]["organization"]["name"] == "STOA"
    changed = kit.api.patch(f"/job_templates/{template['id']}/", json={"allow_simultaneous": True})
    assert changed.json()["allow_simultaneous"] is True
    assert kit.ids(f"/job_templates/{template['id']}/jobs/", id=kit.launch(template)["id"]) != []
    assert kit.api.delete(f"/job_templates/{template['id']}/").status_code == 204
    assert kit.api.get(f"/job_templates/{template['id']}/").status_code == 404


def test_a_bad_template_is_a_400_by_field(kit: Any) -> None:
    good = {"name": kit.name(), "project": 1, "inventory": 1, "playbook": "ok.yaml"}
    for change, key in (
        ({"name": ""}, "name"),
        ({"project": 99}, "project"),
        ({"playbook": "nobody.yaml"}, "playbook"),
        ({"allow_simultaneous": "maybe"}, "allow_simultaneous"),
        ({"forks": "many"}, "forks"),
        ({"webhook_service": "other"}, "webhook_service"),
        ({"name": "deploy-api"}, "__all__"),
    ):
        answer = kit.api.post("/job_templates/", json={**good, **change})
        assert (answer.status_code, list(answer.json())) == (400, [key])
    assert kit.api.post("/job_templates/", json={}).json() == {"name": ["This field is required."]}


def test_a_launch_and_a_look_up_read_no_more_with_ten_thousand_jobs(kit: Any, kit_store: Store) -> None:
    body = json.dumps({"skip_tags": "old", "extra_vars": "{}", "status": "successful", "job_template": 1, "name": "x"})
    kit_store.database.executemany("INSERT INTO jobs (body) VALUES (?)", [(body,)] * 10_000)
    kit_store.commit()
    thousands_of_steps: list[None] = []
    kit_store.database.set_progress_handler(lambda: thousands_of_steps.append(None), 1_000)  # of SQLite's machine

    kit.launch(extra_vars={"event_id": "1"}, skip_tags="stoa-1")
    found = kit.api.get("/jobs/", params={"skip_tags": "stoa-1", "order_by": "id"})

    assert found.json()["count"] == 1
    assert len(thousands_of_steps) < 5
