"""Junk at every route of the contract, by a caller who may: never our fault, and always a problem with its trace."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.api import cors

CONTRACT = json.loads((Path(__file__).resolve().parents[2] / "openapi/stoa.json").read_text())
ROUTES = [(path, method.upper()) for path, methods in CONTRACT["paths"].items() for method in methods]
PARAMETERS = sorted(
    {p["name"] for methods in CONTRACT["paths"].values() for m in methods.values() for p in m.get("parameters", ())}
)
FIELDS = [
    *sorted({p for name in ("Start", "NewApi") for p in CONTRACT["components"]["schemas"][name]["properties"]}),
    "object_kind",
    "id",
    "ref",
    "project",
]

# of machines, and one that needs nobody's leave (https://fetch.spec.whatwg.org/#cors-safelisted-request-header)
NOT_OF_PAGES = {"x-stoa-token", "accept"}

text = st.text(st.characters(exclude_categories=()), max_size=12) | st.sampled_from(["a", "dev", "0" * 64, "\0", "."])
value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | text, inner, max_size=4),
    max_leaves=8,
)
# neither the index nor Keycloak is there in these tests
OWN_SESSIONS = "/v1/users/me/sessions"
AWAY = {(503, path) for path in ("/v1/audit", "/v1/traces/search", OWN_SESSIONS, f"{OWN_SESSIONS}/{{session}}")}
DEEP = b"["  # a hundred thousand of them
body = value.map(lambda v: json.dumps(v).encode()) | st.binary(max_size=60) | st.just(DEEP)
NAMES = [
    "Content-Type",
    "traceparent",
    "Idempotency-Key",
    "If-Match",
    "webhook-id",
    "Accept",
    "Host",
    "X-Forwarded-Port",
]
ADDRESSES = st.sampled_from(["[::1]:8080", "a:b:c", "foo:abc", ":", "abc", "127.0.0.1"])
header = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(str.strip)


def escaped(part: str) -> str:
    return quote(part.encode("utf-8", "surrogatepass"), safe="")


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    route=st.sampled_from(ROUTES),
    method=st.none() | st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    parts=st.lists(text, min_size=3, max_size=3),
    query=st.dictionaries(st.sampled_from(PARAMETERS) | text, text, max_size=2),
    sent=body,
    headers=st.dictionaries(st.sampled_from(NAMES), header | ADDRESSES, max_size=3),
    as_json=st.booleans(),
)
def test_junk_is_refused_as_a_problem_and_breaks_nothing(api: Any, route: Any, method: Any, parts: Any, query: Any,
                                                         sent: bytes, headers: Any, as_json: bool) -> None:  # fmt: skip
    path, usual = route
    given_parts = iter(parts)
    url = re.sub(r"\{[^}]+\}", lambda _: escaped(next(given_parts)) or "-", path)
    if query:
        url += "?" + "&".join(f"{escaped(name)}={escaped(v)}" for name, v in query.items())
    token = "artefact-token" if path.startswith("/artefacts") else api.token
    said = {"Authorization": f"Bearer {token}", "X-Gitlab-Token": "hook-secret", "X-Stoa-Token": "awx-secret"}
    said |= headers | ({"Content-Type": "application/json"} if as_json else {})
    answer = api.ask(method or usual, url, data=sent * 100_000 if sent == DEEP else sent, **said)
    assert answer.status_code < 500 or (answer.status_code, path) in AWAY, answer.text
    if answer.status_code >= 300:
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json() if answer.request.method != "HEAD" else {"code": "-", "trace_id": "trc-"}
        assert problem["code"]
        assert problem["trace_id"].startswith("trc-")


def test_a_page_of_ours_may_send_and_read_every_header_of_the_contract() -> None:
    operations = [operation for methods in CONTRACT["paths"].values() for operation in methods.values()]
    sent = {p["name"].lower() for o in operations for p in o.get("parameters", ()) if p["in"] == "header"}
    read = {name.lower() for o in operations for said in o["responses"].values() for name in said.get("headers", ())}
    assert sent - NOT_OF_PAGES <= set(cors.REQUEST_HEADERS.decode().split(", "))
    assert read <= set(cors.RESPONSE_HEADERS.decode().split(", "))
