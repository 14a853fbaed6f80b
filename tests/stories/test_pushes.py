"""What git and GitLab do to a branch: made, rewound, rewritten; deliveries late, backwards, lost; slips of the pen."""

import re
import subprocess
import uuid
from typing import Any

import gitlab
import psycopg
import pytest
import requests

from local.seed import PROJECT
from local.workspace import api_folder


@pytest.fixture(scope="module", autouse=True)
def project(lab: Any) -> Any:
    """The demo's, whose branch may be rewritten."""
    made = gitlab.Gitlab(lab.stack.url("gitlab"), private_token=lab.stack.home.secret("gitlab_token"))
    project = made.projects.get(lab.project_id)
    assert project.path == PROJECT
    project.protectedbranches.delete("main")
    project.protectedbranches.create({"name": "main", "allow_force_push": True})
    return project


@pytest.fixture
def deliveries(lab: Any) -> Any:
    def told(mode: str) -> None:
        control(lab, "PUT", "deliveries", mode=mode)

    yield told
    told("normal")


def control(lab: Any, method: str, what: str, **said: object) -> Any:
    answer = requests.request(method, f"{lab.stack.url('gitlab')}/_emulator/{what}", json=said or None, timeout=60)
    answer.raise_for_status()
    return answer.json()


def fresh() -> str:
    return f"api-{uuid.uuid4().hex[:8]}"


def git(lab: Any, *arguments: str) -> str:
    command = ["git", "-C", str(lab.workspace.folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def force(lab: Any, commit: str) -> None:
    git(lab, "reset", "--quiet", "--hard", commit)
    git(lab, "push", "--quiet", "--force", "origin", "main")


def added(lab: Any, api: str, *paths: str) -> str:
    lab.write(api, *paths)
    return str(lab.workspace.push(f"{api} has {paths}"))


def serves(lab: Any, api: str, commit: str) -> dict[str, Any]:
    """The newest deployment, when it has succeeded and is of this commit."""

    def newest() -> Any:
        rows = lab.rows("SELECT * FROM deployments WHERE api = %s ORDER BY generation DESC LIMIT 1", api)
        found = [r for r in rows if (r["commit_sha"], r["state"]) == (commit, "succeeded")]
        return found[0] if found else None

    found: dict[str, Any] = lab.until(newest, f"{api} at {commit[:8]}")
    return found


def settled(lab: Any) -> None:
    lab.until(lambda: not lab.rows("SELECT 1 FROM pushes WHERE state = 'accepted'"), "all pushes to be processed")


def codes(lab: Any, commit: str) -> list[str]:
    rows = lab.rows("SELECT outcome FROM pushes WHERE after_sha = %s", commit)
    return [said["code"] for row in rows for said in row["outcome"] if "code" in said]


def test_a_rewind_deploys_the_old_commit_again(lab: Any) -> None:
    api = fresh()
    old = added(lab, api, "/old")
    serves(lab, api, old)
    serves(lab, api, added(lab, api, "/new"))
    force(lab, old)
    assert serves(lab, api, old)["generation"] == 3
    assert lab.call(api, "/old", key=lab.key(api)).status_code == 200


def test_a_rewind_takes_off_what_came_after(lab: Any) -> None:
    api, base = fresh(), git(lab, "rev-parse", "HEAD")
    serves(lab, api, added(lab, api))
    force(lab, base)
    assert serves(lab, api, base)["action"] == "undeploy"
    assert lab.admin.api(f"tenant-demo.{api}") is None


def test_a_rewind_whose_hook_is_lost_is_found_as_often_as_it_happens(lab: Any, deliveries: Any) -> None:
    api = fresh()
    old = added(lab, api, "/old")
    serves(lab, api, old)
    for number in (2, 4):
        new = added(lab, api, f"/new{number}")
        serves(lab, api, new)
        deliveries("lose")
        force(lab, old)
        assert serves(lab, api, old)["generation"] == number + 1
        deliveries("normal")


def test_deliveries_that_come_backwards_never_put_the_old_over_the_new(lab: Any, deliveries: Any) -> None:
    api = fresh()
    base = added(lab, api, "/base")
    serves(lab, api, base)
    deliveries("hold")
    one, two = added(lab, api, "/one"), added(lab, api, "/two")
    git(lab, "reset", "--quiet", "--hard", base)
    lab.write(api, "/three")
    three = lab.workspace.commit("Something else instead")
    force(lab, three)
    control(lab, "POST", "deliveries/release", backwards=True)
    last = serves(lab, api, three)
    lab.until(lambda: all(lab.rows("SELECT 1 FROM pushes WHERE after_sha = %s", c) for c in (one, two)), "late ones")
    settled(lab)
    assert serves(lab, api, three)["id"] == last["id"]
    # while they were held, catching up may have seen the branch there
    assert all(d["generation"] < last["generation"] for d in (*lab.deployments(one), *lab.deployments(two)))
    assert {*codes(lab, one), *codes(lab, two)} == {"TAKEN_BACK"}


def test_a_comparison_that_timed_out_misses_nothing(lab: Any) -> None:
    one, two, gone = fresh(), fresh(), fresh()
    serves(lab, gone, added(lab, gone))
    control(lab, "PUT", "variants", compare_timeout=True)
    try:
        lab.workspace.remove_api(gone)
        lab.write(one)
        commit = added(lab, two)
        for api, action in ((one, "deploy"), (two, "deploy"), (gone, "undeploy")):
            assert serves(lab, api, commit)["action"] == action
    finally:
        control(lab, "PUT", "variants", compare_timeout=False)


def test_a_head_that_gitlab_has_thrown_away_is_no_end(lab: Any) -> None:
    settled(lab)
    newest = "SELECT generation FROM deployments WHERE api = 'first' AND state = 'succeeded' ORDER BY 1 DESC LIMIT 1"
    before = lab.rows(newest)
    with psycopg.connect(lab.stack.postgres.url) as connection:
        connection.execute("UPDATE project_heads SET head = %s", ("d" * 40,))
    api = fresh()
    serves(lab, api, added(lab, api))
    # at the commit before this one, when catching up came first
    lab.until(lambda: lab.rows(newest) != before, "everything to be deployed again")


def test_another_default_branch_puts_the_gateway_into_its_state_and_back(lab: Any, project: Any) -> None:
    both, only_main = fresh(), fresh()
    first = added(lab, both)
    serves(lab, both, first)
    main = added(lab, only_main)
    serves(lab, only_main, main)
    git(lab, "push", "--quiet", "origin", f"{first}:refs/heads/release")
    try:
        project.default_branch = "release"
        project.save()
        assert serves(lab, only_main, first)["action"] == "undeploy"
        assert serves(lab, both, first)["generation"] == 1, "what both have was not deployed again"
    finally:
        project.default_branch = "main"
        project.save()
    assert serves(lab, only_main, main)["action"] == "deploy"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("api.yaml", "api.yml", "API_FILE_MISSING"),
        ("environments/dev.yaml", "environments/dev.yml", "ENVIRONMENT_FILE_MISSING"),
        ("environments", "enviroments", "ENVIRONMENT_FILE_MISSING"),
    ],
)
def test_a_slip_is_told_and_the_api_goes_on_serving(lab: Any, old: str, new: str, code: str) -> None:
    api = fresh()
    serves(lab, api, added(lab, api))
    git(lab, "mv", f"{api_folder(api)}/{old}", f"{api_folder(api)}/{new}")
    commit = lab.workspace.push("A slip")
    assert lab.done(commit) == []
    (said, *_) = lab.push_row(commit)["outcome"]
    assert said["code"] == code
    assert re.match(r"rename \S+ to \S+\.yaml", said["hint"])
    assert lab.call(api, key=lab.key(api)).status_code == 200


def test_a_film_beside_the_document_does_not_matter_and_a_large_part_is_named(lab: Any) -> None:
    api = fresh()
    lab.workspace.write(f"{api_folder(api)}/film.mp4", "x" * (6 * 2**20))
    lab.workspace.write(f"{api_folder(api)}/README.md", "x" * (6 * 2**20))
    serves(lab, api, added(lab, api))
    lab.workspace.write(f"{api_folder(api)}/part.json", " " * (6 * 2**20))
    (one,) = lab.done(lab.workspace.push("A part that is too large"))
    assert (one["error"]["code"], one["error"]["file"]) == ("FILE_TOO_LARGE", f"{api_folder(api)}/part.json")
    assert one["error"]["hint"]
