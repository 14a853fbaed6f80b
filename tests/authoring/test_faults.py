"""Whatever dies, hangs or is changed by others in between: one commit, one push, one end."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from stoa.adapters.gitlab_answers import Stale
from stoa.authoring import flows
from stoa.kernel.errors import Refused, Transient
from tests.authoring.desk import DOCUMENT, FOLDER, Author, wanted
from tests.authoring.killing import ADA, POINTS, TENANT, killed, message
from tests.gitops.desk import TOKEN


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_is_killed_leaves_one_commit_and_one_deployment(
    author: Author, database_url: str, point: str
) -> None:
    author.done()
    change_id = author.ask("replace", wanted("2.0.0"))
    killed(database_url, author.server.url, TOKEN, change_id, point)
    state = author.change(change_id)
    assert (state.state, state.files is not None) == ("committed" if point in POINTS[2:] else "requested", True)
    assert [push["id"] for push in author.pushes].count(f"change:{change_id}") == (point == "known")
    for _ in range(2):
        author.write(change_id)
        author.plan()
    assert (len(author.commits), author.change(change_id).state) == (3, "done")
    assert Counter(author.asked) == dict.fromkeys([str(author.change(change_id).commit), author.asked[0]], 1)
    assert author.people == [ADA, ADA]
    done = [one for one in author.events("audit-log") if one["action"] == "API_REPLACED_IN_GIT"]
    assert [one["git_commit"] for one in done] == [author.change(change_id).commit]


def test_a_commit_whose_answer_got_lost_is_found_and_not_made_again(author: Author) -> None:
    change_id = author.ask()
    author.server.fault(mode="drop", path="POST .*/commits$", count=1)
    with pytest.raises(Transient):
        author.write(change_id)
    author.write(change_id)
    author.plan()
    assert (len(author.commits), author.people, author.change(change_id).state) == (2, [ADA], "done")


def test_a_commit_that_arrives_while_it_is_sent_again_is_found(author: Author, monkeypatch: Any) -> None:
    author.done()
    change_id = author.ask("replace", wanted("2.0.0"))
    commit = author.server.client.commit

    def twice(*asked: Any) -> str:
        commit(*asked)
        return commit(*asked)

    monkeypatch.setattr(author.server.client, "commit", twice)
    author.write(change_id)
    author.plan()
    assert (len(author.commits), author.change(change_id).state) == (3, "done")


def test_what_somebody_else_changed_in_git_is_not_written_over(author: Author) -> None:
    author.done()
    change_id = author.ask("replace", wanted("2.0.0"))
    author.commit({f"{FOLDER}/openapi.yaml": DOCUMENT + "# by hand\n"})
    author.plan()
    assert author.refused("delete") == "CHANGE_UNDER_WAY"
    with pytest.raises(Refused, match="API_CHANGED_IN_GIT") as refused:
        author.write(change_id)
    author.authoring.give_up(message(change_id), refused.value)
    author.write(change_id)
    found = author.change(change_id)
    assert (found.state, found.error and found.error["hint"], found.wanted) == ("refused", flows.READ_AGAIN, {})
    assert (len(author.commits), author.files[f"{FOLDER}/openapi.yaml"]) == (3, DOCUMENT + "# by hand\n")
    assert author.done("replace", wanted("2.0.0"), seen=2).state == "done"


def test_a_file_that_was_touched_and_put_back_costs_one_more_try(author: Author, monkeypatch: Any) -> None:
    author.done()
    change_id = author.ask("replace", wanted("2.0.0"))
    commit, tried = author.server.client.commit, []

    def late(*asked: Any) -> str:
        tried.append(asked)
        if len(tried) == 1:
            author.commit({f"{FOLDER}/api.yaml": "x"})
            author.commit({f"{FOLDER}/api.yaml": before})
        return commit(*asked)

    before = author.files[f"{FOLDER}/api.yaml"]
    monkeypatch.setattr(author.server.client, "commit", late)
    with author.variant(stale_write_status=409):
        author.write(change_id)
    assert (len(tried), author.change(change_id).state) == (2, "committed")
    monkeypatch.setattr(author.server.client, "commit", never)
    author.plan()
    with pytest.raises(Transient):
        author.write(author.ask("publish"))


def never(*_: Any) -> str:
    raise Stale("A file with this name already exists")


def test_a_commit_that_was_taken_back_ends_its_change(author: Author, monkeypatch: Any) -> None:
    author.done()
    kept, at = author.history.at, author.ask("replace", wanted("2.0.0"))
    author.write(at)
    author.history.at = str(kept)
    monkeypatch.setattr(flows, "OVERDUE", timedelta(0))
    author.plan()
    assert author.change(at).state == "committed"
    assert author.authoring.follow(lambda: flows.LOOK_MS - 1) == 0, "there is no time for it"
    assert author.authoring.follow(lambda: 60_000) == 1
    assert (author.change(at).error or {})["code"] == "TAKEN_BACK"
    lost = author.ask("replace", wanted("3.0.0"), seen=1)
    author.write(lost)
    with author.database.transaction() as connection:
        connection.execute("UPDATE project_heads SET head = %s", (author.history.at,))
    assert author.authoring.follow(lambda: 60_000) == 1
    assert (author.change(lost).state, author.change(lost).error) == ("done", None)
    assert author.authoring.follow(lambda: 60_000) == 0


def test_the_first_change_of_a_project_is_ended_by_its_push(author: Author) -> None:
    with author.database.transaction() as connection:
        connection.execute("DELETE FROM project_heads")
        connection.execute("DELETE FROM pushes")
    found = author.done()
    assert (found.state, author.people) == ("done", [ADA])


def test_a_branch_that_is_closed_to_us_refuses_the_change(author: Author) -> None:
    rules = f"/projects/{author.project}/protected_branches"
    author.server.client._known("DELETE", f"{rules}/main", {})
    author.server.ask("POST", rules, name="main", push_access_level="0")
    with author.variant(protected_write_status=403):
        assert author.refused() == "BRANCH_PROTECTED"
    assert author.refused() == "BRANCH_PROTECTED"
    assert author.api is None


def test_another_tenant_has_no_such_change(author: Author) -> None:
    change_id = author.ask()
    with author.database.transaction("tenant-b") as connection:
        assert connection.execute("SELECT 1 FROM api_changes WHERE id = %s", (change_id,)).fetchone() is None
    assert author.authoring.authored(author.project, {"tenant-b"}, {"c" * 40: f"x\n\nStoa-Intent: {change_id}\n"}) == ()
    assert author.queries.read(TENANT, "orders", change_id).id == change_id
