"""From a push to the synced application: what gitops tells is what rollouts reads."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stoa.adapters.argocd import ArgoCd
from stoa.entrypoints.kafka import Consumer
from stoa.kernel.database import Database
from stoa.kernel.outbox import Row
from stoa.kernel.settings import Secret
from stoa.rollouts.flows import Rollouts
from tests.emulators.argocd.kit import TOKEN, Kit, kits
from tests.gitops.desk import Server
from tests.gitops.repository import Repository

ORDERS = "tenants/tenant-a/apis/orders"


@pytest.fixture
def repository(database: Database, tmp_path: Path) -> Iterator[Repository]:
    """In a folder of its own: other tests have repositories with an API of this name."""
    server = Server(tmp_path)
    yield Repository(database, server)
    server.stop()


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    with kits(tmp_path, repositories=tmp_path / "gitlab" / "repositories") as made:
        yield made


def test_a_push_ends_in_a_sync_of_its_commit_and_a_removal_in_a_pruned_application(
    repository: Repository, kit: Kit, database: Database
) -> None:
    rollouts = Rollouts(database, ArgoCd(kit.url, Secret(TOKEN)))
    dead: list[Row] = []
    consumer = Consumer("c", database, dead.extend, rollouts.sync, rollouts.give_up, True, 1000.0)

    def carried_out() -> str:
        """The newest event is consumed and followed; the state it comes to."""
        kit.later()  # the ApplicationSet has looked
        assert consumer.process({"records": {"any": repository.records[-1:]}}, lambda: 60_000) == {
            "batchItemFailures": []
        }
        for _ in range(2):
            kit.later()
            rollouts.follow(lambda: 60_000)
        with database.transaction() as connection:
            return str(connection.execute("SELECT state FROM rollouts").fetchone()["state"])  # type: ignore[index]

    for files in ((f"{ORDERS}/api.yaml", f"{ORDERS}/environments/dev.yaml"), (f"{ORDERS}/api.yaml",)):
        commit = repository.push(*files)
        assert carried_out() == "succeeded"
        status = kit.read(("tenant-a-orders", "tenant-a"), refresh="normal")["status"]
        assert (status["operationState"]["syncResult"]["revision"], status["sync"]["status"]) == (commit, "Synced")
    repository.push("README.md", removed=(f"{ORDERS}/api.yaml", f"{ORDERS}/environments/dev.yaml"))
    assert [topic for topic, _ in repository.told] == ["api-created", "api-updated", "api-deleted"]
    assert carried_out() == "removed"
    assert dead == []
