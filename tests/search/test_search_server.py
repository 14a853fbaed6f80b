"""What a cluster answers when it does not take everything, and what is made of it: a server that answers by the book.

Source of the answers: docs.opensearch.org, Bulk API and Index State Management API.
"""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from stoa.adapters.opensearch import BULK_BYTES, OpenSearch
from stoa.kernel.errors import Transient
from stoa.kernel.settings import Secret
from stoa.search import flows, templates
from stoa.search.flows import Search
from tests.search.server import push, record

Answer = tuple[int, dict[str, Any]]
READY = {
    "index_templates": [
        {"name": name, "index_template": {"version": templates.VERSION}} for name in templates.index_templates()
    ]
}
NO_HANDLER: Answer = (400, {"error": "no handler found for uri [/_plugins/_ism/policies/x] and method [GET]"})


class Cluster:
    """`bulk` and `policy` answer; `asked` holds method, path, headers and body of every request."""

    def __init__(self) -> None:
        self.bulk: Callable[[list[str]], Answer] = lambda ids: stored(ids)
        self.policy: Callable[[str, str], Answer] = lambda _method, _path: NO_HANDLER
        self.known: dict[str, Any] = READY
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        self.asked.append((method, path, headers, body))
        if path == "/_bulk":
            assert body.endswith(b"\n")
            assert "chunked" not in headers.get("Transfer-Encoding", "")
            return self.bulk([next(iter(json.loads(line).values()))["_id"] for line in body.splitlines()[::2]])
        if "_ism" in path:
            return self.policy(method, path)
        return 200, self.known if method == "GET" else {"acknowledged": True}

    def bulks(self) -> list[bytes]:
        return [body for _, path, _, body in self.asked if path == "/_bulk"]


def stored(ids: list[str], **other: Any) -> Answer:
    """`other` replaces the item of an id."""
    items = [{"create": {"_id": one, "status": 201, **other.get(one, {})}} for one in ids]
    return 200, {"errors": bool(other), "items": items}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, said = made.answer(self.command, self.path, dict(self.headers), body)
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Retry-After", "20")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = _any  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def search(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> Search:
    monkeypatch.setattr(flows, "PAUSES_S", (0.0, 0.0))
    return Search(OpenSearch(cluster.url, "stoa", Secret("s3cret")))


PUSHES = [push(f"trc-{n:032}") for n in range(8)]
IDS = [event.id for event in PUSHES]
RECORDS = [record(event) for event in PUSHES]
BUSY = {"status": 429, "error": {"type": "rejected_execution_exception", "reason": "busy"}}
POISON = {"status": 400, "error": {"type": "mapper_parsing_exception", "reason": "failed to parse"}}


def test_only_what_was_too_much_is_sent_again(cluster: Cluster, search: Search) -> None:
    seen: list[list[str]] = []

    def bulk(ids: list[str]) -> Answer:
        seen.append(ids)
        return stored(ids, **({IDS[2]: BUSY, IDS[5]: {**BUSY, "status": 503}} if len(seen) < 3 else {}))

    cluster.bulk = bulk
    assert search.index(RECORDS) == []
    assert seen == [IDS, [IDS[2], IDS[5]], [IDS[2], IDS[5]]]
    assert all(headers["Authorization"].startswith("Basic ") for _, _, headers, _ in cluster.asked)


def test_what_stays_too_much_comes_again_as_a_whole(cluster: Cluster, search: Search) -> None:
    cluster.bulk = lambda ids: stored(ids, **{IDS[2]: BUSY, IDS[3]: POISON})
    with pytest.raises(Transient):
        search.index(RECORDS)
    assert len(cluster.bulks()) == 3
    cluster.bulk = lambda ids: stored(ids, **{one: {"status": 409} for one in IDS[:2]}, **{IDS[3]: POISON})
    ((refused, error),) = search.index(RECORDS)
    assert (refused, error.code) == (RECORDS[3], "NOT_INDEXABLE")


@pytest.mark.parametrize("status", [400, 413])
def test_a_request_that_is_refused_as_a_whole_is_halved_down_to_the_one_at_fault(
    cluster: Cluster, search: Search, status: int
) -> None:
    taken: list[str] = []

    def bulk(ids: list[str]) -> Answer:
        if IDS[6] in ids:
            return status, {"error": {"type": "action_request_validation_exception", "reason": "id is too long"}}
        taken.extend(ids)
        return stored(ids)

    cluster.bulk = bulk
    ((refused, error),) = search.index(RECORDS)
    assert refused is RECORDS[6]
    assert str(status) in error.detail
    assert taken == [one for one in IDS if one != IDS[6]]


def test_a_large_batch_goes_in_requests_of_a_few_megabytes(cluster: Cluster) -> None:
    entries = [json.dumps({"create": {"_id": str(n)}}).encode() + b"\n{}" + b" " * 1_500_000 + b"\n" for n in range(9)]
    items = OpenSearch(cluster.url, "", Secret("")).bulk(entries)  # type: ignore[attr-defined]
    assert [item.status for item in items] == [201] * 9
    assert b"".join(cluster.bulks()) == b"".join(entries)
    assert max(map(len, cluster.bulks())) <= BULK_BYTES
    assert len(cluster.bulks()) == 3
    assert all("Authorization" not in headers for _, _, headers, _ in cluster.asked)


@pytest.mark.parametrize(
    ("answer", "alarm"),
    [
        ((401, {}), True),
        ((403, {}), True),
        ((408, {}), False),
        ((425, {}), False),
        ((429, {}), False),
        ((503, {}), False),
        ((302, {}), False),
        ((200, {"errors": False, "items": []}), True),
        (stored(IDS, **{IDS[0]: {"status": 403, "error": {"type": "cluster_block_exception", "reason": "x"}}}), True),
        (stored(IDS, **{IDS[0]: {"status": 404, "error": {"type": "index_not_found_exception"}}}), True),
        (stored(IDS, **{IDS[0]: {"status": 400, "error": {"type": "validation_exception"}}}), True),
    ],
)
def test_what_is_no_fault_of_a_record_is_held_against_none(
    cluster: Cluster, search: Search, answer: Answer, alarm: bool
) -> None:
    cluster.bulk = lambda _ids: answer
    with pytest.raises(Transient) as raised:
        search.index(RECORDS)
    assert raised.value.alarm is alarm
    assert raised.value.retry_after_s == (20 if answer[0] in (429, 503) else None)
    assert "s3cret" not in str(raised.value)


def policy_of(cluster: Cluster, get: Answer, put: Answer) -> list[tuple[str, str]]:
    cluster.known = {"index_templates": []}
    cluster.policy = lambda method, _path: get if method == "GET" else put
    return [(method, path.partition("policies/")[2]) for method, path, _, _ in cluster.asked if "_ism" in path]


KNOWN = {"_seq_no": 7, "_primary_term": 2, "policy": {"description": "an older one"}}
SAME = {**KNOWN, "policy": {"description": templates.audit_policy()["description"]}}
NAME = templates.AUDIT_POLICY


@pytest.mark.parametrize(
    ("get", "put", "asked"),
    [
        (NO_HANDLER, (200, {}), [("GET", NAME)]),
        ((404, {"error": "Policy not found"}), (201, {}), [("GET", NAME), ("PUT", NAME)]),
        ((404, {}), (400, {}), [("GET", NAME), ("PUT", NAME)]),
        ((200, SAME), (200, {}), [("GET", NAME)]),
        ((200, KNOWN), (200, {}), [("GET", NAME), ("PUT", f"{NAME}?if_seq_no=7&if_primary_term=2")]),
    ],
)
def test_the_audit_policy_is_put_where_there_are_policies(
    cluster: Cluster, search: Search, get: Answer, put: Answer, asked: list[tuple[str, str]]
) -> None:
    policy_of(cluster, get, put)
    assert search.index(RECORDS) == []
    assert policy_of(cluster, get, put) == asked
    paths = [path for method, path, _, _ in cluster.asked if method != "GET"]
    assert paths[-1] == "/_bulk"
    assert [path for path in paths if "_index_template" in path] == [
        f"/_index_template/{name}" for name in templates.index_templates()
    ]


@pytest.mark.parametrize("put", [(409, {}), (500, {}), (403, {})])
def test_no_document_comes_before_a_policy_that_should_be_there(cluster: Cluster, search: Search, put: Answer) -> None:
    policy_of(cluster, (404, {}), put)
    with pytest.raises(Transient):
        search.index(RECORDS)
    assert cluster.bulks() == []
