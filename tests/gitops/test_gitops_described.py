"""What the files of an API say of it comes with its events and into its row; what cannot be read stays what it was."""

import json
from typing import Any

import pytest

from stoa.gitops import flows
from stoa.gitops.model_apis import Touched, described
from stoa.gitops.queries import PushQueries
from stoa.kernel.database import Database
from stoa.kernel.errors import Refused, Transient
from stoa.openapi import SpecRefused, operations_text
from stoa.repository.definition import about
from tests.gitops.desk import Server
from tests.gitops.repository import Repository

FOLDER = "tenants/tenant-a/apis/pets"
API, SPEC, PROD = f"{FOLDER}/api.yaml", f"{FOLDER}/openapi.yaml", f"{FOLDER}/environments/prod.yaml"
SAID = """\
apiVersion: stoa.cab-i.com/v1
spec:
  displayName: Pets
  version: "2.0"
  description: Everything with a tail
  owner: team-pets@example.com
  tags: [animals, core]
  backend: {url: "${BACKEND_URL}", timeout: "${TIMEOUT:5}"}
"""
SPEC_SAID = """\
openapi: 3.0.3
paths:
  /pets/{id}:
    parameters: []
    get: {operationId: getPetById, summary: Reads one}
    put: {summary: "Two\\nlines\\0"}
  /elsewhere: {$ref: paths.yaml}
  x-not: {get: {}}
"""
LINES = ["GET /pets/{id} getPetById Reads one", "PUT /pets/{id} Two lines", "/elsewhere"]


@pytest.fixture
def repository(database: Database, server: Server) -> Repository:
    return Repository(database, server)


def row(repository: Repository) -> dict[str, Any]:
    with repository.database.transaction("tenant-a") as connection:
        found = connection.execute("SELECT display_name, description, tags, owner, version, operations FROM apis"
                                   " WHERE api = 'pets'").fetchone()  # fmt: skip
    return dict(found or {})


def outcome(repository: Repository) -> list[dict[str, Any]]:
    (push,) = PushQueries(repository.database).recent(None, None, 1)
    return [said for said in push["outcome"] if "code" in said]


def test_what_the_files_say_is_on_the_event_and_in_the_row(repository: Repository) -> None:
    repository.push(said={API: SAID, SPEC: SPEC_SAID, PROD: "x"})
    _topic, value = repository.told[-1]
    want = {"display_name": "Pets", "description": "Everything with a tail", "tags": ["animals", "core"],
            "owner": "team-pets@example.com", "version": "2.0", "operations": "\n".join(LINES)}  # fmt: skip
    assert {name: value[name] for name in want} == row(repository) == want
    repository.push(removed=(API, SPEC, PROD))
    _topic, gone = repository.told[-1]
    assert (gone["operations"], row(repository)["operations"], gone["description"]) == ("", "", want["description"])
    repository.push(said={API: SAID.replace("  owner: team-pets@example.com\n", "")})
    assert row(repository) == {**want, "owner": None, "operations": ""}, "nothing is left of a former life"


def test_a_file_that_cannot_be_read_takes_nothing_away_and_the_push_says_why(repository: Repository) -> None:
    repository.push(said={API: SAID, SPEC: SPEC_SAID, PROD: "x"})
    before = row(repository)
    repository.push(said={API: SAID.replace("core]", "Core]"), SPEC: SPEC_SAID.replace("Reads", "Shows")})
    assert row(repository) == {**before, "operations": before["operations"].replace("Reads", "Shows")}
    (fault,) = [said for said in outcome(repository) if said.get("file") == API]
    assert (fault["code"], fault["field"], fault["line"]) == ("FILE_INVALID", "spec.tags.1", 7)
    repository.push(said={API: SAID.replace("Pets", "Beasts"), SPEC: "openapi: ["})
    assert (row(repository)["display_name"], row(repository)["operations"][:20]) == ("Beasts", LINES[0][:20])
    assert [said["file"] for said in outcome(repository) if said["code"].startswith("SPEC")] == [SPEC]


def test_a_push_of_too_many_apis_says_of_the_rest_what_it_said_before(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.push(said={API: SAID, PROD: "x"})
    monkeypatch.setattr(flows, "DESCRIBE_S", -1.0)
    repository.push(said={API: SAID.replace("tail", "nose")})
    assert "tail" in row(repository)["description"]
    assert [(said["code"], said["file"]) for said in outcome(repository)][-1] == ("NOT_DESCRIBED", FOLDER)
    assert repository.last[-1] == ("api-updated", "pets", 2)


def test_gitlab_that_is_away_is_waited_for() -> None:
    def away(_paths: Any) -> Any:
        raise Transient("gitlab", "gone")

    with pytest.raises(Transient):
        described([Touched("t", "a", (), 0, (), True, ("x",))], away, lambda: False)


def test_a_field_that_may_differ_between_environments_is_left_out() -> None:
    said = about(SAID.replace("Everything", "${KIND} of").replace("core]", '"${TAG}"]').encode(), API)
    assert (said.displayName, said.description, said.tags, said.owner) == ("Pets", "", [], "team-pets@example.com")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [("tags: [animals, core]", "spec.tags"), ('version: "2.0"', "spec.version"), ("owner: team", "spec.owner")],
)
def test_what_is_wrong_is_refused_with_its_field(wrong: str, field: str) -> None:
    with pytest.raises(Refused) as refused:
        about(SAID.replace(wrong, wrong.split(":")[0] + ": {a: 1} #").encode(), API)
    assert (refused.value.code, refused.value.field, refused.value.file) == ("FILE_INVALID", field, API)


def test_operations_are_as_many_whole_lines_as_fit() -> None:
    paths = {f"/é{n:05}": {"get": {"operationId": "x" * 3000}} for n in range(500)}
    text = operations_text(json.dumps({"openapi": "3.0.3", "paths": paths}).encode())
    assert 31_000 < len(text.encode()) <= 32_768
    assert {len(line) for line in text.split("\n")} == {500}
    assert operations_text(b'{"paths": [1]}') == operations_text(b'{"paths": {"b": {"get": {}}}}') == ""
    assert operations_text(b'{"paths": {"/a": 3, "/b": {"get": 3}}}') == "/b"
    with pytest.raises(SpecRefused):
        operations_text(b"[1")
