"""A GitLab project with a first commit, registered for tenant-a, and what a person asks for there."""

from collections.abc import Iterator

import pytest

from stoa.kernel.database import Database
from tests.authoring.desk import Author
from tests.gitops.desk import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("gitlab"))
    yield made
    made.stop()


@pytest.fixture
def author(database: Database, server: Server) -> Author:
    return Author(database, server)
