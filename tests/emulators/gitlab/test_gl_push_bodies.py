"""What a push tells: its body, case by case."""

from typing import Any

ZEROS = "0" * 40
FIELDS = (
    "object_kind event_name before after ref ref_protected checkout_sha message user_id user_name user_username "
    "user_email user_avatar project_id project commits total_commits_count push_options repository"
).split()
PROJECT = (
    "id name description web_url avatar_url git_ssh_url git_http_url namespace visibility_level path_with_namespace "
    "default_branch ci_config_path homepage url ssh_url http_url"
).split()
COMMIT = ["id", "message", "title", "timestamp", "url", "author", "added", "modified", "removed"]


def heard(kit: Any, project: Any, copy: Any, *push: str) -> dict[str, Any]:
    """The one event of a push."""
    _, inbox = kit.hook(project, tag_push_events=True)
    copy.push(*push)
    (body,) = inbox.wait()
    return dict(body)


def test_a_push_event_has_every_field(kit: Any) -> None:
    project = kit.project(description="words")
    copy = kit.pushed(project)
    before, after = copy.git("rev-parse", "HEAD"), copy.commit("Title\n\nText", file="other\n")
    body = heard(kit, project, copy, "origin", "main")
    (commit,) = body["commits"]

    assert (list(body), list(body["project"]), list(commit)) == (FIELDS, PROJECT, COMMIT)
    assert (body["object_kind"], body["event_name"], body["before"], body["after"]) == ("push", "push", before, after)
    assert (body["ref"], body["ref_protected"], body["checkout_sha"]) == ("refs/heads/main", True, after)
    assert (body["project_id"], body["project"]["id"], body["project"]["default_branch"]) == (
        project.id,
        project.id,
        "main",
    )
    assert body["project"]["git_http_url"] == project.http_url_to_repo == body["repository"]["git_http_url"]
    assert (commit["title"], commit["message"], commit["author"]["name"]) == ("Title", "Title\n\nText\n", "Ada")
    assert (body["user_username"], body["total_commits_count"], body["push_options"]) == ("root", 1, {})


def test_a_created_branch_has_zeros_before(kit: Any) -> None:
    project = kit.project()
    copy = kit.clone(project)
    commit = copy.commit("First", a="1\n")
    body = heard(kit, project, copy, "origin", "HEAD:refs/heads/main")

    assert (body["before"], body["after"], body["total_commits_count"]) == (ZEROS, commit, 1)
    assert body["commits"][0]["added"] == ["a.txt"]


def test_a_deleted_branch_has_zeros_after_and_no_checkout(kit: Any) -> None:
    project = kit.project()
    copy = kit.pushed(project)
    copy.push("origin", "HEAD:refs/heads/side")
    body = heard(kit, project, copy, "origin", ":refs/heads/side")

    assert (body["after"], body["checkout_sha"], body["ref"]) == (ZEROS, None, "refs/heads/side")
    assert (body["before"], body["commits"], body["total_commits_count"]) == (copy.git("rev-parse", "HEAD"), [], 0)


def test_a_sha256_repository_has_64_zeros(kit: Any) -> None:
    project = kit.seeded(repository_object_format="sha256")
    copy = kit.clone(project)
    commit = copy.commit("First", a="1\n")
    body = heard(kit, project, copy, "origin", "HEAD:refs/heads/side")

    assert (body["before"], body["after"], len(commit)) == ("0" * 64, commit, 64)
    assert [(c["id"], c["added"]) for c in body["commits"]] == [(commit, ["a.txt"])]
    root = project.repository_compare("main", "side")
    assert [diff["new_path"] for diff in root["diffs"]] == ["a.txt"]


def test_of_more_than_20_commits_the_newest_20_are_listed_upwards(kit: Any) -> None:
    project = kit.project()
    copy = kit.pushed(project)
    made = [copy.commit(f"Commit {number}") for number in range(25)]
    body = heard(kit, project, copy, "origin", "main")

    assert [commit["id"] for commit in body["commits"]] == made[5:]
    assert body["total_commits_count"] == 25


def test_a_forced_push_comes_from_what_is_no_ancestor(kit: Any) -> None:
    project = kit.project()
    copy = kit.pushed(project, 2)
    copy.push("origin", "HEAD:refs/heads/side")
    before = copy.git("rev-parse", "HEAD")
    copy.git("reset", "--quiet", "--hard", "HEAD~1")
    after = copy.commit("Instead", other="1\n")
    body = heard(kit, project, copy, "--force", "origin", "HEAD:refs/heads/side")

    assert (body["before"], body["after"]) == (before, after)
    assert [commit["id"] for commit in body["commits"]] == [after]
    assert copy.git("merge-base", "--is-ancestor", before, after, check=False).returncode == 1


def test_a_push_without_commits_is_told_without_commits(kit: Any) -> None:
    project = kit.project()
    copy = kit.pushed(project)
    body = heard(kit, project, copy, "origin", "HEAD:refs/heads/side")

    assert (body["before"], body["after"], body["checkout_sha"]) == (ZEROS, *[copy.git("rev-parse", "HEAD")] * 2)
    assert (body["commits"], body["total_commits_count"], body["ref_protected"]) == ([], 0, False)


def test_a_new_branch_tells_what_the_default_branch_lacks(kit: Any) -> None:
    project = kit.project()
    copy = kit.pushed(project, 3)
    made = [copy.commit("One"), copy.commit("Two")]
    body = heard(kit, project, copy, "origin", "HEAD:refs/heads/side")

    assert [commit["id"] for commit in body["commits"]] == made


def test_a_tag_is_an_event_of_its_own(kit: Any) -> None:
    project = kit.project()
    copy = kit.pushed(project)
    copy.git("tag", "--annotate", "v1", "--message", "Release one")
    _, inbox = kit.hook(project, tag_push_events=True)
    copy.push("origin", "v1")
    copy.push("origin", ":v1")
    made, gone = inbox.wait(2)

    assert {headers["x-gitlab-event"] for headers in inbox.headers} == {"Tag Push Hook"}
    if made["before"] != ZEROS:  # two workers send
        made, gone = gone, made
    assert (made["object_kind"], made["ref"], made["message"]) == ("tag_push", "refs/tags/v1", "Release one")
    assert (made["after"], made["checkout_sha"]) == (
        copy.git("rev-parse", "v1"),
        copy.git("rev-parse", "v1^{commit}"),
    )
    assert (gone["after"], gone["checkout_sha"]) == (ZEROS, None)


def test_removed_files_are_only_in_removed(kit: Any) -> None:
    project = kit.project()
    copy = kit.pushed(project)
    copy.commit("Add", kept="1\n")
    copy.commit("Change both", kept="2\n", file=None)
    body = heard(kit, project, copy, "origin", "main")

    assert [[c["added"], c["modified"], c["removed"]] for c in body["commits"]] == [
        [["kept.txt"], [], []],
        [[], ["kept.txt"], ["file.txt"]],
    ]


def test_a_rename_is_only_its_new_path(kit: Any) -> None:
    project = kit.project()
    copy = kit.pushed(project)
    copy.git("mv", "file.txt", "renamed.txt")
    copy.commit("Rename")
    body = heard(kit, project, copy, "origin", "main")

    commit = body["commits"][0]
    assert (commit["added"], commit["modified"], commit["removed"]) == (["renamed.txt"], [], [])


def test_the_email_of_the_pusher_is_hidden(kit: Any) -> None:
    project = kit.project()
    _, inbox = kit.hook(project)
    kit.write(project, {"a": ""})
    inbox.wait()
    with kit.variants(hidden_email=""):
        kit.write(project, {"b": ""})
        inbox.wait(2)

    assert [body["user_email"] for body in inbox.bodies] == ["[REDACTED]", ""]


def test_a_push_of_more_than_three_branches_sends_no_hook(kit: Any) -> None:
    project = kit.project()
    copy = kit.pushed(project)
    _, inbox = kit.hook(project, tag_push_events=True)
    copy.push("origin", *(f"HEAD:refs/heads/many-{number}" for number in range(4)))
    copy.push("origin", *(f"HEAD:refs/heads/few-{number}" for number in range(3)))

    assert sorted(body["ref"] for body in inbox.wait(3)) == [f"refs/heads/few-{number}" for number in range(3)]
    assert len({headers["x-gitlab-event-uuid"] for headers in inbox.headers}) == 1
    copy.push("origin", ":few-0", ":few-1", "HEAD:refs/heads/few-3", "HEAD:refs/heads/few-4", "HEAD:refs/tags/v1")
    assert inbox.wait(4)[3]["ref"] == "refs/tags/v1"


def test_push_options_are_in_the_body_and_skip_ci_skips_no_hook(kit: Any) -> None:
    project = kit.project()
    copy = kit.pushed(project)
    copy.commit("Change [skip ci]", file="other\n")
    options = ("-o", "ci.skip", "-o", "merge_request.title=Mine", "-o", "other")
    body = heard(kit, project, copy, *options, "origin", "main")

    assert body["push_options"] == {"ci": {"skip": True}, "merge_request": {"title": "Mine"}}
    assert body["commits"][0]["message"] == "Change [skip ci]\n"


def test_the_default_branch_of_the_project_may_have_any_name(kit: Any) -> None:
    project = kit.project()
    copy = kit.clone(project)
    copy.commit("First", a="1\n")
    body = heard(kit, project, copy, "origin", "HEAD:refs/heads/trunk")

    assert (body["ref"], body["project"]["default_branch"], body["ref_protected"]) == (
        "refs/heads/trunk",
        "trunk",
        True,
    )
    assert kit.gitlab.projects.get(project.id).default_branch == "trunk"


def test_what_the_api_writes_is_told_like_a_push(kit: Any) -> None:
    project = kit.seeded()
    _, inbox = kit.hook(project)
    commit = kit.write(project, {"a": ""})
    inbox.wait()
    project.branches.create({"branch": "side", "ref": "main"})
    inbox.wait(2)
    project.branches.delete("side")
    written, made, gone = inbox.wait(3)

    assert (written["after"], written["before"]) == (commit.id, commit.parent_ids[0])
    assert (made["ref"], made["before"], gone["after"]) == ("refs/heads/side", ZEROS, ZEROS)
