"""A real OpenSearch does what its stand-in on this machine does: the same tests, and what only it can show."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from opensearchpy import OpenSearch as Independent

from local.parts.opensearch import OpenSearchNode
from local.parts.ports import beyond_loopback
from stoa.adapters.opensearch import OpenSearch
from stoa.search import templates
from stoa.search.flows import Search
from tests.real.at_hand import OPENSEARCH, opensearch_is_missing
from tests.search import test_reindex, test_search_index
from tests.search.conftest import opensearch, search, server
from tests.search.server import Server, push, record

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
FIXTURES = (opensearch, search, server)
SHARED = {
    name: test
    for module in (test_search_index, test_reindex)
    for name, test in vars(module).items()
    if name.startswith("test_")
}
# what is away is away, whatever it was, and this one takes long to come back
del SHARED["test_a_server_that_is_away_is_waited_for"]
globals().update(SHARED)


@dataclass
class Real(Server):
    node: OpenSearchNode

    def start(self) -> None:
        self.node.start()

    def lose_everything(self) -> None:
        self.empty()


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if missing := opensearch_is_missing():
        pytest.skip(missing)
    node = OpenSearchNode(OPENSEARCH, tmp_path_factory.mktemp("opensearch"))
    try:
        node.start()
        assert node.child.pid is not None
        assert beyond_loopback([node.child.pid]) == []
        yield Real(node.url, node.child, Independent(node.url), node)
    finally:
        node.child.stop()


def test_the_longest_id_that_we_take_is_the_longest_that_it_takes(
    search: Search, opensearch: OpenSearch, server: Server
) -> None:
    longest = replace(push("trc-" + "8" * 32), id="e" * 512)
    assert search.index([record(longest)]) == []
    assert server.ids("stoa-events-*") == [longest.id]
    action = {"create": {"_index": "stoa-events-2026.03", "_id": "e" * 513}}
    (item,) = opensearch.bulk([f"{json.dumps(action)}\n{{}}\n".encode()])
    assert (item.status, item.kind, "validation_exception" in item.reason) == (400, "refused", True), item


def test_without_the_plugin_there_is_no_policy_and_everything_else_is(search: Search, opensearch: OpenSearch) -> None:
    assert opensearch.put_policy(templates.AUDIT_POLICY, templates.audit_policy()) is False
    assert search.index([record(push("trc-" + "9" * 32))]) == []
    assert set(opensearch.template_versions("stoa-*").values()) == {templates.VERSION}
