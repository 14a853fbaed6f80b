"""/v1/gateway over HTTP: who may, what is a route and what is not, and that no path leads anywhere else."""

import http.client
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stoa.adapters.webmethods import admin_contract
from tests.gateway_admin.exposed import DOCUMENT, PASSWORD, Exposed, exposed

# what the platform offers of the admin API; a route that is added or lost is a change of this contract
ROUTES = {
    "GET /health", "GET /apis", "POST /apis", "GET /apis/{id}", "DELETE /apis/{id}", "PUT /apis/{id}/activate",
    "PUT /apis/{id}/deactivate", "POST /apis/{id}/versions", "GET /applications", "POST /applications/{id}/apis",
    "PUT /applications/{id}/apis", "GET /scopes", "POST /configure-oidc", "GET /alias", "POST /alias",
    "GET /alias/{id}", "PUT /alias/{id}", "GET /archive", "POST /archive",
}  # fmt: skip
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exposed]:
    with exposed(tmp_path_factory.mktemp("gateway")) as made:
        yield made


class Proxy:
    def __init__(self, api: Any, gateway: Exposed) -> None:
        self.api = api
        self.gateway = gateway

    def ask(self, path: str, method: str = "GET", body: Any = None, token: str | None = None, query: str = "") -> Any:
        bearer = self.gateway.token() if token is None else token
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        kind = "application/zip" if isinstance(body, bytes) else "application/json"
        headers = {"Authorization": f"Bearer {bearer}", "Content-Type": kind}
        url = f"/v1/gateway{path}?{query or 'environment=dev'}"
        return self.api.ask(method, url, data=data, **headers)

    def audit(self) -> list[tuple[str, str, str]]:
        rows = self.api.rows("SELECT value FROM outbox WHERE topic = 'audit-log' ORDER BY seq")
        values = [json.loads(bytes(row["value"])) for row in rows]
        return [(one["action"], one["outcome"], one["actor"]) for one in values]


@pytest.fixture(scope="module")
def proxy(start_api: Callable[..., Any], gateway: Exposed) -> Proxy:
    return Proxy(start_api(STOA_GATEWAY_DEV_URL=gateway.url, STOA_OIDC_ISSUER_URL=gateway.issuer.url), gateway)


def test_the_routes_are_the_contract() -> None:
    paths = json.loads((admin_contract.path().parents[6] / "openapi/stoa.json").read_text())["paths"]
    offered = {
        f"{method.upper()} {re.sub(r'{.*?}', '{id}', path.removeprefix('/v1/gateway'))}"
        for path, item in paths.items()
        if path.startswith("/v1/gateway")
        for method in item
    }
    assert offered == ROUTES


def test_what_is_no_route_is_a_404_or_a_405(proxy: Proxy) -> None:
    before = proxy.gateway.journal()
    known = {path for route in ROUTES for path in [route.split(" ")[1]]}
    candidates = known | {"/policies", "/policyActions/{id}", "/strategies", "/apis/{id}/policies", "/users", ""}
    for path in sorted(candidates):
        for method in METHODS:
            if f"{method} {path}" not in ROUTES:
                answer = proxy.ask(path.replace("{id}", "a1"), method)
                assert answer.status_code == (405 if path in known else 404), (method, path)
    assert proxy.gateway.journal() == before


def test_a_person_an_account_and_a_stranger(proxy: Proxy) -> None:
    before = len(proxy.audit())
    said = {
        proxy.gateway.token(): 200,
        proxy.gateway.token(role="service", sub="awx"): 200,
        proxy.gateway.token(role="service", scope="deploy:prod", sub="awx"): 403,
        proxy.gateway.token(role="tenant-admin", tenant="tenant-acme"): 403,
        proxy.gateway.token(scope="openid"): 403,
        "": 401,
        proxy.gateway.token(exp=1): 401,
    }
    assert {token: proxy.ask("/apis", token=token).status_code for token in said} == said
    assert proxy.audit()[before:] == [
        ("GATEWAY_APIS_READ", "done", "sub-1"),
        ("GATEWAY_APIS_READ", "done", "awx"),
        ("REQUEST_REFUSED", "refused", "awx"),
        ("REQUEST_REFUSED", "refused", "sub-1"),
        ("GATEWAY_APIS_READ", "refused", "sub-1"),
        ("REQUEST_REFUSED", "refused", "unknown"),
    ]
    assert proxy.ask("/apis", query="environment=prod").status_code == 404


def test_an_api_an_alias_and_an_archive_go_through(proxy: Proxy) -> None:
    name = proxy.gateway.name()
    wanted = {"apiName": name, "apiVersion": "1.0.0", "type": "openapi", "document": DOCUMENT}
    made = proxy.ask("/apis", "POST", wanted)
    assert made.status_code == 201, made.text
    api_id = made.json()["id"]
    assert proxy.ask("/apis", "POST", wanted).json()["code"] == "GATEWAY_CONFLICT"
    modern = {**wanted, "apiName": f"{name}x", "document": {**DOCUMENT, "openapi": "3.1.0"}}
    assert proxy.ask("/apis", "POST", modern).json()["code"] == "GATEWAY_REFUSED"
    assert proxy.ask(f"/apis/{api_id}/activate", "PUT").json()["active"] is True
    archive = proxy.ask("/archive", query=f"environment=dev&api={api_id}")
    assert archive.headers["content-type"] == "application/zip"
    taken = proxy.ask("/archive", "POST", archive.content, query="environment=dev&overwrite=true")
    assert taken.status_code == 201, taken.text
    alias = {"type": "endpoint", "name": f"{name}.backend", "endPointURI": "http://127.0.0.1:9"}
    kept = proxy.ask("/alias", "POST", alias)
    assert (kept.status_code, kept.json()["endPointURI"]) == (201, "http://127.0.0.1:9"), kept.text
    assert proxy.ask(f"/alias/{kept.json()['id']}", "PUT", alias).status_code == 200
    assert proxy.ask(f"/apis/{api_id}/deactivate", "PUT").json()["active"] is False
    assert proxy.ask(f"/apis/{api_id}", "DELETE").status_code == 204
    assert proxy.ask(f"/apis/{api_id}").status_code == 404
    assert proxy.ask("/health").json()["status"] == "green"
    everything = proxy.ask("/alias").text + proxy.api.log_file.read_text()
    assert PASSWORD not in everything


@pytest.mark.parametrize(
    ("path", "method", "body", "query", "status"),
    [
        ("/apis", "GET", None, "environment=demo", 422),
        ("/apis", "GET", None, "from=1", 422),
        ("/apis", "GET", None, "environment=dev&force=1", 422),
        ("/apis", "GET", None, "environment=dev&environment=prod", 422),
        ("/apis/a1", "DELETE", None, "environment=dev&forceDelete=true", 422),
        ("/apis/a1/versions", "POST", {"newApiVersion": "2", "retainapplications": False}, "", 422),
        ("/alias", "POST", {"type": "endpoint", "name": "a", "endpointUri": "http://a"}, "", 422),
        ("/alias", "POST", {"type": "authServerAlias", "name": "a"}, "", 422),
        ("/alias", "POST", {"type": "simple", "name": "a", "value": "v" * 70_000}, "", 413),
        ("/archive", "POST", b"", "", 422),
    ],
)
def test_what_is_not_exactly_right_is_refused_by_us(
    proxy: Proxy, path: str, method: str, body: Any, query: str, status: int
) -> None:
    before = proxy.gateway.journal()
    answer = proxy.ask(path, method, body, query=query)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert proxy.gateway.journal() == before


def test_a_gateway_that_is_away_is_a_503_that_says_when_to_come_again(proxy: Proxy) -> None:
    with proxy.gateway.faults(mode="down", path="/gateway/"):
        answer = proxy.ask("/apis")
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "UNAVAILABLE", "5")


piece = st.sampled_from(
    ["apis", "alias", "archive", "policies", "..", ".", "", "a1", "activate", "%2e%2e", "%252e", "versions"]
)
tricky = st.text(
    st.sampled_from(["/", "\\", ".", "%", "2", "f", "e", ";", "?", "#", "\0", "a", "é", "\n", " "]), max_size=8
)


def test_no_path_leads_past_the_contract(proxy: Proxy) -> None:
    """Nothing of these exists or has a body that is right: whatever gets through may only read."""
    before = proxy.gateway.journal()

    @settings(max_examples=40, deadline=None)
    @given(
        method=st.sampled_from(METHODS),
        parts=st.lists(piece | tricky.map(lambda t: quote(t, safe="")) | tricky.map(quote), max_size=5),
    )
    def ask(method: str, parts: list[str]) -> None:
        answer = proxy.ask("/" + "/".join(parts), method)
        assert answer.status_code < 500, answer.text
        if answer.status_code < 300:
            assert answer.request.method == "GET"
            assert set(answer.json()) & {"apiResponse", "alias"}

    ask()
    assert proxy.gateway.journal() == before


RAW = [
    "/v1/gateway//apis", "//v1/gateway/apis", "/v1/gateway/apis/", "/v1/gateway/./apis", "/v1/gateway/alias/../apis",
    "/v1/gateway/apis/..", "/v1/gateway/apis/../users", "/v1/gateway/apis/%2e%2e", "/v1/gateway/apis/%2e%2e/users",
    "/v1/gateway/apis/%252e%252e", "/v1/gateway/apis/..%2fusers", "/v1/gateway/apis/a1%2fpolicies",
    "/v1/gateway/apis/a1%2f..%2f..%2fusers", "/v1/gateway/apis/%2fusers", "/v1/gateway/apis/a1%5c..%5cusers",
    "/v1/gateway/apis/a1;/../users", "/v1/gateway/apis/a1%3fforce=true", "/v1/gateway/apis/a1%23",
    "/v1/gateway/apis/%00",
    "/v1/gateway/apis/a1%0d%0aX-Evil:%201", "/v1/gateway/apis/%c0%ae%c0%ae/users", "/v1/gateway/apis/%ff",
    "/v1/gateway/apis/%E2%80%A5", "/v1/gateway/apis/a1%20", "/v1/gateway/%61pis/..", "/v1/gateway/apis/@evil.example",
    "http://evil.example/v1/gateway/apis/%2e%2e",
]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_no_path_is_made_another_one_on_the_way(proxy: Proxy, method: str) -> None:
    """As they are on the wire: a client would tidy them up first."""
    before, reads = proxy.gateway.journal(), len(proxy.audit())
    host = proxy.api.url.removeprefix("http://")
    for path in RAW:
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.putrequest(method, f"{path}?environment=dev", skip_accept_encoding=True)
        connection.putheader("Authorization", f"Bearer {proxy.gateway.token()}")
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status in {400, 404, 405, 422}, (path, answer.status, answer.read())
        connection.close()
    assert proxy.gateway.journal() == before
    told = [said for said in proxy.audit()[reads:] if said[0] != "REQUEST_REFUSED"]
    assert told == [], "the gateway was asked for something"
