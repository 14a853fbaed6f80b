"""The HTTP front: requests become events of payload format 2.0, answers become responses."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from local.runtime import http_event
from local.runtime.http import REQUEST_LIMIT, create_app
from local.runtime.worker import FunctionSpec

OUR_SAMPLES = Path(__file__).resolve().parents[2] / "events/samples"
SAMPLES = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "lambda"


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """A front with two workers, on a free port of the loopback interface."""
    spec = FunctionSpec("api", "tests.runtime.functions_under_test:http", timeout_s=2)
    server = uvicorn.Server(uvicorn.Config(create_app(spec, 2), host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as made:
        yield made
    server.should_exit = True
    thread.join()


def request(**changes) -> http_event.Request:
    plain = {
        "method": "GET",
        "path": "/v1/apis",
        "query": "",
        "headers": (("Host", "api.local:8080"),),
        "body": b"",
        "source_ip": "127.0.0.1",
        "received": datetime(2026, 3, 12, 19, 3, 58, tzinfo=UTC),
    }
    return http_event.Request(**{**plain, **changes})


def test_a_request_arrives_as_an_event_of_format_2(client):
    seen = client.post(
        "/v1/a%20b?x=1&x=2&y=%20z&empty=",
        json={"hello": "wörld"},
        headers=[("X-Thing", "one"), ("X-Thing", "two"), ("Cookie", "a=1; b=2"), ("User-Agent", "test")],
    ).json()
    assert (seen["version"], seen["routeKey"], seen["isBase64Encoded"]) == ("2.0", "$default", False)
    assert seen["rawPath"] == "/v1/a b"
    assert seen["rawQueryString"] == "x=1&x=2&y=%20z&empty="
    assert seen["queryStringParameters"] == {"x": "1,2", "y": " z", "empty": ""}
    assert seen["headers"]["x-thing"] == "one,two"
    assert "cookie" not in seen["headers"]
    assert seen["cookies"] == ["a=1", "b=2"]
    assert json.loads(seen["body"]) == {"hello": "wörld"}
    http = seen["requestContext"]["http"]
    assert http == {
        "method": "POST",
        "path": "/v1/a b",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "test",
    }
    assert abs(seen["requestContext"]["timeEpoch"] / 1000 - time.time()) < 5


@pytest.mark.parametrize("name", ["gitlab-push-through-api-gateway", "awx-notification-of-a-finished-job"])
def test_our_samples_have_the_fields_of_an_event(name):
    sample = json.loads((OUR_SAMPLES / f"{name}.json").read_text())
    ours = http_event.event(request(headers=(("content-type", "application/json"),), body=b"{}"))
    assert set(sample) == set(ours)
    assert set(sample["requestContext"]) == set(ours["requestContext"])
    assert set(sample["requestContext"]["http"]) == set(ours["requestContext"]["http"])


def test_the_event_has_no_field_that_the_sample_of_aws_lacks():
    sample = SAMPLES / "apiGatewayProxyV2Event.json"
    if not sample.exists():
        pytest.skip(f"no sample events at {SAMPLES}")
    theirs = json.loads(sample.read_text())
    ours = http_event.event(
        request(query="a=1", headers=(("Cookie", "c=1"), ("content-type", "text/plain")), body=b"b")
    )
    assert set(theirs) - set(ours) == {"pathParameters", "stageVariables"}
    assert set(ours) <= set(theirs)
    assert set(theirs["requestContext"]) - set(ours["requestContext"]) == {"authentication", "authorizer"}
    assert set(ours["requestContext"]["http"]) == set(theirs["requestContext"]["http"])
    assert http_event.event(request())["requestContext"]["time"] == "12/Mar/2026:19:03:58 +0000"


@pytest.mark.parametrize(
    ("content_type", "body", "is_text"),
    [
        ("application/json", b"{}", True),
        ("application/json; charset=utf-8", b"{}", True),
        ("text/csv", b"a,b", True),
        ("application/xml", b"<a/>", True),
        ("text/plain", b"\xff\xfe", False),
        ("application/x-www-form-urlencoded", b"a=b", False),
        ("application/octet-stream", b"abc", False),
        ("application/problem+json", b"{}", False),
        ("", b"abc", False),
    ],
)
def test_only_the_text_types_of_http_apis_travel_as_text(content_type, body, is_text):
    headers = (("Content-Type", content_type),) if content_type else ()
    event = http_event.event(request(headers=headers, body=body))
    assert event["isBase64Encoded"] is not is_text
    assert (event["body"].encode() if is_text else base64.b64decode(event["body"])) == body


def test_a_request_without_body_query_or_cookies_leaves_them_out():
    assert not {"body", "cookies", "queryStringParameters"} & set(http_event.event(request()))


def test_an_answer_becomes_a_response(client):
    made = client.get("/cookies")
    assert (made.status_code, made.text) == (201, "made")
    assert made.headers.get_list("set-cookie") == ["a=1", "b=2; Path=/"]
    assert made.headers["x-one"] == "1"
    assert client.get("/binary").content == bytes(range(256))


def test_an_answer_without_a_status_is_the_body_of_a_200(client):
    plain = client.get("/plain")
    assert (plain.status_code, plain.json()) == (200, {"hello": "there"})
    assert plain.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("path", "status"), [("/raise", 500), ("/wrong", 500), ("/exit", 502), ("/sleep?s=20", 504)])
def test_a_failed_invocation_says_no_more_than_internal_server_error(client, path, status):
    failed = client.get(path)
    assert (failed.status_code, failed.json()) == (status, {"message": "Internal Server Error"})
    assert client.get("/plain").status_code == 200


def test_a_request_over_six_megabytes_is_refused(client):
    assert client.post("/x", content=b"x" * (REQUEST_LIMIT + 1)).status_code == 413
    streamed = client.post("/x", content=(b"x" * 100_000 for _ in range(70)))
    assert (streamed.status_code, streamed.json()) == (413, {"message": "Request Entity Too Large"})


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND"])
def test_what_reaches_no_route_is_not_found_in_the_gateways_own_words(client, method):
    answer = client.request(method, "/x")
    assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})


@pytest.mark.parametrize("path", ["", "a%0ab", "%0d%0a", "%00", "//"])
def test_every_path_reaches_the_function(client, path):
    assert client.get(f"/x/{path}").json()["rawPath"] == unquote(f"/x/{path}")


def test_a_burst_waits_for_a_worker_and_every_request_is_answered(client):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(client.get("/sleep?s=0.1").text)) for _ in range(8)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert len(set(answers)) == 2, "two workers"
    assert time.monotonic() - started >= 0.4, "each served one request at a time"


@given(st.text(), st.text(), st.binary(), st.lists(st.tuples(st.text(), st.text())))
def test_any_request_becomes_json(path, query, body, headers):
    event = http_event.event(request(path=path, query=query, body=body, headers=tuple(headers)))
    assert json.loads(json.dumps(event)) == event


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(
    st.sampled_from(["statusCode", "headers", "body", "cookies", "isBase64Encoded"]), v)))  # fmt: skip
def test_any_answer_becomes_a_response_or_is_refused(answer):
    try:
        assert 100 <= http_event.response(answer).status <= 599
    except http_event.BadAnswer:
        pass
