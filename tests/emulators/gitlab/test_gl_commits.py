"""Commits: listed, read, and several files written in one of them or not at all."""

import base64
from typing import Any

import pytest

EXISTS = "A file with this name already exists"
MISSING = "A file with this name doesn't exist"
CHANGED = "The file has changed since you started editing it: README.txt"


def create(path: str, **fields: Any) -> dict[str, Any]:
    return {"action": "create", "file_path": path, "content": "new\n", **fields}


def update(path: str, content: str = "changed\n", **fields: Any) -> dict[str, Any]:
    return {"action": "update", "file_path": path, "content": content, **fields}


def said(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("message") or answer.json()["error"]


def text(project: Any, path: str, ref: str = "main") -> str:
    return str(project.files.raw(path, ref=ref).decode())


def head(project: Any, branch: str = "main") -> str:
    return str(project.branches.get(branch).commit["id"])


def test_several_actions_are_one_commit(kit: Any) -> None:
    project = kit.seeded()
    before = head(project)
    answer = kit.commit(
        project,
        create("new.txt"),
        update("README.txt"),
        {"action": "move", "previous_path": "docs/guide.txt", "file_path": "manual.txt"},
        {"action": "delete", "file_path": "tools/run.txt"},
        {"action": "chmod", "file_path": "README.txt", "execute_filemode": True},
    )

    assert (answer.status_code, answer.json()["parent_ids"], answer.json()["id"]) == (201, [before], head(project))
    found = {(entry["path"], entry["mode"]) for entry in project.repository_tree(recursive=True, get_all=True)}
    assert found == {("new.txt", "100644"), ("README.txt", "100755"), ("manual.txt", "100644")}
    assert (text(project, "README.txt"), text(project, "manual.txt")) == ("changed\n", "a guide\n")


def test_one_bad_action_leaves_nothing_of_the_others(kit: Any) -> None:
    project = kit.seeded()
    before = head(project)
    answer = kit.commit(project, create("one.txt"), update("README.txt"), create("README.txt"))

    assert (said(answer), head(project)) == ((400, EXISTS), before)


def test_a_commit_answers_with_all_its_fields(kit: Any) -> None:
    project = kit.seeded()
    message = "Change it\n\nWhy\n\nEvent-Id: e-1\nReviewed-by: B <b@example.com>"
    author = {"author_name": "Ada", "author_email": "ada@example.com"}
    body = kit.commit(project, update("README.txt", "a\nb\n"), commit_message=message, **author).json()

    assert (body["title"], body["message"], body["short_id"]) == ("Change it", message, body["id"][:8])
    assert (body["author_name"], body["author_email"], body["committer_name"]) == (*author.values(), "Administrator")
    assert body["trailers"] == {"Event-Id": "e-1", "Reviewed-by": "B <b@example.com>"}
    assert body["stats"] == {"additions": 2, "deletions": 1, "total": 3}
    assert (body["project_id"], body["status"], body["last_pipeline"]) == (project.id, None, None)
    assert {"created_at", "authored_date", "committed_date", "web_url"} <= body.keys()
    assert "stats" not in kit.commit(project, update("README.txt"), stats=False).json()


def test_creating_what_is_there_is_refused(kit: Any) -> None:
    project = kit.seeded()
    move = {"action": "move", "previous_path": "docs/guide.txt", "file_path": "README.txt"}

    assert said(kit.commit(project, create("README.txt"))) == (400, EXISTS)
    assert said(kit.commit(project, move)) == (400, EXISTS)
    assert said(kit.commit(project, create("README.txt/below"))) == (400, EXISTS)
    assert said(kit.commit(project, create("docs"))) == (400, "A directory with this name already exists")


def test_changing_what_is_missing_is_refused(kit: Any) -> None:
    project = kit.seeded()

    for action in (
        update("no.txt"),
        {"action": "delete", "file_path": "no.txt"},
        {"action": "move", "previous_path": "no.txt", "file_path": "b.txt"},
        {"action": "chmod", "file_path": "docs", "execute_filemode": True},
    ):
        assert said(kit.commit(project, action)) == (400, MISSING)


@pytest.mark.parametrize("status", [400, 409])
def test_a_stale_last_commit_id_is_refused_with_400_or_by_variant_409(kit: Any, status: int) -> None:
    project = kit.seeded()
    seen = project.files.get("README.txt", ref="main").last_commit_id
    kit.commit(project, update("README.txt", "theirs\n", last_commit_id=seen))
    with kit.variants(stale_write_status=status):
        for action in (
            update("README.txt", "mine\n", last_commit_id=seen),
            {"action": "delete", "file_path": "README.txt", "last_commit_id": seen},
            {"action": "move", "previous_path": "README.txt", "file_path": "b", "last_commit_id": seen},
        ):
            assert said(kit.commit(project, action)) == (status, CHANGED)

    assert text(project, "README.txt") == "theirs\n"


def test_last_commit_id_is_of_the_file_and_not_of_the_branch(kit: Any) -> None:
    project = kit.seeded()
    first = head(project)
    kit.commit(project, update("docs/guide.txt"))

    assert project.files.get("README.txt", ref="main").last_commit_id == first
    assert said(kit.commit(project, update("README.txt", last_commit_id=head(project)))) == (400, CHANGED)
    assert kit.commit(project, update("README.txt", last_commit_id=first)).status_code == 201


def test_a_file_that_was_deleted_meanwhile_has_changed(kit: Any) -> None:
    project = kit.seeded()
    seen = head(project)
    kit.commit(project, {"action": "delete", "file_path": "README.txt"})

    assert said(kit.commit(project, update("README.txt", last_commit_id=seen))) == (400, CHANGED)


def test_a_branch_that_is_missing_is_refused(kit: Any) -> None:
    project = kit.seeded()
    refused = kit.commit(project, create("a"), branch="nowhere")

    assert said(refused) == (400, "You can only create or edit files when you are on a branch")
    assert said(kit.commit(project, create("a"), branch="new", start_branch="nowhere")) == said(refused)
    assert kit.commit(kit.project(), create("a"), branch="first").status_code == 201


def test_a_branch_starts_from_another_branch_or_a_commit(kit: Any) -> None:
    project = kit.seeded()
    first = head(project)
    kit.commit(project, update("README.txt"))
    by_branch = kit.commit(project, create("a"), branch="one", start_branch="main").json()
    by_sha = kit.commit(project, create("a"), branch="two", start_sha=first).json()

    assert (by_branch["parent_ids"], by_sha["parent_ids"]) == ([head(project)], [first])
    assert (text(project, "README.txt", "one"), text(project, "README.txt", "two")) == ("changed\n", "read me\n")
    assert said(kit.commit(project, create("a"), branch="three", start_sha="f" * 40))[0] == 400
    assert said(kit.commit(project, create("a"), branch="a..b", start_branch="main")) == (400, "Branch name is invalid")


def test_a_start_with_an_existing_branch_is_refused_unless_forced(kit: Any) -> None:
    project = kit.seeded()
    start = {"branch": "side", "start_branch": "main"}
    kit.commit(project, create("a"), **start)
    refused = kit.commit(project, create("b"), **start)

    assert said(refused) == (
        400,
        "A branch called 'side' already exists. Switch to that branch in order to make changes",
    )
    forced = kit.commit(project, create("b"), **start, force=True)
    assert (forced.status_code, forced.json()["parent_ids"]) == (201, [head(project)])
    assert kit.commit(project, create("c"), branch="side", start_branch="side").status_code == 201


def test_start_branch_and_start_sha_exclude_each_other(kit: Any) -> None:
    project = kit.seeded()
    refused = kit.commit(project, create("a"), branch="b", start_branch="main", start_sha=head(project))

    assert said(refused) == (400, "You can't pass both start_branch and start_sha")


def test_a_start_project_must_be_a_fork(kit: Any) -> None:
    project, other = kit.seeded(), kit.seeded()
    start = {"branch": "b", "start_branch": "main"}

    assert said(kit.commit(project, create("a"), **start, start_project=other.id))[0] == 403
    assert kit.commit(project, create("a"), **start, start_project=project.id).status_code == 201


@pytest.mark.parametrize("status", [400, 403])
def test_a_closed_branch_is_refused_with_400_or_by_variant_403(kit: Any, status: int) -> None:
    project = kit.seeded()
    project.protectedbranches.delete("main")
    project.protectedbranches.create({"name": "main", "push_access_level": 0})
    with kit.variants(protected_write_status=status):
        found, message = said(kit.commit(project, create("a")))

    assert (found, message.endswith("You are not allowed to push into this branch")) == (status, True)
    assert kit.commit(project, create("a"), branch="side", start_branch="main").status_code == 201


def test_parameters_are_checked_first(kit: Any) -> None:
    project = kit.seeded()
    url = f"/projects/{project.id}/repository/commits"

    assert kit.api.post(url, json={"branch": "main", "commit_message": "m"}).json() == {"error": "actions is missing"}
    assert kit.api.post(url, json={"actions": [create("a")]}).json() == {
        "error": "branch is missing, commit_message is missing"
    }
    for action, error in (
        ({"action": "copy", "file_path": "a"}, "actions[0][action] does not have a valid value"),
        ({"action": "create"}, "actions[0][file_path] is missing"),
        ({"action": "update", "file_path": "README.txt"}, "actions[0][content] is missing"),
        ({"action": "move", "file_path": "a"}, "actions[0][previous_path] is missing"),
        ({"action": "chmod", "file_path": "README.txt"}, "actions[0][execute_filemode] is missing"),
        (create("../a"), "actions[0][file_path] should be a valid file path"),
        (create("a", encoding="hex"), "actions[0][encoding] does not have a valid value"),
    ):
        assert said(kit.commit(project, action)) == (400, error)


def test_content_may_be_base64(kit: Any) -> None:
    project = kit.seeded()
    content = base64.b64encode(bytes(range(256))).decode()
    kit.commit(project, create("bytes", content=content, encoding="base64"))

    assert project.files.raw("bytes", ref="main") == bytes(range(256))
    assert said(kit.commit(project, create("b", content="%", encoding="base64")))[0] == 400


def test_an_update_with_equal_content_is_still_a_commit(kit: Any) -> None:
    project = kit.seeded()
    before = head(project)

    assert kit.commit(project, update("README.txt", "read me\n")).json()["stats"]["total"] == 0
    assert head(project) != before


def test_paths_may_hold_any_characters(kit: Any) -> None:
    project = kit.project()
    paths = ['a "quoted" name', "back\\slash", "ümläut/ß", "new\nline", "*", "[a]", "-dash", ":(top)x"]
    kit.commit(project, *(create(path, content=path) for path in paths))

    assert [project.files.raw(path, ref="main").decode() for path in paths] == paths
    assert {project.files.get(path, ref="main").last_commit_id for path in paths} == {head(project)}


def test_commits_are_listed_the_newest_first_without_a_total(kit: Any) -> None:
    project = kit.seeded()
    made = [head(project), *(kit.commit(project, update("docs/guide.txt", f"{n}")).json()["id"] for n in range(3))]
    url = f"/projects/{project.id}/repository/commits"
    listed = kit.api.get(url, params={"per_page": 3})

    assert [commit["id"] for commit in listed.json()] == made[:0:-1]
    assert (listed.headers["x-next-page"], "x-total" in listed.headers) == ("2", False)
    assert [c.id for c in project.commits.list(query_parameters={"path": "README.txt"}, iterator=True)] == made[:1]
    assert [c.id for c in project.commits.list(ref_name=made[1], iterator=True)] == [made[1], made[0]]
    assert project.commits.list(since="2099-01-01T00:00:00Z", get_all=True) == []
    assert said(kit.api.get(url, params={"ref_name": "nowhere"})) == (404, "404 Commit Not Found")


def test_a_commit_is_read_by_branch_tag_or_id(kit: Any) -> None:
    project = kit.project()
    copy = kit.pushed(project)
    copy.push("origin", "HEAD:refs/tags/v1")
    commit = copy.git("rev-parse", "HEAD")

    for ref in ("main", "v1", commit, commit[:10], "HEAD"):
        assert project.commits.get(ref).id == commit
    assert said(kit.api.get(f"/projects/{project.id}/repository/commits/nowhere")) == (404, "404 Commit Not Found")
