"""One push: people are told, Argo CD is synced, search finds it, the archive keeps it, the trace shows it all."""

import json
from typing import Any

import pytest
import requests
from typer.testing import CliRunner

from local.chaos.around import memory, people, rollouts
from local.chaos.projections import people_told, rolled_out
from local.cli.main import app
from local.stack import Options

OPTIONS = Options(executor="direct", slots=4, api_workers=2, time_scale=20, activation_ms=5, import_ms=5)
AROUND = {"argocd_sync", "notify"}


@pytest.fixture(scope="module")
def lab(labs: Any) -> Any:
    return labs.of(OPTIONS)


def of(lab: Any, path: str, **parameters: str) -> dict[str, Any]:
    answer = requests.get(f"{lab.stack.url('api')}{path}", params=parameters, auth=lab.stack.admin, timeout=60)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def told(lab: Any, word: str) -> set[str]:
    """The kinds of messages that hold it."""
    messages = requests.get(f"{lab.stack.url('people')}/_emulator/messages", timeout=60).json()["messages"]
    return {message["kind"] for message in messages if word in json.dumps(message)}


def test_everyone_who_must_know_knows(lab: Any) -> None:
    lab.write("orders")
    commit = lab.workspace.push("Add orders")
    assert [row["state"] for row in lab.done(commit)] == ["succeeded"]
    trace_id = lab.push_row(commit)["trace_id"]
    lab.until(lambda: told(lab, trace_id) == {"slack", "mail"}, "Slack and a mailbox to have it")

    def shown() -> bool:
        steps = {s["name"]: s["status"] for s in lab.control_plane.trace(trace_id)["timeline"]}
        return AROUND <= steps.keys() and {steps[name] for name in AROUND} == {"success"}

    lab.until(shown, "the trace to show that people were told and that Argo CD is done")
    for word in (commit[:8], "orders", trace_id, lab.push_row(commit)["pusher"]):
        lab.until(lambda word=word: trace_id in traces(lab, "/v1/traces/search", q=word), f"search to find {word}")
    assert traces(lab, "/v1/traces", commit=commit, api="orders") == {trace_id}


def traces(lab: Any, path: str, **parameters: str) -> set[str]:
    return {trace["trace_id"] for trace in of(lab, path, **parameters)["items"]}


def all_of_it_once(lab: Any) -> bool:
    now = memory(lab.stack)
    whole = {at: tuple(range(first, end)) for at, (first, end) in now.ends.items() if end > first}
    return dict(now.archived) == whole and sorted(now.found) == sorted(now.events) and len(now.events) > 5


def stoa(lab: Any, *arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--home", str(lab.stack.home.folder)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_archive_holds_every_offset_once_and_search_every_event_once(lab: Any) -> None:
    lab.write("payments")
    lab.done(lab.workspace.push("Add payments"))
    lab.write("payments", "/again")
    lab.done(lab.workspace.push("Change payments"))
    lab.workspace.remove_api("payments")
    lab.done(lab.workspace.push("Remove payments"))
    lab.until(lambda: all_of_it_once(lab), "the archive and search to hold all of it, once")


def nothing_amiss_around(lab: Any) -> bool:
    """By the rules of the chaos checker."""
    found, synced = people(lab.stack), rollouts(lab.stack)
    assert len(found.channels) == 2
    assert found.notices
    assert synced.newest
    return not [*people_told(found, ()), *rolled_out(synced)]


def test_people_are_told_once_and_argo_cd_is_asked_for_the_newest(lab: Any) -> None:
    lab.until(lambda: nothing_amiss_around(lab), "messages and syncs to be as they should")


def test_what_the_log_says_is_what_the_platform_shows_and_search_can_be_made_anew_of_it(lab: Any) -> None:
    said = json.loads(stoa(lab, "replay", "--json"))
    assert {(one["table"], one["equal"]) for one in said["projections"]} >= {
        ("deployments", True),
        ("api_status", True),
    }
    lab.stack.emulators["opensearch"].kill()
    lab.stack.start_emulator("opensearch")
    assert json.loads(stoa(lab, "replay", "--consumer", "events_to_search", "--json"))["refused"] == []
    lab.until(lambda: all_of_it_once(lab), "the index to hold all of it again")
