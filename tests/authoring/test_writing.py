"""What a person asks for is one commit, one push, one deployment per environment, in that person's name."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from local.contracts import schema
from stoa.authoring.model import changes_blocked
from stoa.kernel.errors import Refused
from tests.authoring.desk import BOB, DOCUMENT, FOLDER, Author, wanted
from tests.authoring.killing import ADA, API, TENANT


def test_an_api_is_created_replaced_published_deprecated_and_deleted_each_in_one_commit(author: Author) -> None:
    first = author.done("create", wanted(names=("dev", "staging")))
    assert (first.state, first.error) == ("done", None)
    assert set(author.files) == {
        "README.md", f"{FOLDER}/api.yaml", f"{FOLDER}/openapi.yaml", f"{FOLDER}/environments/dev.yaml",
        f"{FOLDER}/environments/staging.yaml",
    }  # fmt: skip
    assert author.commits[str(first.commit)] == f"Add {TENANT}/{API}\n\nStoa-Intent: {first.id}\n"
    assert (author.api["generation"], author.api["created_by"], author.api["commit_sha"]) == (1, ADA, first.commit)  # type: ignore[index]
    json_document = {"name": "openapi.json", "content": json.dumps({"openapi": "3.0.3", "info": {
        "title": "Orders", "version": "2"}, "paths": {}})}  # fmt: skip
    second = author.done("replace", wanted("2.0.0", document=json_document), seen=1, who=BOB)
    assert set(author.files) == {
        "README.md", f"{FOLDER}/api.yaml", f"{FOLDER}/openapi.json", f"{FOLDER}/environments/dev.yaml",
    }  # fmt: skip
    assert author.done("publish", seen=2).state == "done"
    assert author.api["lifecycle"] == {"state": "published", "deprecated": None, "sunset": None}  # type: ignore[index]
    assert author.done("deprecate", seen=3).state == "done"
    dates = author.api["lifecycle"]  # type: ignore[index]
    assert (dates["state"], dates["deprecated"] < dates["sunset"]) == ("deprecated", True)
    kept = author.done("replace", wanted("2.1.0", document=json_document), seen=4)
    assert author.api["lifecycle"] == dates  # type: ignore[index]
    last = author.done("delete", seen=5, who=BOB)
    assert (set(author.files), author.api["deleted_by"]) == ({"README.md"}, BOB)  # type: ignore[index]
    assert len(author.commits) == 7
    assert author.asked == [first.commit, second.commit, *author.asked[2:4], kept.commit, last.commit]
    assert author.people == [ADA, ADA, BOB, BOB, ADA, ADA, ADA, BOB]
    for topic in ("api-changes", "api-created", "api-updated", "api-deleted"):
        for value in author.events(topic):
            Draft202012Validator(schema(topic)).validate(value)
    assert [value["updated_by"] for value in author.events("api-updated")] == [BOB, ADA, ADA, ADA]


def test_the_webhook_of_our_own_commit_starts_nothing_more(author: Author) -> None:
    change_id = author.ask()
    author.write(change_id)
    sha = str(author.change(change_id).commit)
    author.deliver("0" * 40, sha)
    author.work()
    author.write(change_id)
    author.plan()
    assert [[said.get("code") for said in push["outcome"]] for push in author.pushes[1:]] == [
        [None], ["ALREADY_COVERED"],
    ]  # fmt: skip
    assert (author.asked, author.people, author.change(change_id).state) == ([sha], [ADA], "done")


def test_a_webhook_that_is_faster_than_we_are_tells_for_whom_it_was(author: Author) -> None:
    """Between the commit and its being written down, the push of it is planned."""
    change_id = author.ask()
    record, seen = author.authoring.gitlab().commit, []

    def slowly(*asked: Any) -> str:
        seen.append(record(*asked))
        author.deliver("0" * 40, seen[0])
        author.work()
        return seen[0]

    author.server.client.commit = slowly  # type: ignore[method-assign]
    try:
        author.write(change_id)
    finally:
        del author.server.client.commit
    author.plan()
    assert (author.asked, author.people, author.api["created_by"]) == (seen, [ADA], ADA)  # type: ignore[index]
    assert author.change(change_id).state == "done"
    audits = [one for one in author.events("audit-log") if one["git_commit"]]
    assert [(one["action"], one["actor"], one["git_commit"]) for one in audits] == [("API_CREATED_IN_GIT", ADA, *seen)]


def test_a_trailer_that_anybody_could_have_written_proves_nothing(author: Author) -> None:
    done = author.done()
    author.commit(
        {f"{FOLDER}/api.yaml": author.files[f"{FOLDER}/api.yaml"] + "# more\n"}, said=author.commits[str(done.commit)]
    )
    author.plan()
    assert author.people == [ADA, "machine:stoa"]
    waits = author.ask("publish")
    with author.database.transaction(TENANT) as connection:
        connection.execute("UPDATE api_changes SET files = '{}' WHERE id = %s", (waits,))
        connection.execute("UPDATE api_changes SET files = NULL WHERE id = %s", (waits,))
    author.commit({"README.md": "1"}, said=f"x\n\nStoa-Intent: {waits}\n")
    author.commit({f"{FOLDER}/openapi.yaml": DOCUMENT + "# 2\n"}, said=f"x\n\nStoa-Intent: {waits}\n")
    author.plan()
    assert author.people == [ADA, "machine:stoa", "machine:stoa"]
    assert author.change(waits).state == "requested"


def test_in_a_push_of_several_people_each_api_is_of_who_touched_it_last(author: Author) -> None:
    author.done()
    author.commit(
        {f"tenants/{TENANT}/apis/pets/api.yaml": "x", f"tenants/{TENANT}/apis/pets/environments/dev.yaml": "x"}
    )
    ours = author.ask("replace", wanted("2.0.0"), who=BOB)
    author.write(ours)
    author.people.clear()
    author.plan()
    assert sorted(zip(author.people, [one["api"] for one in author.wanted[-2:]], strict=True)) == [
        ("machine:stoa", "pets"), (BOB, API),
    ]  # fmt: skip
    again = author.ask("replace", wanted("3.0.0"), who=BOB)
    author.write(again)
    author.commit({f"{FOLDER}/openapi.yaml": DOCUMENT + "# mine\n"})
    author.people.clear()
    author.gitops.catch_up()
    with author.database.transaction() as connection:
        connection.execute("DELETE FROM pushes WHERE state = 'accepted' AND id = %s", (f"change:{again}",))
    author.work()
    assert (author.people, author.change(again).state) == (["machine:stoa"], "done")


REFUSED: list[tuple[Any, Any, str]] = [
    ("create", {"spec": {"displayName": "x"}}, "FILE_INVALID"),
    ("create", {"document": {"name": "openapi.yaml", "content": "openapi: 3.0.3\npaths: [\n"}}, "SPEC_NOT_PARSEABLE"),
    ("create", {"environments": {"dev": {}}}, "VARIABLE_MISSING"),
    ("create", {"environments": {"dev": {"BACKEND_URL": "ftp://x"}}}, "BACKEND_URL_INVALID"),
    ("create", {"environments": {"dev": {"BACKEND_URL": "http://169.254.169.254/latest"}}}, "BACKEND_NOT_ALLOWED"),
    ("create", {"environments": {"dev": {"BACKEND_URL": "\ud800"}}}, "INVALID_VALUE"),
    ("deprecate", None, "NOT_FOUND"),
    ("replace", None, "NOT_FOUND"),
]


def test_what_could_not_be_deployed_is_never_written(author: Author) -> None:
    """Said at once where the request says it all, else when Git is read."""
    for action, asked, code in REFUSED:
        assert author.refused(action, wanted(**asked) if asked else None) == code
    assert [one["outcome"] for one in author.events("audit-log")] == ["done", "refused"] * 2
    assert len(author.commits) == 1


def test_the_state_of_an_api_decides_what_may_be_asked(author: Author) -> None:
    author.done()
    with pytest.raises(Refused, match="API_EXISTS"):
        author.ask("create")
    with pytest.raises(Refused, match="WRONG_STATE"):
        author.ask("deprecate")
    with pytest.raises(Refused, match="PRECONDITION_FAILED"):
        author.ask("replace", seen=7)
    with pytest.raises(Refused, match="NO_REPOSITORY"):
        author.ask(tenant="tenant-b")
    key = author.ask("publish", key="k1")
    assert author.ask("publish", key="k1") == key
    with pytest.raises(Refused, match="IDEMPOTENCY_KEY_REUSED"):
        author.ask("delete", key="k1")
    with pytest.raises(Refused, match="CHANGE_UNDER_WAY"):
        author.ask("delete")
    author.write(key)
    with pytest.raises(Refused, match="CHANGE_UNDER_WAY"):
        author.ask("delete")
    assert author.queries.under_way(TENANT, API) == key
    author.plan()
    with pytest.raises(Refused, match="WRONG_STATE"):
        author.ask("publish")
    may = dict.fromkeys(("update", "delete", "publish", "deprecate"), True)
    assert set(changes_blocked("published", may, None)) == {"publish"}
    assert set(changes_blocked("draft", may | {"delete": False}, None)) == {"delete", "deprecate"}
    assert set(changes_blocked("draft", may, key)) == set(may)
