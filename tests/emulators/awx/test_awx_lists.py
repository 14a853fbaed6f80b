"""Lists: pages, filters, orders, and what may not be searched."""

from typing import Any


def test_a_list_has_count_next_previous_and_results(kit: Any) -> None:
    jobs = [kit.launch()["id"] for _ in range(5)]

    first = kit.api.get("/jobs/", params={"page_size": 2, "order_by": "-id"}).json()
    assert (first["count"], first["previous"]) == (5, None)
    assert [job["id"] for job in first["results"]] == jobs[:2:-1]
    second = kit.plain.get(first["next"], headers=kit.api.headers).json()
    assert [job["id"] for job in second["results"]] == [jobs[2], jobs[1]]
    assert second["previous"].endswith("page=1")
    beyond = kit.api.get("/jobs/", params={"page": 9})
    assert (beyond.status_code, beyond.json()) == (404, {"detail": "Invalid page."})


def test_a_page_has_25_entries_and_never_more_than_200(kit: Any) -> None:
    for _ in range(201):
        kit.launch()

    assert len(kit.ids("/jobs/")) == 25
    assert len(kit.ids("/jobs/", page_size=1000)) == 200


def test_count_disabled_leaves_only_results(kit: Any) -> None:
    assert set(kit.api.get("/job_templates/", params={"count_disabled": 1}).json()) == {"results"}


def test_names_are_found_whole_or_in_part(kit: Any) -> None:
    def names(**query: str) -> list[str]:
        return [entry["name"] for entry in kit.api.get("/job_templates/", params=query).json()["results"]]

    assert names(name="deploy-api") == ["deploy-api"]
    assert names(name__icontains="DEPLOY") == ["deploy-api", "undeploy-api"]
    assert names(name__startswith="un") == ["undeploy-api"]
    assert names(name__in="sync-alias,deploy-api") == ["deploy-api", "sync-alias"]
    assert names(name__regex="^(sync|un)") == ["sync-alias", "undeploy-api"]
    assert names(not__name="deploy-api") == ["expose-admin-api", "sync-alias", "undeploy-api"]
    assert names(search="alias") == ["sync-alias"]


def test_alternatives_are_joined_by_or(kit: Any) -> None:
    query = {"or__name": ["deploy-api", "sync-alias"], "organization": 1}

    found = kit.api.get("/job_templates/", params=query).json()

    assert [entry["name"] for entry in found["results"]] == ["deploy-api", "sync-alias"]


def test_a_template_is_found_by_the_name_of_its_organization(kit: Any) -> None:
    assert len(kit.ids("/job_templates/", name="deploy-api", organization__name="STOA")) == 1
    assert kit.ids("/job_templates/", name="deploy-api", organization__name="Other") == []


def test_jobs_are_found_by_skip_tags(kit: Any) -> None:
    first, _, third = (kit.launch(skip_tags=tag)["id"] for tag in ("stoa-a", "stoa-b", "stoa-a"))

    assert kit.ids("/jobs/", skip_tags="stoa-a", order_by="id") == [first, third]
    assert kit.ids("/jobs/", skip_tags="stoa-") == []


def test_jobs_are_found_by_the_name_of_a_label(kit: Any) -> None:
    label = kit.api.post("/labels/", json={"name": "event-1", "organization": 1}).json()
    template = kit.prompting(ask_labels_on_launch=True)
    job = kit.launch(template, labels=[label["id"]])
    kit.launch(template)

    assert kit.ids("/jobs/", labels__name="event-1") == [job["id"]]
    assert [one["name"] for one in kit.api.get(f"/jobs/{job['id']}/labels/").json()["results"]] == ["event-1"]


def test_jobs_are_found_by_ids_and_by_status(kit: Any) -> None:
    jobs = [kit.launch()["id"] for _ in range(4)]
    kit.api.post(f"/jobs/{jobs[1]}/cancel/")

    assert kit.ids("/jobs/", id__in=f"{jobs[0]},{jobs[1]},4711") == jobs[:2]
    assert kit.ids("/jobs/", status="canceled") == [jobs[1]]
    assert kit.ids("/jobs/", id__gt=jobs[1], status__in="pending,running") == jobs[2:]
    assert kit.ids("/jobs/", finished__isnull="false") == [jobs[1]]
    assert kit.ids("/jobs/", failed="true") == [jobs[1]]
    assert kit.ids("/jobs/", job_template__name="deploy-api", id=jobs[0]) == [jobs[0]]


def test_an_unknown_field_or_a_bad_value_is_a_400(kit: Any) -> None:
    for query, text in (
        ({"nonsense": "1"}, "Job has no field named 'nonsense'"),
        ({"id": "one"}, "Field 'id' expected a number but got 'one'."),
        ({"organization": "one"}, "Invalid organization id: one"),
        ({"failed": "perhaps"}, 'Unable to convert "perhaps" to boolean'),
        ({"id__in": ""}, "cannot provide empty value for __in"),
        ({"name__organization": "x"}, "No related model for field organization."),
        ({"order_by": "nonsense"}, "Cannot resolve keyword 'nonsense' into field."),
        ({"name__regex": "("}, "missing ), unterminated subpattern"),
    ):
        answer = kit.api.get("/jobs/", params=query)
        assert (answer.status_code, answer.json()) == (400, {"detail": text})


def test_variables_cannot_be_searched(kit: Any) -> None:
    for query in ({"extra_vars": "x"}, {"extra_vars__icontains": "event_id"}, {"or__extra_vars": "x"}):
        answer = kit.api.get("/jobs/", params=query)
        assert (answer.status_code, answer.json()) == (403, {"detail": "Filtering on extra_vars is not allowed."})


def test_results_are_ordered_by_several_fields(kit: Any) -> None:
    one, two, three = (kit.launch(skip_tags=tag)["id"] for tag in ("a", "b", "a"))

    assert kit.ids("/jobs/", order_by="skip_tags,-id") == [three, one, two]


def test_a_named_url_leads_to_the_template(kit: Any) -> None:
    template = kit.api.get("/job_templates/deploy-api++STOA/").json()

    assert (template["name"], template["related"]["named_url"]) == (
        "deploy-api",
        "/api/v2/job_templates/deploy-api++STOA/",
    )
    assert kit.api.post("/job_templates/deploy-api++STOA/launch/", json={}).status_code == 201
    assert kit.api.get("/job_templates/deploy-api++Other/").status_code == 404


def test_a_list_of_jobs_leaves_out_whether_events_are_processed(kit: Any) -> None:
    job = kit.launch()

    listed = kit.api.get("/jobs/").json()["results"][0]
    assert "event_processing_finished" not in listed
    assert "artifacts" in listed
    assert kit.job(job["id"])["event_processing_finished"] is False
    kit.put("variants", short_lists=False)
    assert kit.api.get("/jobs/").json()["results"][0]["event_processing_finished"] is False


def test_options_describe_fields_for_command_lines(kit: Any) -> None:
    answer = kit.api.options("/job_templates/")

    body = answer.json()
    assert {"name", "description", "renders", "parses", "types", "search_fields", "object_roles"} <= set(body)
    assert body["actions"]["GET"]["name"] == {"type": "string", "label": "Name", "filterable": True}
    assert body["actions"]["POST"]["name"]["required"] is True
    assert "DELETE" in kit.api.options("/job_templates/1/").headers["allow"]
    assert kit.api.options("/job_templates/1/launch/").json()["actions"]["POST"]["extra_vars"]["type"] == "json"
    assert "POST" not in kit.api.options("/jobs/").json()["actions"]
