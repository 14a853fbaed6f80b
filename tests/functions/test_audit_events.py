"""GET /v1/audit: who did what, page by page, as JSON or a table; people are named to who may export."""

import csv
import io
import json
import re
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from stoa.adapters.opensearch import OpenSearch
from stoa.audit.events import COLUMNS, acted
from stoa.kernel.envelope import Event
from stoa.kernel.settings import Secret
from stoa.search.flows import Search
from tests.search.server import NOON, Server, audit, record, search_server

KEY = ec.generate_private_key(ec.SECP256R1())
EVIL = '=HYPERLINK("http://evil")'


class Realm(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        key = {**json.loads(ECAlgorithm.to_jwk(KEY.public_key())), "kid": "k", "use": "sig", "alg": "ES256"}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"keys": [key]}).encode())

    def log_message(self, *_: Any) -> None:
        pass


def token(role: str, tenant: str | None, subject: str = "sub-x") -> str:
    now = int(time.time())
    claims = {
        "iss": "http://issuer", "aud": "control-plane-api", "azp": "stoa-portal", "sub": subject, "typ": "Bearer",
        "iat": now, "exp": now + 300, "realm_access": {"roles": [role]}, "tenant_id": tenant,
    }  # fmt: skip
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, KEY, "ES256", {"kid": "k"})


def event(number: int, tenant: str = "tenant-acme", **said: Any) -> Event:
    """Three of them at the same moment."""
    known = {"actor": f"sub-{number % 3}", "ip": "192.0.2.1", "trace_id": f"trc-{number:032x}", **said}
    action, resource = known.pop("action", "DEPLOYMENT_STARTED"), known.pop("resource", f"deployments/dep-{number}")
    return acted(action, resource, tenant=tenant, at=NOON + timedelta(minutes=number // 3), **known)


class Log:
    """`newest_first` are the ids of all events; the api function reads them from the index."""

    def __init__(self, api: Any, events: list[Event]) -> None:
        self.api, self.events = api, events
        self.newest_first = [e.id for e in sorted(events, key=lambda e: (e.time, e.id), reverse=True)]

    def get(self, query: str = "", who: str | None = None, **headers: str) -> Any:
        sent = {"Authorization": f"Bearer {who}"} if who else {}
        return self.api.get(f"/v1/audit{query}", **sent, **headers)

    def ids(self, query: str = "", who: str | None = None) -> list[str]:
        return [item["event_id"] for item in self.get(query, who).json()["items"]]

    def where(self, wanted: Any) -> list[str]:
        known = {e.id: e for e in self.events}
        return [one for one in self.newest_first if wanted(known[one])]


@pytest.fixture(scope="module")
def log(start_api: Any, run_folder: Path) -> Iterator[Log]:
    realm = ThreadingHTTPServer(("127.0.0.1", 0), Realm)
    threading.Thread(target=realm.serve_forever, args=(0.01,), daemon=True).start()
    events = [event(n) for n in range(10)]
    events += [event(n, "tenant-b", action="CHANNEL_CREATED", resource="channels/tenant-b/x") for n in range(4, 7)]
    events.append(event(2, "_platform", action="AUDIT_HEARTBEAT", resource="audit-log", actor="machine:stoa", ip=""))
    events.append(event(11, outcome="refused", resource=EVIL, after={"note": 'a,"b"\nc'}, git_commit="@cmd"))
    with search_server(run_folder / "opensearch-of-audit.log") as server:
        search = Search(OpenSearch(server.url, "", Secret("")))
        assert search.index([record(e) for e in events]) == []
        keys = f"http://127.0.0.1:{realm.server_port}/certs"
        api = start_api(STOA_OPENSEARCH_URL=server.url, STOA_OIDC_ISSUER_URL="http://issuer", STOA_OIDC_KEYS_URL=keys)
        api.token = token("cpi-admin", None)
        yield Log(api, events)
    realm.shutdown()
    realm.server_close()


@pytest.mark.parametrize("limit", [1, 4, 1000])
def test_pages_hold_each_event_once_the_newest_first(log: Log, limit: int) -> None:
    found, after = list[str](), ""
    for _ in range(20):
        page = log.get(f"?limit={limit}{after}").json()
        found += [item["event_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        after = f"&cursor={page['next_cursor']}"
    assert found == log.newest_first


def test_an_event_is_what_was_written(log: Log) -> None:
    said = log.get("?outcome=refused").json()["items"]
    assert said == [
        {
            "event_id": log.events[-1].id, "occurred_at": "2026-03-31T12:03:00Z", "tenant": "tenant-acme",
            "actor": "sub-2", "ip": "192.0.2.1", "action": "DEPLOYMENT_STARTED", "resource": EVIL, "outcome": "refused",
            "trace_id": f"trc-{11:032x}", "git_commit": "@cmd", "before": None, "after": {"note": "a,\"b\"\nc"},
        }
    ]  # fmt: skip


def test_filters_hold_together(log: Log) -> None:
    assert log.ids("?tenant=tenant-b") == log.where(lambda e: e.tenant == "tenant-b")
    assert log.ids("?tenant=_platform&action=AUDIT_HEARTBEAT") == log.where(lambda e: e.tenant == "_platform")
    assert log.ids("?actor=sub-1&tenant=tenant-acme") == log.where(
        lambda e: (e.actor, e.tenant) == ("sub-1", "tenant-acme")
    )
    assert log.ids("?resource=channels/") == log.where(lambda e: e.tenant == "tenant-b")
    assert log.ids("?resource=deployments/dep-1") == [log.events[1].id]
    window = "?from=2026-03-31T12:01:00Z&to=2026-03-31T14:02:00%2B02:00"
    assert log.ids(window) == log.where(lambda e: e.time == NOON + timedelta(minutes=1))
    for query in (
        "?actor=nobody",
        "?tenant=tenant-c",
        "?resource=deployments",
        "?action=X",
        "?from=2027-01-01T00:00:00Z",
    ):
        assert log.ids(query) == []


@pytest.mark.parametrize(
    "query",
    ["?from=2026-03-31", "?from=2026-03-31T12:00:00", "?outcome=maybe", "?format=xml", "?limit=1001", "?actor=a%20b",
     "?tenant=_other", "?since=2026-03-31T12:00:00Z", "?cursor=x", "?action=lower"],
)  # fmt: skip
def test_what_is_no_question_is_refused(log: Log, query: str) -> None:
    assert log.get(query).status_code == 422


def test_a_table_has_the_same_events_and_no_cell_that_a_spreadsheet_runs(log: Log) -> None:
    answers = [log.get("?format=csv"), log.get(Accept="text/csv, */*")]
    assert [(a.status_code, a.headers["Content-Type"]) for a in answers] == [(200, "text/csv; charset=utf-8")] * 2
    assert answers[0].text == answers[1].text
    rows = list(csv.DictReader(io.StringIO(answers[0].text, newline="")))
    assert [row["event_id"] for row in rows] == log.newest_first
    assert tuple(rows[0]) == COLUMNS
    (evil,) = [row for row in rows if row["outcome"] == "refused"]
    assert (evil["resource"], evil["git_commit"]) == (f"'{EVIL}", "'@cmd")
    assert json.loads(evil["after"]) == {"note": 'a,"b"\nc'}
    assert log.get("?format=json", Accept="text/csv").json()["items"]


def test_a_table_names_its_next_page(log: Log) -> None:
    found, path = list[str](), "?limit=6&format=csv&tenant=tenant-acme"
    while path:
        answer = log.get(path)
        found += [row["event_id"] for row in csv.DictReader(io.StringIO(answer.text, newline=""))]
        more = re.fullmatch(r'</v1/audit(\?[^>]+)>; rel="next"', answer.headers.get("Link", ""))
        path = more[1] if more else ""
    assert found == log.where(lambda e: e.tenant == "tenant-acme")


def test_a_caller_reads_the_own_tenant_and_people_only_with_the_permission(log: Log) -> None:
    admin, viewer = token("tenant-admin", "tenant-acme"), token("viewer", "tenant-acme")
    own = log.where(lambda e: e.tenant == "tenant-acme")
    for who in (admin, viewer, token("devops", "tenant-acme")):
        assert log.ids("", who) == log.ids("?tenant=tenant-acme", who) == own
        assert [log.get(f"?tenant={other}", who).status_code for other in ("tenant-b", "_platform")] == [404, 404]
    for who, named in ((admin, True), (viewer, False), (token("security", None), True)):
        items = log.get("?outcome=refused", who).json()["items"]
        assert [item["actor"] is not None and item["ip"] is not None for item in items] == [named]
        assert [item["after"] is not None for item in items] == [named]
        assert log.get("?actor=sub-1", who).status_code == (200 if named else 403)
    assert "192.0.2.1" not in log.get("?format=csv", viewer).text
    assert log.get("", token("service", "tenant-acme")).status_code == 403
    assert log.get("", "none").status_code == 401


def test_a_consumer_reads_what_it_did_itself(log: Log) -> None:
    who = token("consumer", None, "sub-1")
    mine = log.where(lambda e: e.actor == "sub-1")
    assert log.ids("", who) == log.ids("?actor=sub-1", who) == mine
    assert log.get("", who).json()["items"][0]["actor"] == "sub-1"
    assert log.get("?actor=sub-2", who).status_code == 403


def test_an_event_of_somebody_else_goes_into_an_older_index_and_breaks_no_page(run_folder: Path) -> None:
    with search_server(run_folder / "opensearch-of-others.log") as server:
        old_fields_only(server)
        strange = audit(NOON)
        data = {"ip": 7, "before": "x", "after": [1], "git_commit": {}, "action": 3, "outcome": None}
        strange = Event(**{**vars(strange), "data": data})
        assert Search(OpenSearch(server.url, "", Secret(""))).index([record(strange)]) == []
        (body,) = server.documents("audit-*").values()
        from functions.api.routes.audit import _event

        assert _event(body, True).model_dump(exclude_none=True).keys() == {
            "event_id", "occurred_at", "tenant", "actor", "resource", "trace_id",
        }  # fmt: skip


def old_fields_only(server: Server) -> None:
    """An index of before there were action and outcome, which takes nothing that it does not know."""
    fields = {name: {"type": "keyword"} for name in ("event_id", "tenant_id", "actor", "subject")}
    mappings = {"dynamic": "strict", "properties": {"@timestamp": {"type": "date"}, **fields}}
    server.look.indices.create(index="audit-2026.03", body={"mappings": mappings})
