"""Who may call, what is refused and in which shape, and the projects themselves."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gitlab
import httpx
import pytest

from local.parts.ports import is_free


def test_without_or_with_a_wrong_token_it_is_a_401(kit: Any) -> None:
    for headers in ({}, {"private-token": "nope"}, {"authorization": "Bearer nope"}, {"authorization": "Basic %%"}):
        refused = httpx.get(f"{kit.url}/api/v4/projects", headers=headers)
        assert (refused.status_code, refused.json()) == (401, {"message": "401 Unauthorized"})


def test_a_private_token_or_a_bearer_token_is_accepted(kit: Any) -> None:
    token = kit.api.headers["private-token"]

    for headers in ({"private-token": token}, {"authorization": f"Bearer {token}"}):
        assert httpx.get(f"{kit.url}/api/v4/user", headers=headers).json()["username"] == "root"
    assert kit.gitlab.version()[0].startswith("17.")


def test_a_token_of_scope_read_api_may_not_write(kit: Any, stranger: httpx.Client) -> None:
    project = kit.seeded(visibility="internal")

    assert stranger.get(f"/projects/{project.id}").status_code == 200
    refused = stranger.post(f"/projects/{project.id}/repository/branches", json={"branch": "b", "ref": "main"})
    assert (refused.status_code, refused.json()["error"], refused.json()["scope"]) == (403, "insufficient_scope", "api")


def test_what_only_maintainers_may_see_is_a_403(kit: Any, stranger: httpx.Client) -> None:
    project = kit.project(visibility="internal")

    refused = stranger.get(f"/projects/{project.id}/hooks")
    assert (refused.status_code, refused.json()) == (403, {"message": "403 Forbidden"})


def test_a_project_that_is_not_visible_is_a_404_like_a_missing_one(kit: Any, stranger: httpx.Client) -> None:
    project = kit.project(visibility="private")

    for path in (f"/projects/{project.id}", f"/projects/{project.id}/hooks", "/projects/99999"):
        refused = stranger.get(path)
        assert (refused.status_code, refused.json()) == (404, {"message": "404 Project Not Found"})
    assert project.id not in [found["id"] for found in stranger.get("/projects").json()]


def test_a_project_is_found_by_number_or_encoded_path(kit: Any) -> None:
    project = kit.project()
    path = quote(project.path_with_namespace, safe="")

    for name in (str(project.id), path, path.replace("%2F", "%2f"), path.upper().replace("%2F", "%2f")):
        assert kit.api.get(f"/projects/{name}").json()["id"] == project.id
    assert kit.api.get(f"/projects/{project.path_with_namespace}").json() == {"error": "404 Not Found"}


def test_an_unknown_resource_is_a_404_and_a_wrong_method_a_405(kit: Any) -> None:
    unknown, wrong = kit.api.get("/nonsense"), kit.api.delete("/user")

    assert (unknown.status_code, unknown.json()) == (404, {"error": "404 Not Found"})
    assert (wrong.status_code, wrong.json()) == (405, {"error": "405 Not Allowed"})


def test_errors_have_four_shapes(kit: Any) -> None:
    project = kit.project()
    text = kit.api.get("/projects/99999").json()["message"]
    of_lists = kit.api.post("/projects", json={"name": project.name}).json()["message"]
    listed = kit.api.post(f"/projects/{project.id}/protected_branches", json={"name": ""})
    error = kit.api.post(f"/projects/{project.id}/hooks", json={})

    assert text == "404 Project Not Found"
    assert of_lists["path"] == ["has already been taken"]
    assert (listed.status_code, listed.json()) == (422, {"message": ["Name can't be blank"]})
    assert (error.status_code, error.json()) == (400, {"error": "url is missing"})


def test_a_body_that_is_no_object_is_a_400(kit: Any) -> None:
    json_type = {"content-type": "application/json"}

    for content in (b"{", b"[1]"):
        refused = kit.api.post("/projects", content=content, headers=json_type)
        assert (refused.status_code, "error" in refused.json()) == (400, True)
    assert kit.api.post("/projects", content=b"<a/>", headers={"content-type": "text/xml"}).status_code == 400


def test_a_project_is_created_changed_listed_and_deleted(kit: Any) -> None:
    project = kit.project(default_branch="trunk", description="before", initialize_with_readme=True)
    project.description = "after"
    project.save()

    assert project.path_with_namespace == f"root/{project.path}"
    found = kit.gitlab.projects.list(search=project.path)
    assert [(p.id, p.description, p.default_branch, p.empty_repo) for p in found] == [
        (project.id, "after", "trunk", False)
    ]
    project.delete()
    with pytest.raises(gitlab.GitlabGetError) as missing:
        kit.gitlab.projects.get(project.id)
    assert missing.value.response_code == 404
    assert kit.project(name=project.name).id > project.id


def test_a_bad_or_missing_path_is_a_400(kit: Any) -> None:
    bad = kit.api.post("/projects", json={"name": "x", "path": "a b"})
    missing = kit.api.post("/projects", json={})
    absent = kit.api.put(f"/projects/{kit.project().id}", json={"default_branch": "nowhere"})

    assert (bad.status_code, list(bad.json()["message"])) == (400, ["path"])
    assert (missing.status_code, missing.json()["error"].startswith("name, path are missing")) == (400, True)
    assert absent.json()["message"]["base"] == ["Could not change HEAD: branch 'nowhere' does not exist"]


def test_it_does_not_start_without_a_token(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "local.emulators.gitlab", "--port", "1", "--state", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "GITLAB_TOKEN": ""})

    assert (done.returncode, "GITLAB_TOKEN" in done.stderr) == (1, True)


def test_it_listens_on_127_0_0_1_only(process: Any) -> None:
    assert not is_free(process.port)
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if " 0A " in line]
    assert [address for address in listening if address.endswith(f":{process.port:04X}")] == [
        f"0100007F:{process.port:04X}"
    ]


def test_controls_refuse_what_they_do_not_know(kit: Any) -> None:
    for control, body in (
        ("variants", {"nonsense": 1}),
        ("variants", {"stale_write_status": "409"}),
        ("deliveries", {"mode": "sometimes"}),
        ("rate_limit", {"requests": 3}),
        ("faults", {"mode": "wild"}),
    ):
        assert kit.plain.put(f"/_emulator/{control}", json=body).status_code == 400
    assert kit.plain.get("/_emulator/nonsense").status_code == 404
