"""Branches and their protection, by the API and by git."""

from typing import Any

import gitlab
import pytest


def said(answer: Any) -> tuple[int, Any]:
    return answer.status_code, answer.json()["message"]


def test_a_branch_is_created_read_listed_and_deleted(kit: Any) -> None:
    project = kit.seeded()
    made = project.branches.create({"branch": "feature/one", "ref": "main"})

    assert (made.name, made.default, made.protected) == ("feature/one", False, False)
    assert project.branches.get("feature/one").commit["id"] == project.commits.get("main").id
    assert [branch.name for branch in project.branches.list(get_all=True)] == ["feature/one", "main"]
    assert [branch.name for branch in project.branches.list(search="feat", get_all=True)] == ["feature/one"]
    made.delete()
    with pytest.raises(gitlab.GitlabGetError, match="404 Branch Not Found"):
        project.branches.get("feature/one")


def test_a_bad_branch_is_a_400(kit: Any) -> None:
    project = kit.seeded()
    url = f"/projects/{project.id}/repository/branches"

    for branch, ref, message in (
        ("main", "main", "Branch already exists"),
        ("new", "nowhere", "Invalid reference name: nowhere"),
        ("a b", "main", "Branch name is invalid"),
        ("-x", "main", "Branch name is invalid"),
    ):
        assert said(kit.api.post(url, json={"branch": branch, "ref": ref})) == (400, message)


def test_the_default_and_a_protected_branch_cannot_be_deleted(kit: Any) -> None:
    project = kit.seeded()
    project.branches.create({"branch": "stable", "ref": "main"})
    project.protectedbranches.create({"name": "stable"})
    url = f"/projects/{project.id}/repository/branches"

    assert said(kit.api.delete(f"{url}/main")) == (405, "Cannot remove HEAD branch")
    assert said(kit.api.delete(f"{url}/stable")) == (405, "Protected branch cannot be deleted")


def test_protection_is_set_listed_and_taken_away(kit: Any) -> None:
    project = kit.seeded()
    rule = project.protectedbranches.create({"name": "release/*", "push_access_level": 0})
    url = f"/projects/{project.id}/protected_branches"

    assert rule.push_access_levels[0]["access_level"] == 0
    assert [r.name for r in project.protectedbranches.list(get_all=True)] == ["main", "release/*"]
    project.branches.create({"branch": "release/1", "ref": "main"})
    assert (project.branches.get("release/1").protected, project.branches.get("release/1").can_push) == (True, False)
    assert said(kit.api.post(url, json={"name": "main"})) == (409, "Protected branch 'main' already exists")
    project.protectedbranches.delete("release/*")
    assert not project.branches.get("release/1").protected
    assert kit.api.delete(f"{url}/nowhere").status_code == 404


def test_history_of_the_default_branch_is_not_rewritten(kit: Any) -> None:
    project = kit.project()
    copy = kit.pushed(project, 2)
    commit = copy.git("rev-parse", "HEAD")
    copy.git("reset", "--quiet", "--hard", "HEAD~1")
    copy.commit("Instead")
    forced = copy.push("--force", "origin", "main", check=False)
    gone = copy.push("origin", ":main", check=False)

    assert "You are not allowed to force push code to a protected branch on this project." in forced.stderr
    assert "You can only delete protected branches using the web interface." in gone.stderr
    assert project.branches.get("main").commit["id"] == commit
    project.protectedbranches.delete("main")
    project.protectedbranches.create({"name": "main", "allow_force_push": True})
    copy.push("--force", "origin", "main")
    assert project.branches.get("main").commit["title"] == "Instead"


def test_a_closed_branch_takes_no_push(kit: Any) -> None:
    project = kit.project()
    copy = kit.pushed(project)
    _, inbox = kit.hook(project)
    project.protectedbranches.create({"name": "release/*", "push_access_level": 0})
    refused = copy.push("origin", "HEAD:refs/heads/release/1", check=False)
    copy.push("origin", "HEAD:refs/heads/side")

    assert "You are not allowed to push code to protected branches on this project." in refused.stderr
    assert [body["ref"] for body in inbox.wait()] == ["refs/heads/side"]
