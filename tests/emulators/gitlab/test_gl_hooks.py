"""Project hooks: their settings, which events they get, the test button, their log, and how they are switched off."""

from datetime import UTC, datetime, timedelta
from typing import Any

import gitlab
import pytest

from local.emulators.gitlab.courier import after_failure

NOW = datetime(2025, 1, 1, tzinfo=UTC)


def fail(kit: Any, project: Any, hook: Any, times: int, begun: int = 0) -> None:
    """So many pushes to a receiver that is told to answer badly."""
    for number in range(begun, begun + times):
        kit.write(project, {f"file-{number}": ""})
        kit.log(hook, number + 1)


def read(project: Any, hook: Any) -> Any:
    return project.hooks.get(hook.id)


def test_a_hook_is_created_changed_listed_and_deleted(kit: Any) -> None:
    project = kit.project()
    hook, inbox = kit.hook(project, name="mine")
    hook.tag_push_events = True
    hook.save()

    assert [(h.url, h.name, h.push_events, h.tag_push_events) for h in project.hooks.list(get_all=True)] == [
        (inbox.url, "mine", True, True)
    ]
    hook.delete()
    assert project.hooks.list(get_all=True) == []
    with pytest.raises(gitlab.GitlabGetError):
        read(project, hook)


def test_secrets_of_a_hook_are_never_shown(kit: Any) -> None:
    project = kit.project()
    secrets = {"token": "s3cret", "signing_token": "whsec_c2VjcmV0", "custom_headers": [{"key": "K", "value": "V4lue"}]}
    hook, inbox = kit.hook(project, **secrets)
    kit.write(project, {"a": ""})
    inbox.wait()
    kit.log(hook, 1)
    shown = kit.api.get(f"/projects/{project.id}/hooks/{hook.id}").text
    events = kit.api.get(f"/projects/{project.id}/hooks/{hook.id}/events").json()

    assert not [secret for secret in ("s3cret", "c2VjcmV0", "V4lue") if secret in shown]
    assert events[0]["request_headers"]["X-Gitlab-Token"] == "[REDACTED]"


def test_a_bad_url_or_signing_token_is_a_422(kit: Any) -> None:
    url = f"/projects/{kit.project().id}/hooks"

    for given in ({"url": "ftp://x"}, {"url": "http://x", "signing_token": "s"}):
        assert kit.api.post(url, json=given).status_code == 422
    assert kit.api.post(url, json={"url": "http://x", "signing_token": "whsec_%"}).json() == {
        "message": {"signing_token": ["is invalid"]}
    }


def test_a_hook_hears_only_the_events_and_branches_it_asked_for(kit: Any) -> None:
    project = kit.project()
    _, pushes = kit.hook(project, push_events_branch_filter="release/*")
    _, tags = kit.hook(project, push_events=False, tag_push_events=True)
    copy = kit.pushed(project)
    copy.push("origin", "HEAD:refs/heads/release/1", "HEAD:refs/tags/v1")

    assert [body["ref"] for body in pushes.wait()] == ["refs/heads/release/1"]
    assert [body["ref"] for body in tags.wait()] == ["refs/tags/v1"]


def test_the_test_button_sends_the_newest_commits(kit: Any) -> None:
    project = kit.project()
    hook, inbox = kit.hook(project)
    with pytest.raises(gitlab.GitlabHookTestError, match="at least one commit"):
        hook.test("push_events")
    with kit.deliveries("lose"):
        commit = kit.write(project, {"a": ""}).id
    hook.test("push_events")

    assert [body["after"] for body in inbox.wait()] == [commit]
    inbox.answer(500)
    with pytest.raises(gitlab.GitlabHookTestError) as refused:
        hook.test("push_events")
    assert refused.value.response_code == 422


def test_events_are_listed_the_newest_first_and_by_status(kit: Any) -> None:
    project = kit.project()
    hook, inbox = kit.hook(project)
    for number, status in enumerate((202, 500, 404)):
        inbox.answer(status)
        fail(kit, project, hook, 1, number)
    url = f"/projects/{project.id}/hooks/{hook.id}/events"

    listed = kit.api.get(url).json()
    assert [event["response_status"] for event in listed] == ["404", "500", "202"]
    assert listed[0]["request_data"] == inbox.bodies[2]
    assert {"id", "url", "trigger", "request_headers", "execution_duration"} <= listed[0].keys()
    for wanted, found in (("successful", 1), ("client_failure", 1), ("server_failure", 1), ("404", 1), ("403", 0)):
        assert len(kit.api.get(url, params={"status": wanted}).json()) == found


def test_a_resent_event_keeps_its_idempotency_key(kit: Any) -> None:
    project = kit.project()
    hook, inbox = kit.hook(project)
    inbox.answer(500)
    fail(kit, project, hook, 1)
    inbox.answer(202)
    url = f"/projects/{project.id}/hooks/{hook.id}/events"
    again = kit.api.post(f"{url}/{kit.api.get(url).json()[0]['id']}/resend")

    assert (again.status_code, again.json()) == (201, {"response_status": 202})
    assert inbox.headers[0]["idempotency-key"] == inbox.headers[1]["idempotency-key"]
    assert inbox.bodies[0] == inbox.bodies[1]
    assert kit.api.post(f"{url}/99999/resend").status_code == 404


def test_the_fourth_failure_in_a_row_switches_a_hook_off_for_a_minute(kit: Any) -> None:
    project = kit.project()
    hook, inbox = kit.hook(project)
    inbox.answer(404)
    fail(kit, project, hook, 3)
    assert (read(project, hook).alert_status, read(project, hook).disabled_until) == ("executable", None)
    fail(kit, project, hook, 1, 3)
    resting = read(project, hook)

    pause = datetime.fromisoformat(resting.disabled_until) - datetime.now(UTC)
    assert (resting.alert_status, 50 < pause.total_seconds() <= 60) == ("temporarily_disabled", True)


def test_a_hook_that_rests_hears_nothing_and_not_later_either(kit: Any, eventually: Any) -> None:
    project = kit.project()
    hook, inbox = kit.hook(project)
    inbox.answer(500)
    with kit.variants(hook_pause_scale=0.02):
        fail(kit, project, hook, 4)
        inbox.answer(202)
        fail(kit, project, hook, 1, 4)
        assert kit.log(hook, 5)[4]["reason"] == "hook disabled"
        eventually(lambda: read(project, hook).alert_status == "executable")
        fail(kit, project, hook, 1, 5)

    assert [body["commits"][0]["added"] for body in inbox.bodies[4:]] == [["file-5"]]
    assert read(project, hook).alert_status == "executable"


def test_the_pause_doubles_up_to_a_day() -> None:
    pauses = []
    for failures in range(40):
        until = after_failure(failures, NOW).get("disabled_until")
        pauses.append(datetime.fromisoformat(until) - NOW if until else None)

    minutes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440]
    assert pauses[:3] == [None] * 3
    assert pauses[3:16] == [timedelta(minutes=number) for number in minutes]
    assert pauses[39] == timedelta(hours=24)


def test_at_the_fortieth_failure_a_hook_is_off_until_someone_changes_its_address(kit: Any) -> None:
    project = kit.project()
    hook, inbox = kit.hook(project)
    inbox.answer(500)
    with kit.variants(hook_pause_scale=0.0):
        fail(kit, project, hook, 39)
        assert read(project, hook).alert_status == "executable"
        fail(kit, project, hook, 1, 39)
        assert (read(project, hook).alert_status, read(project, hook).disabled_until) == ("disabled", None)
        inbox.answer(202)
        fail(kit, project, hook, 1, 40)
        assert len(inbox.raw) == 40
        project.hooks.update(hook.id, {"url": f"{inbox.url}/new"})
        fail(kit, project, hook, 1, 41)

    assert (read(project, hook).alert_status, kit.log(hook, 42)[41]["status"]) == ("executable", 202)


def test_one_success_resets_the_count(kit: Any) -> None:
    project = kit.project()
    hook, inbox = kit.hook(project)
    for number, status in enumerate((500, 404, 500, 200, 404, 500, 404)):
        inbox.answer(status)
        fail(kit, project, hook, 1, number)

    assert read(project, hook).alert_status == "executable"
    fail(kit, project, hook, 1, 7)
    assert read(project, hook).alert_status == "temporarily_disabled"


def test_a_successful_test_run_switches_a_hook_on_again(kit: Any) -> None:
    project = kit.project()
    hook, inbox = kit.hook(project)
    inbox.answer(500)
    fail(kit, project, hook, 4)
    inbox.answer(202)
    hook.test("push_events")

    assert read(project, hook).alert_status == "executable"


def test_in_older_versions_one_client_error_was_the_end(kit: Any) -> None:
    project = kit.project()
    hook, inbox = kit.hook(project)
    with kit.variants(client_errors_disable=True):
        inbox.answer(500)
        fail(kit, project, hook, 1)
        assert read(project, hook).alert_status == "executable"
        inbox.answer(401)
        fail(kit, project, hook, 1, 1)

    assert read(project, hook).alert_status == "disabled"
