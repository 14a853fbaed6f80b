"""Traces are found: page by page, each once, and by one word, whether the index is there or not."""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stoa.adapters.opensearch import OpenSearch
from stoa.deployments import store
from stoa.deployments.model import Deployment, Lane, Verdict
from stoa.kernel import ids
from stoa.kernel.database import Database
from stoa.kernel.settings import Secret
from stoa.search.flows import Search
from tests.search.server import NOON, Server, asked_and_ended, deployment, push, record, search_server

EMPTY_PUSH, BY_HAND, BETWEEN = "trc-" + "e" * 32, "trc-" + "b" * 32, "trc-" + "a" * 32
ERIN_S_COMMIT = "e" * 40


class Shop:
    """Ten pushes of a shop, five at the same moment, each deployed twice in dev and later once in staging; a push that
    deployed nothing, a start by hand and one between the pushes. In PostgreSQL and in the index."""

    def __init__(self, api: Any, server: Server) -> None:
        self.api, self.server = api, server
        self.traces = [f"trc-{n * 7 % 10:032x}" for n in range(10)]
        self.newest_first: list[str] = []
        events, made = [], []
        for n, trace_id in enumerate(self.traces):
            at, commit = NOON + timedelta(minutes=n // 5), f"{n}0ffee0" + "0" * 33
            events.append(push(trace_id, commit, at))
            own = [deployment(name, at + timedelta(seconds=1), trace_id=trace_id, commit=commit) for name in "xy"]
            lane, late = Lane("tenant-acme", "x", "staging"), NOON + timedelta(hours=1, minutes=-n)
            made += [*own, deployment(at=late, lane=lane, trace_id=trace_id, commit=commit, trigger="retry")]
        events.append(push(EMPTY_PUSH, ERIN_S_COMMIT, NOON - timedelta(days=40), "gitlab:99"))
        lane, at = Lane("tenant-b", "by-hand", "dev"), NOON + timedelta(hours=2)
        by_hand = deployment(
            at=at, lane=lane, trace_id=BY_HAND, commit="abcdef1" * 5, trigger="api-call", requested_by="machine:Ann"
        )
        self.by_hand = by_hand
        lane = Lane("tenant-c", "between", "dev")
        made.append(
            deployment(at=NOON + timedelta(seconds=30), lane=lane, trace_id=BETWEEN, requested_by="machine:Bob")
        )
        self._store(events, [*made, by_hand])
        told = [event for one in [*made, by_hand] for event in asked_and_ended(one)]
        assert Search(OpenSearch(server.url, "", Secret(""))).index([record(e) for e in [*told, *events]]) == []
        begun = sorted(((NOON + timedelta(minutes=n // 5), one) for n, one in enumerate(self.traces)), reverse=True)
        ordered = [one for _, one in begun]
        self.newest_first = [BY_HAND, *ordered[:5], BETWEEN, *ordered[5:], EMPTY_PUSH]

    def _store(self, events: list[Any], made: list[Deployment]) -> None:
        for event in events:
            value = event.data
            self.api.rows(
                "INSERT INTO pushes (id, project_id, ref, before_sha, after_sha, pusher, trace_id, state, received_at,"
                " processed_at) VALUES (%s, 7, 'refs/heads/main', '0', %s, %s, %s, 'done', %s, %s)",
                value["push_id"], value["after"], value["pusher"], value["trace_id"], event.time, event.time,
            )  # fmt: skip
        database = Database(Secret(self.api.database_url), "stoa_worker")
        for generation, one in enumerate(made):
            with database.transaction(one.lane.tenant) as connection:
                numbered = Deployment(**{**vars(one), "generation": generation + 1})
                store.insert(connection, numbered)
                store.step(connection, numbered, "requested", "success", one.requested_at, one.requested_at)
                bad = one is made[0]
                verdict = Verdict("failed" if bad else "succeeded", None, {"code": "X", "detail": "x"} if bad else None)
                store.finish(connection, one.id, verdict, one.requested_at + timedelta(seconds=20))
        database.close()

    def pages(self, path: str, limit: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = ""
        for _ in range(50):
            page = self.api.get(f"{path}{'&' if '?' in path else '?'}limit={limit}{after}").json()
            assert 0 < len(page["items"]) <= limit
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            after = f"&cursor={page['next_cursor']}"
        raise AssertionError("no end")

    def ids(self, query: str, limit: int = 200) -> list[str]:
        items = self.api.get(f"/v1/traces{query}{'&' if '?' in query else '?'}limit={limit}").json()["items"]
        return [item["trace_id"] for item in items]


@pytest.fixture(scope="module")
def shop(start_api: Any, run_folder: Path) -> Iterator[Shop]:
    with search_server(run_folder / "opensearch.log") as server:
        yield Shop(start_api(STOA_OPENSEARCH_URL=server.url), server)


@pytest.mark.parametrize("limit", [1, 3, 12, 200])
def test_pages_of_traces_hold_each_once_in_the_order_of_their_beginning(shop: Shop, limit: int) -> None:
    assert [item["trace_id"] for item in shop.pages("/v1/traces", limit)] == shop.newest_first


def test_a_line_of_the_list_says_what_the_trace_itself_says(shop: Shop) -> None:
    lines = {item["trace_id"]: item for item in shop.pages("/v1/traces", 200)}
    for trace_id, line in lines.items():
        whole = shop.api.get(f"/v1/traces/{trace_id}").json()
        for name in ("status", "started_at", "completed_at", "total_duration_ms"):
            assert line[name] == whole[name], (trace_id, name)
        wanted = {d["id"]: d["state"] for d in whole["deployments"]}
        assert {d["id"]: d["state"] for d in line["deployments"]} == wanted
    assert lines[shop.traces[0]]["status"] == "failed"
    assert (lines[EMPTY_PUSH]["person"], lines[EMPTY_PUSH]["deployments"]) == ("gitlab:99", [])
    assert (lines[BY_HAND]["trigger"], lines[BY_HAND]["person"]) == ("api-call", "machine:Ann")
    found = {item["trace_id"]: item for item in shop.api.get("/v1/traces/search?q=machine:Ann").json()["items"]}
    assert found == {BY_HAND: lines[BY_HAND]}


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 9, 200])
def test_pages_of_a_search_hold_each_trace_once_where_its_newest_match_stands(shop: Shop, limit: int) -> None:
    """The older matches of a trace stand pages below the newest one, in another order; those of y at the same time."""
    found = [item["trace_id"] for item in shop.pages("/v1/traces/search?q=gitlab:5", limit)]
    assert found == shop.traces
    found = [item["trace_id"] for item in shop.pages("/v1/traces/search?q=y", limit)]
    assert found == [one for one in shop.newest_first if one in shop.traces]


def test_words_find_what_they_name(shop: Shop) -> None:
    one, ten = shop.traces[3], sorted(shop.traces)
    wanted: dict[str, list[str]] = {
        one: [one], one.removeprefix("trc-").upper(): [one], "30ffee0": [one], "30FFEE00": [one], "30ffee": [],
        "orders": [], "by-hand": [BY_HAND], shop.by_hand.id: [BY_HAND], "machine:Ann": [BY_HAND], "machine:ann": [],
        "gitlab:99": [EMPTY_PUSH], ERIN_S_COMMIT[:7]: [EMPTY_PUSH], "machine:stoa": [], ids.trace_id(): [],
        "*": [], '"}': [], "tenant-acme": [], "x": ten, "y": ten,
    }  # fmt: skip
    assert {word: sorted(shop.ids(f"/search?q={word.replace('+', '%2B')}")) for word in wanted} == wanted
    assert shop.ids("/search?q=by-hand&tenant=tenant-acme") == []
    assert shop.ids("/search?q=by-hand&tenant=tenant-b") == [BY_HAND]


def test_filters_of_the_list_hold_together(shop: Shop) -> None:
    one = shop.traces[3]
    assert shop.ids("?tenant=tenant-b") == [BY_HAND] == shop.ids("?api=by-hand&person=machine:Ann")
    assert shop.ids("?tenant=tenant-b&person=gitlab:5") == []
    assert shop.ids("?commit=30ffee0") == [one] == shop.ids("?commit=30ffee0&tenant=tenant-acme&api=y")
    assert shop.ids("?commit=eeeeeee") == [EMPTY_PUSH] == shop.ids("?person=gitlab:99")
    assert shop.ids("?person=gitlab:99&tenant=tenant-acme") == [], "a push belongs to no tenant"
    paged = [item["trace_id"] for item in shop.pages("/v1/traces?tenant=tenant-acme&api=x", 3)]
    assert paged == [one for one in shop.newest_first if one in shop.traces]


@pytest.mark.parametrize(
    "query",
    ["/search", "/search?q=", "/search?q=a%20b", "/search?q=%C3%A9", "/search?q=x&api=y", "?commit=30ffee", "?q=x"],
)
def test_what_is_no_question_is_refused(shop: Shop, query: str) -> None:
    answer = shop.api.get(f"/v1/traces{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_REQUEST")


def test_a_new_trace_between_two_pages_hides_none(shop: Shop) -> None:
    first = shop.api.get("/v1/traces?limit=5").json()
    shop.api.rows(
        "INSERT INTO pushes (id, project_id, ref, before_sha, after_sha, pusher, trace_id, state, received_at)"
        " VALUES ('late', 7, 'r', '0', '1', 'gitlab:5', %s, 'accepted', now())", "trc-" + "f" * 32,
    )  # fmt: skip
    rest = shop.api.get(f"/v1/traces?limit=200&cursor={first['next_cursor']}").json()
    both = [item["trace_id"] for item in itertools.chain(first["items"], rest["items"])]
    shop.api.rows("DELETE FROM pushes WHERE id = 'late'")
    assert both == shop.newest_first


def test_without_the_index_the_list_still_answers(shop: Shop) -> None:
    shop.server.child.stop()
    answer = shop.api.get("/v1/traces/search?q=x")
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json")
    assert (answer.json()["code"], "GET /v1/traces " in answer.json()["hint"]) == ("UNAVAILABLE", True)
    assert shop.ids("") == shop.newest_first
    shop.server.start()
    assert shop.ids("/search?q=x") == [], "an index that was lost finds nothing"


def test_a_tenant_is_shown_its_own_part_of_a_trace_and_no_other(shop: Shop) -> None:
    """Two traces that two tenants share, one begun with a push and one without; the one without began with another."""
    ours, shared = "tenant-ours", [f"trc-{n:032x}" for n in (0xAA, 0xAB)]
    made = []
    for n, trace_id in enumerate(shared):
        for late, tenant in enumerate(("tenant-theirs", ours)):
            at = NOON - timedelta(days=1, minutes=n) + timedelta(minutes=5 * late)
            made.append(deployment(at=at, lane=Lane(tenant, "shared", "dev"), trace_id=trace_id))
    shop._store([push(shared[0], "f" * 40, NOON - timedelta(days=1))], made)
    for tenant in ("tenant-theirs", ours):
        shop.api.rows(
            "INSERT INTO rollouts (tenant, api, generation, revision, trace_id, state, started_at)"
            " VALUES (%s, 'shared', 1, 'r', %s, 'waiting', now())", tenant, shared[0],
        )  # fmt: skip
        shop.api.rows(
            "INSERT INTO notifications (tenant, event_id, channel, type, trace_id, line, state, taken_at)"
            " VALUES (%s, 'e', 'team', 'deploy_failed', %s, '', 'sent', now())", tenant, shared[0],
        )  # fmt: skip
    lists = [shop.pages(f"/v1/traces?tenant={ours}", limit) for limit in (1, 200)]
    assert [[item["trace_id"] for item in items] for items in lists] == [[shared[1], shared[0]]] * 2
    assert [d["tenant"] for items in lists for item in items for d in item["deployments"]] == [ours] * 4
    whole = shop.api.get(f"/v1/traces/{shared[0]}?tenant={ours}").json()
    assert [d["tenant"] for d in whole["deployments"]] == [ours]
    names = [step["name"] for step in whole["timeline"]]
    assert (names.count("argocd_sync"), names.count("notify"), names.count("webhook_received")) == (1, 1, 1)
    assert len(shop.api.get(f"/v1/traces/{shared[0]}").json()["deployments"]) == 2
    assert shop.api.get(f"/v1/traces/{EMPTY_PUSH}?tenant={ours}").status_code == 404
    assert shop.api.get(f"/v1/traces/{shared[0]}?tenants={ours}").status_code == 422
    events = [event for one in made for event in asked_and_ended(one)]
    assert Search(OpenSearch(shop.server.url, "", Secret(""))).index([record(e) for e in events]) == []
    found = shop.api.get(f"/v1/traces/search?q=shared&tenant={ours}").json()["items"]
    assert {(item["trace_id"], d["tenant"]) for item in found for d in item["deployments"]} == {
        (trace_id, ours) for trace_id in shared
    }
