from collections.abc import Iterator
from pathlib import Path

import pytest

from stoa.adapters.opensearch import OpenSearch
from stoa.kernel.settings import Secret
from stoa.search.flows import Search
from tests.search.server import Server, search_server


@pytest.fixture(scope="session")
def one_server(run_folder: Path) -> Iterator[Server]:
    with search_server(run_folder / "opensearch.log") as server:
        yield server


@pytest.fixture
def server(one_server: Server) -> Server:
    one_server.empty()
    return one_server


@pytest.fixture
def opensearch(server: Server) -> OpenSearch:
    return OpenSearch(server.url, "", Secret(""))


@pytest.fixture
def search(opensearch: OpenSearch) -> Search:
    return Search(opensearch)
