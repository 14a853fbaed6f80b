"""What a push tells of APIs: created, updated, deleted, each under its own generation, in the push's transaction."""

from typing import Any

import pytest

from stoa.gitops import store
from stoa.gitops.model import Change
from stoa.gitops.model_apis import NAMED_CHANGES, apis
from stoa.gitops.queries import PushQueries
from stoa.kernel.database import Database
from stoa.kernel.errors import Transient
from tests.gitops.desk import Server, message
from tests.gitops.repository import Repository

ORDERS, PETS = "tenants/tenant-a/apis/orders", "tenants/tenant-a/apis/pets"


@pytest.fixture
def repository(database: Database, server: Server) -> Repository:
    return Repository(database, server)


def test_an_api_is_created_updated_deleted_and_begins_again(repository: Repository) -> None:
    first = repository.push(f"{ORDERS}/api.yaml", f"{ORDERS}/environments/dev.yaml", f"{ORDERS}/environments/prod.yaml")
    assert repository.last == [("api-created", "orders", 1)]
    repository.push(f"{ORDERS}/openapi.yaml", f"{PETS}/api.yaml", removed=(f"{ORDERS}/environments/prod.yaml",))
    assert repository.last == [("api-updated", "orders", 2), ("api-created", "pets", 1)]
    gone = repository.push(removed=tuple(f"{ORDERS}/{name}" for name in
                                         ("api.yaml", "environments/dev.yaml", "openapi.yaml")))  # fmt: skip
    assert repository.last == [("api-deleted", "orders", 3)]
    repository.push(f"{ORDERS}/api.yaml")
    assert repository.last == [("api-created", "orders", 4)], "the generation outlives the API"

    created, updated, _pets, deleted, again = (value for _topic, value in repository.told)
    assert (created["commit"], created["environments"]) == (first, ["dev", "prod"])
    assert (updated["changes"], updated["changed_files"]) == (["environments/prod.yaml", "openapi.yaml"], 2)
    assert (updated["environments"], updated["created_at"]) == (["dev"], created["created_at"])
    assert (deleted["commit"], deleted["environments"], deleted["deleted_by"]) == (gone, [], deleted["updated_by"])
    assert deleted["timestamp"] == deleted["updated_at"] > created["created_at"]
    assert again["created_at"] > deleted["timestamp"]
    with repository.database.transaction("tenant-b") as connection:
        assert connection.execute("SELECT 1 FROM apis").fetchone() is None
    with repository.database.transaction("tenant-a") as connection:
        rows = connection.execute("SELECT api, generation, deleted_at FROM apis ORDER BY api").fetchall()
    assert [tuple(row.values()) for row in rows] == [("orders", 4, None), ("pets", 1, None)]


def test_a_shared_file_updates_each_api_that_it_deploys_again(repository: Repository) -> None:
    repository.push(*(f"{api}/{name}" for api in (ORDERS, PETS) for name in ("api.yaml", "environments/dev.yaml")))
    repository.push("_defaults.yaml")
    repository.push("environments/dev/config.yaml", "environments/prod/config.yaml", "README.md")
    assert [(topic, value["api_id"], value.get("changes")) for topic, value in repository.told[2:]] == [
        ("api-updated", "orders", ["../../../../_defaults.yaml"]),
        ("api-updated", "pets", ["../../../../_defaults.yaml"]),
        ("api-updated", "orders", ["../../../../environments/dev/config.yaml"]),
        ("api-updated", "pets", ["../../../../environments/dev/config.yaml"]),
    ]


def test_what_is_no_api_of_ours_is_not_told(repository: Repository) -> None:
    foreign, misnamed = "tenants/tenant-b/apis/orders/api.yaml", "tenants/tenant-a/apis/Or_ders/api.yaml"
    repository.push(foreign, misnamed, f"{ORDERS}/README.md")
    assert repository.last == []
    repository.push(f"{ORDERS}/api.yaml")
    repository.push(f"{ORDERS}/api.yml", removed=(f"{ORDERS}/api.yaml",))
    assert repository.last == [("api-created", "orders", 1), ("api-updated", "orders", 2)]
    repository.push(removed=(f"{ORDERS}/api.yml", f"{ORDERS}/README.md"))
    repository.push(f"{ORDERS}/README.md")
    assert repository.last == [("api-deleted", "orders", 3)], "a folder without api.yaml is no API again"


def test_what_another_project_has_is_not_deleted(repository: Repository) -> None:
    repository.push(f"{ORDERS}/api.yaml")
    with repository.database.transaction("tenant-a") as connection:
        connection.execute("UPDATE apis SET project_id = project_id + 1")
    repository.push(f"{PETS}/api.yaml", removed=(f"{ORDERS}/api.yaml",))
    assert repository.last == [("api-created", "orders", 1), ("api-created", "pets", 1)]


def test_a_push_is_told_once_and_with_its_deployments_or_not_at_all(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_a: Any, **_k: Any) -> None:
        raise Transient("database", "gone")

    with monkeypatch.context() as patched:
        patched.setattr(store, "close_push", refuse)
        with pytest.raises(Transient):
            repository.push(f"{ORDERS}/api.yaml")
    assert repository.last == []
    repository.work()
    (push,) = PushQueries(repository.gitops.database).recent(None, None, 1)
    repository.gitops.plan_push(message(push["id"]))
    assert repository.last == [("api-created", "orders", 1)]
    assert repository.told[0][1]["trace_id"] == push["trace_id"]


def test_a_very_large_push_names_a_part_of_its_files() -> None:
    paths = [f"{ORDERS}/{number:04}.yaml" for number in range(NAMED_CHANGES + 10)]
    (found,) = apis([Change(path) for path in paths], paths).touched
    assert (len(found.changes), found.changed) == (NAMED_CHANGES, NAMED_CHANGES + 10)
