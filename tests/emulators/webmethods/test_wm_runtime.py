"""The runtime: what is refused, and what reaches the native service."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.emulators.webmethods.paths import PathTree


def test_a_call_is_proxied_with_method_path_query_headers_and_body(kit: Any) -> None:
    record = kit.api(active=True)

    seen = kit.call(record, "/orders?a=1&b=%20", "POST", headers={"x-own": "yes"}, content=b"payload").json()

    assert (seen["method"], seen["path"], seen["query"], seen["body"]) == ("POST", "/orders", "a=1&b=%20", "payload")
    assert seen["headers"]["x-own"] == "yes"
    assert seen["headers"]["host"] == kit.backend.removeprefix("http://")


def test_path_parameters_reach_the_native_service_as_they_were_sent(kit: Any) -> None:
    record = kit.api(active=True)

    assert kit.call(record, "/orders/a%20b%2Fc").json()["path"] == "/orders/a%20b%2Fc"


@pytest.mark.parametrize("status", [204, 304, 404, 503])
def test_the_answer_of_the_native_service_comes_through(kit: Any, status: int) -> None:
    response = kit.call(kit.api(active=True), f"/orders?status={status}")

    assert (response.status_code, response.headers["x-native"]) == (status, "yes")


def test_the_name_in_the_path_is_decoded(kit: Any) -> None:
    with kit.variant(name_characters="blanks"):
        record = kit.api(active=True, name=f"two words {kit.name()}")

    name = record["apiName"].replace(" ", "%20").replace(".", "%2E")
    assert kit.plain.get(f"/gateway/{name}/1.0.0/orders").status_code == 200


def test_unknown_apis_paths_and_methods_are_told_apart(kit: Any) -> None:
    record = kit.api(active=True)

    assert kit.plain.get("/gateway/nobody/1.0.0/orders").status_code == 404
    assert kit.call({**record, "apiVersion": "9.9"}).status_code == 404
    assert kit.call(record, "/elsewhere").status_code == 404
    assert kit.call(record, "/orders/1/lines").status_code == 404
    assert kit.call(record, "/orders", "DELETE").status_code == 405
    assert kit.call(record, "/orders/1", "POST").status_code == 405


def test_without_a_rule_anyone_may_call(kit: Any) -> None:
    record = kit.api(active=True)
    kit.application(record["id"], identifiers=[{"key": "ipAddressRange", "name": "a", "value": ["10.0.0.1"]}])

    assert kit.call(record).status_code == 200


def test_a_missing_wrong_or_unsubscribed_key_is_a_401_with_the_gateways_body(kit: Any) -> None:
    record = kit.api(active=True)
    kit.identify(record)
    stranger = kit.key(kit.application(kit.api()["id"]))

    missing = kit.call(record)
    assert missing.status_code == 401
    text = missing.json()["Exception"]
    assert text.startswith(
        "API Gateway encountered an error. Error Message:  Unauthorized application request. "
        f"Request Details: Service - {record['apiName']}, Operation - /orders, Invocation Time:"
    )
    assert text.endswith(",  Client IP - 127.0.0.1, User - Default and Application:sys:defaultApplication")
    assert kit.call(record, headers={"x-Gateway-APIKey": "wrong"}).status_code == 401
    assert kit.call(record, headers={"x-Gateway-APIKey": stranger}).status_code == 401


@pytest.mark.parametrize("header", ["x-Gateway-APIKey", "X-GATEWAY-APIKEY", "x-CentraSite-APIKey"])
def test_a_subscribed_key_passes_and_stays_at_the_gateway(kit: Any, header: str) -> None:
    record = kit.api(active=True)
    kit.identify(record)
    key = kit.key(kit.application(record["id"]))

    seen = kit.call(record, headers={header: key})

    assert seen.status_code == 200
    assert key not in seen.text


def test_a_relaxed_rule_takes_any_application(kit: Any, parameter: Any) -> None:
    record = kit.api(active=True)
    rule = [parameter("applicationLookup", "relax"), parameter("identificationType", "apiKey")]
    kit.enforce(record, "IAM", "evaluatePolicy", {"templateKey": "IdentificationRule", "parameters": rule})
    key = kit.key(kit.application())

    assert kit.call(record, headers={"x-Gateway-APIKey": key}).status_code == 200
    assert kit.call(record).status_code == 401


def test_the_key_header_has_a_configurable_name(fresh: Any) -> None:
    record = fresh.api(active=True)
    fresh.identify(record)
    key = fresh.key(fresh.application(record["id"]))
    fresh.admin.put("/configurations/extended", json={"apiKeyHeader": "X-Own-Key"})

    assert fresh.call(record, headers={"x-own-key": key}).status_code == 200
    assert fresh.call(record, headers={"x-Gateway-APIKey": key}).status_code == 401


def test_addresses_are_checked_only_with_a_rule_for_them(kit: Any) -> None:
    record = kit.api(active=True)
    kit.identify(record, "ipAddressRange")
    assert kit.call(record).status_code == 403

    def identifier(text: str) -> Any:
        return [{"key": "ipAddressRange", "name": "a", "value": [text]}]

    app = kit.application(record["id"], identifiers=identifier("127.0.0.1-127.0.0.9"))
    assert kit.call(record).status_code == 200

    kit.admin.put(f"/applications/{app['id']}", json={"name": app["name"], "identifiers": identifier("10.0.0.1")})
    assert kit.call(record).status_code == 403


def test_two_rules_with_and_must_find_the_same_application(kit: Any, parameter: Any, encoded: Any) -> None:
    record = kit.api(active=True)
    groups = [
        {"templateKey": "IdentificationRule", "parameters": [parameter("identificationType", kind)]}
        for kind in ("apiKey", "httpBasicAuth")
    ]
    kit.enforce(record, "IAM", "evaluatePolicy", parameter("logicalConnector", "AND"), *groups)
    user = [{"key": "httpBasicAuth", "name": "a", "value": ["jane"]}]
    key = kit.key(kit.application(record["id"], identifiers=user))

    headers = {"x-Gateway-APIKey": key}
    assert kit.call(record, headers=headers).status_code == 401
    assert kit.call(record, headers={**headers, "authorization": f"Basic {encoded('jane:x')}"}).status_code == 200


def throttle(kit: Any, parameter: Any, record: Any, *consumers: str) -> None:
    rule = [
        parameter("throttleRuleName", "requestCount"),
        parameter("monitorRuleOperator", "GT"),
        parameter("value", "2"),
    ]
    group = {"templateKey": "throttleRule", "parameters": rule}
    window = [parameter("alertInterval", "1"), parameter("alertIntervalUnit", "minutes")]
    kit.enforce(record, "LMT", "throttle", group, *window, parameter("consumerIds", *consumers))


def test_calls_over_the_limit_are_a_503_or_by_variant_a_429(kit: Any, parameter: Any) -> None:
    record = kit.api(active=True)
    throttle(kit, parameter, record)

    assert [kit.call(record).status_code for _ in range(4)] == [200, 200, 503, 503]
    with kit.variant(throttle_status=429):
        assert kit.call(record).status_code == 429


def test_a_limit_for_some_consumers_leaves_the_others_alone(kit: Any, parameter: Any) -> None:
    record = kit.api(active=True)
    kit.identify(record)
    limited, free = kit.application(record["id"]), kit.application(record["id"])
    keys = [{"x-Gateway-APIKey": kit.key(app)} for app in (limited, free)]
    throttle(kit, parameter, record, limited["id"])

    assert [kit.call(record, headers=keys[0]).status_code for _ in range(3)] == [200, 200, 503]
    assert [kit.call(record, headers=keys[1]).status_code for _ in range(3)] == [200, 200, 200]


def test_a_throttle_needs_numbers_and_a_known_unit(kit: Any, parameter: Any) -> None:
    group = {"templateKey": "throttleRule", "parameters": [parameter("value", "2")]}

    assert kit.action("throttle", group, parameter("alertIntervalUnit", "seconds")).status_code == 400
    assert kit.action("throttle", group, parameter("alertInterval", "x")).status_code == 400
    assert kit.action("throttle", parameter("alertInterval", "1")).status_code == 400


def test_an_api_for_https_only_is_not_served_here(kit: Any, parameter: Any) -> None:
    record = kit.api(active=True)
    policy = kit.policy(record)
    transport = next(stage for stage in policy["policyEnforcements"] if stage["stageKey"] == "transport")
    action = kit.action("entryProtocolPolicy", parameter("protocol", "https")).json()["policyAction"]
    transport["enforcements"] = [{"enforcementObjectId": action["id"], "order": "0"}]
    kit.admin.put(f"/policies/{policy['id']}", json={"policy": policy})

    assert kit.call(record).status_code == 404


def test_a_native_service_that_is_not_there_is_a_502(kit: Any) -> None:
    assert kit.call(kit.api(kit.document(servers=[{"url": "http://127.0.0.1:1"}]), active=True)).status_code == 502


def test_a_disabled_operation_is_not_served(kit: Any) -> None:
    record = kit.record(kit.api()["id"])
    record["apiDefinition"]["paths"]["/orders"]["post"]["enabled"] = False
    kit.admin.put(f"/apis/{record['id']}", json=record)
    kit.admin.put(f"/apis/{record['id']}/activate")

    assert (kit.call(record).status_code, kit.call(record, method="POST").status_code) == (200, 405)


SEGMENT = st.text("abc{}.", min_size=1, max_size=4).filter(lambda text: "{" not in text and "}" not in text)


@given(
    segments=st.lists(SEGMENT | st.just("{id}"), min_size=1, max_size=5),
    values=st.lists(SEGMENT, min_size=5, max_size=5),
)
def test_a_template_matches_exactly_the_paths_made_from_it(segments: list[str], values: list[str]) -> None:
    tree = PathTree({"/" + "/".join(segments): {"GET"}})
    path = "/".join(value if segment == "{id}" else segment for segment, value in zip(segments, values, strict=False))

    assert tree.operation("GET", path) == ("/" + "/".join(segments), True)
    assert tree.operation("PUT", path) == (None, True)
    assert tree.operation("GET", f"{path}/more") == (None, False)


def test_the_literal_path_wins_over_the_template() -> None:
    tree = PathTree({"/a/{id}": {"GET", "PUT"}, "/a/me": {"GET"}, "/a/{id}.json": {"GET"}})

    assert tree.operation("GET", "a/me") == ("/a/me", True)
    assert tree.operation("PUT", "a/me") == ("/a/{id}", True)
    assert tree.operation("GET", "a/") == (None, False)
