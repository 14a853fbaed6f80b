"""The index can be made anew from the log, whatever it held before, and while the function goes on."""

import pytest

from local.replay.search import BATCH, NotWhole, reindex
from stoa.adapters.opensearch import OpenSearch
from stoa.search.flows import Search
from tests.search.server import NOON, Server, asked_and_ended, audit, deployment, record


def test_an_index_that_is_made_anew_holds_what_the_log_holds(
    search: Search, opensearch: OpenSearch, server: Server
) -> None:
    """Before: an index that guessed its fields, a document of nobody, half of the events."""
    server.look.index(index="stoa-events-2026.03", id="nobody", body={"trace_id": 1})
    server.look.index(index="another-index", id="x", body={})
    events = [event for n in range(BATCH // 2 + 10) for event in asked_and_ended(deployment(f"api-{n}"))]
    events.append(audit(NOON))
    records = [record(event) for event in events]
    search.index([*records[:30], records[-1]])
    seen: list[int] = []

    def progress(count: int) -> None:
        seen.append(count)
        search.index(records[:5])  # the function goes on

    broken = {**records[0], "headers": [], "offset": 77}
    done = reindex(iter([*records, *records[:7], broken]), opensearch, progress)
    assert (done.records, seen) == (len(records) + 8, [BATCH, len(records) + 8])
    assert [line.split(":")[0] for line in done.refused] == ["deploy-requests/0/77"]
    assert done.deleted_indices == 4, "events, audit, traces, analytics"
    assert server.ids("stoa-events-*,audit-*") == sorted(event.id for event in events)
    assert len(server.ids("apim-traces-*")) == BATCH // 2 + 10
    mapping = server.look.indices.get_mapping(index="stoa-events-2026.03")["stoa-events-2026.03"]["mappings"]
    assert mapping["properties"]["trace_id"]["type"] == "keyword"
    assert server.ids("another-index") == ["x"]


def test_one_that_is_ended_in_the_middle_says_that_the_index_is_not_whole(opensearch: OpenSearch) -> None:
    def impatient(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(NotWhole, match="KeyboardInterrupt"):
        reindex([record(audit(NOON))], opensearch, impatient)
