"""Every event once, one document per deployment whatever the order, and nothing that one bad record holds up."""

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stoa.deployments.model import Verdict
from stoa.kernel.errors import Transient
from stoa.search.flows import Search
from tests.search.server import NOON, Server, asked_and_ended, audit, deployment, push, record

EVERYTHING = "stoa-events-*,audit-*"


def test_every_event_is_there_once_however_often_it_comes(search: Search, server: Server) -> None:
    events = [event for n in range(20) for event in asked_and_ended(deployment(f"api-{n}"))]
    events += [push("trc-" + "1" * 32), audit(NOON)]
    records = [record(event) for event in events]
    assert search.index(records) == []
    assert search.index(records[::-1]) == []
    assert search.index([record(event) for event in events]) == [], "the same events at other offsets"
    assert server.ids(EVERYTHING) == sorted(event.id for event in events)


def test_audit_events_go_by_the_date_of_the_event_and_nowhere_else(search: Search, server: Server) -> None:
    eve = datetime(2025, 12, 31, 23, 59, 59, 999000, UTC)
    old, new = audit(eve), audit(eve + timedelta(milliseconds=1))
    assert search.index([record(new), record(old)]) == []
    assert (server.ids("audit-2025.12"), server.ids("audit-2026.01")) == ([old.id], [new.id])
    assert server.ids("stoa-events-*") == []
    assert server.documents("audit-2025.12")[old.id]["data"]["why"] == {"any": [1, None, {"": 2}]}


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (1, 0, 1), (0, 1, 0)])
@pytest.mark.parametrize("together", [True, False])
def test_a_trace_document_ends_as_the_result_says(
    search: Search, server: Server, order: tuple[int, ...], together: bool
) -> None:
    """The request is of March and the result of April: both meet in one document."""
    d = deployment(at=datetime(2026, 3, 31, 23, 59, 50, tzinfo=UTC), awx_job_id=12, api_version="1.2.0")
    pair = [record(e) for e in asked_and_ended(d, Verdict("failed", None, {"code": "AWX_JOB_FAILED", "detail": "no"}))]
    records = [pair[n] for n in order]
    for batch in [records] if together else [[one] for one in records]:
        assert search.index(batch) == []
    assert server.documents("apim-traces-*") == server.documents("apim-traces-2026.03")
    (found,) = server.documents("apim-traces-*").items()
    assert found[0] == d.id
    assert found[1] == {
        "@timestamp": "2026-03-31T23:59:50.000Z", "created_at": "2026-03-31T23:59:50.000Z",
        "completed_at": "2026-04-01T00:00:10.000Z", "total_duration_ms": 20_000, "trace_id": d.trace_id,
        "deployment_id": d.id, "tenant_id": "tenant-acme", "api_id": "orders", "api_name": "orders",
        "api_version": "1.2.0", "environment": "dev", "action": "deploy", "generation": 1,
        "trigger_type": "gitlab-push", "requested_by": "gitlab:5", "git_author": "gitlab:5",
        "git_commit_sha": d.commit, "git_project": 7, "status": "failed", "error_code": "AWX_JOB_FAILED",
        "error_summary": "no", "verified": False, "awx_job_id": 12,
        "steps": [
            {"name": "requested", "status": "success", "started_at": "2026-03-31T23:59:50.000Z",
             "completed_at": "2026-03-31T23:59:50.000Z"},
            {"name": "deploy", "status": "failed", "started_at": "2026-03-31T23:59:50.000Z",
             "completed_at": "2026-04-01T00:00:10.000Z"},
        ],
    }  # fmt: skip


def test_a_request_alone_is_under_way_and_a_result_counts_for_its_tenant(search: Search, server: Server) -> None:
    asked, ended = asked_and_ended(deployment())
    search.index([record(asked)])
    (before,) = server.documents("apim-traces-*").values()
    assert (before["status"], "completed_at" in before) == ("in_progress", False)
    assert server.ids("apim-analytics-*") == []
    search.index([record(ended), record(ended)])
    (counted,) = server.documents("apim-analytics-tenant-acme").items()
    assert (counted[0], counted[1]["outcome"], counted[1]["duration_ms"]) == (ended.id, "success", 20_000)


def broken(made: dict[str, Any]) -> dict[str, Callable[[], dict[str, Any]]]:
    def valued(text: str) -> dict[str, Any]:
        return {**made, "value": base64.b64encode(text.encode()).decode()}

    def headed(name: str, text: str) -> dict[str, Any]:
        return {**made, "headers": [*made["headers"], {name: list(text.encode())}]}

    return {
        "no headers": lambda: {**made, "headers": []},
        "no value": lambda: {**made, "value": None},
        "no JSON": lambda: valued("{"),
        "a number too long for Python": lambda: valued('{"a":' + "9" * 5000 + "}"),
        "NaN": lambda: valued('{"a":NaN}'),
        "nested deeply": lambda: valued('{"a":' * 5000 + "1" + "}" * 5000),
        "an id too long": lambda: headed("ce_id", "é" * 257),
        "no time": lambda: headed("ce_time", "yesterday"),
        "a time without a zone": lambda: headed("ce_time", "2026-01-01T00:00:00"),
        "a time that UTC cannot say": lambda: headed("ce_time", "0001-01-01T00:00:00+01:00"),
    }


@pytest.mark.parametrize("fault", list(broken({"headers": []})))
def test_a_record_that_is_no_event_is_given_back_and_the_others_are_stored(
    search: Search, server: Server, fault: str
) -> None:
    good = [asked_and_ended(deployment())[0] for _ in range(2)]
    bad = broken(record(push("trc-" + "2" * 32)))[fault]()
    ((given_back, error),) = search.index([record(good[0]), bad, record(good[1])])
    assert given_back is bad
    assert error.code in ("NOT_A_CLOUDEVENT", "BAD_RECORD", "NOT_INDEXABLE")
    assert server.ids(EVERYTHING) == sorted(event.id for event in good)


def test_what_the_server_refuses_of_one_document_is_the_fault_of_its_record(search: Search, server: Server) -> None:
    """An index of another make, where the date is a number."""
    mapping = {"properties": {"@timestamp": {"type": "integer"}}}
    server.look.indices.create(index="stoa-events-2026.05", body={"mappings": mapping})
    good, bad = push("trc-" + "3" * 32), replace(push("trc-" + "4" * 32), time=datetime(2026, 5, 1, tzinfo=UTC))
    ((given_back, error),) = search.index([record(good), made := record(bad)])
    assert (given_back, error.code) == (made, "NOT_INDEXABLE")
    assert "@timestamp" in error.detail
    assert server.ids(EVERYTHING) == [good.id]


def test_values_of_no_promised_shape_are_still_events(search: Search, server: Server) -> None:
    asked, ended = asked_and_ended(deployment())
    strange = [
        replace(ended, data={**ended.data, "requested_at": 5}, id="a"),
        replace(ended, data={**ended.data, "tenant": "tenant-other"}, id="b"),
        replace(ended, tenant="../x", data={**ended.data, "tenant": "../x"}, id="c"),
        replace(asked, data={"project_id": 2**70, "commit": ["x"], "trace_id": {}}, id="d"),
        replace(ended, data={**ended.data, "error": "x", "duration_ms": 1.5, "verified": "yes", "status": 3}, id="e"),
        replace(asked, data={**asked.data, "api_id": "k" * 40_000}, id="f"),
    ]
    half = {**record(strange[3]), "value": base64.b64encode(b'{"tenant":"\\ud800","\\udfff":[]}').decode()}
    assert search.index([*map(record, strange[:3]), half, *map(record, strange[4:])]) == []
    assert server.ids(EVERYTHING) == ["a", "b", "c", "d", "e", "f"]
    assert server.ids("apim-analytics-*") == ["e"]


def test_templates_are_put_before_the_first_document_and_again_when_the_server_lost_them(
    search: Search, server: Server
) -> None:
    one, two = push("trc-" + "5" * 32), push("trc-" + "6" * 32)
    for event in (one, two):
        assert search.index([record(event)]) == []
        names = {entry["name"] for entry in server.look.indices.get_index_template(name="*")["index_templates"]}
        assert names == {"stoa-events", "stoa-audit", "stoa-traces", "stoa-analytics"}
        mapping = server.look.indices.get_mapping(index="stoa-events-2026.03")["stoa-events-2026.03"]["mappings"]
        assert (mapping["dynamic"], mapping["properties"]["trace_id"]["type"]) == ("strict", "keyword")
        assert mapping["properties"]["data"] == {"type": "object", "enabled": False}
        server.lose_everything()


def test_a_server_that_is_away_is_waited_for(search: Search, server: Server) -> None:
    event = push("trc-" + "7" * 32)
    server.child.stop()
    with pytest.raises(Transient):
        search.index([record(event)])
    server.start()
    assert search.index([record(event)]) == []
    assert server.ids(EVERYTHING) == [event.id]
