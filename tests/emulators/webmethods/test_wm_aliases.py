"""Aliases, and how routing binds their names and reads their values."""

from typing import Any

import pytest


def test_an_alias_is_created_read_changed_listed_and_deleted(kit: Any) -> None:
    alias = kit.alias("simple", value="one")

    changed = {"name": alias["name"], "type": "simple", "value": "two"}
    assert kit.admin.put(f"/alias/{alias['id']}", json=changed).status_code == 200
    assert kit.admin.get(f"/alias/{alias['id']}").json()["alias"]["value"] == "two"
    assert {"id": alias["id"], **changed} in kit.admin.get("/alias").json()["alias"]
    assert kit.admin.delete(f"/alias/{alias['id']}").status_code == 204
    missing = kit.admin.get(f"/alias/{alias['id']}")
    assert missing.status_code == 404
    assert missing.json() == {"errorDetails": f" Alias with id: {alias['id']} does not exist."}


def test_the_answer_of_create_and_read_is_wrapped_or_by_variant_bare(kit: Any) -> None:
    alias = kit.alias("simple", value="one")
    with kit.variant(alias_body="bare"):
        assert kit.admin.get(f"/alias/{alias['id']}").json() == alias


def test_a_taken_name_and_an_unknown_type_are_refused(kit: Any) -> None:
    alias = kit.alias("simple", value="one")

    assert kit.admin.post("/alias", json={**alias, "value": "two"}).status_code == 400
    assert kit.admin.post("/alias", json={"name": kit.name(), "type": "nonsense"}).status_code == 400
    assert kit.admin.post("/alias", json={"type": "simple"}).status_code == 400


@pytest.mark.parametrize("name", ["local", "OKTA", "PingFederate", "EurekaDefault", "ServiceConsulDefault"])
def test_a_built_in_alias_cannot_be_changed(kit: Any, name: str) -> None:
    found = next(alias for alias in kit.admin.get("/alias").json()["alias"] if alias["name"] == name)

    assert kit.admin.put(f"/alias/{found['id']}", json=found).status_code == 405
    assert kit.admin.delete(f"/alias/{found['id']}").status_code == 405


def test_another_spelling_of_the_endpoint_is_dropped_without_a_word(kit: Any) -> None:
    alias = kit.alias("endpoint", endpointURI="http://a.test", connectionTimeout="30")

    assert "endpointURI" not in alias
    assert "endPointURI" not in alias
    assert alias["connectionTimeout"] == "30"


def test_a_password_never_reads_back(kit: Any, encoded: Any) -> None:
    credentials = {"userName": "svc", "password": encoded("secret"), "domain": ""}
    alias = kit.alias(
        "httpTransportSecurityAlias", authType="HTTP_BASIC", authMode="NEW", httpAuthCredentials=credentials
    )

    assert alias["httpAuthCredentials"] == {"userName": "svc", "password": encoded("******"), "domain": ""}
    listed = next(one for one in kit.admin.get("/alias").json()["alias"] if one["id"] == alias["id"])
    assert listed == alias


def test_ntlm_needs_a_domain(kit: Any) -> None:
    body = {"name": kit.name(), "type": "httpTransportSecurityAlias", "authType": "NTLM", "httpAuthCredentials": {}}

    assert kit.admin.post("/alias", json=body).status_code == 400


def routed(kit: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """An active API routed through an endpoint alias."""
    alias = kit.alias("endpoint", endPointURI=f"{kit.backend}/one", connectionTimeout="5", readTimeout="5")
    record = kit.api()
    kit.route(record, f"${{{alias['name']}}}/${{sys:resource_path}}")
    kit.admin.put(f"/apis/{record['id']}/activate")
    return record, alias


def test_a_new_value_routes_the_next_call(kit: Any) -> None:
    record, alias = routed(kit)
    assert kit.call(record).json()["path"] == "/one/orders"

    kit.admin.put(f"/alias/{alias['id']}", json={**alias, "endPointURI": f"{kit.backend}/two/"})

    assert kit.call(record).json()["path"] == "/two/orders"


def test_a_simple_alias_routes_too(kit: Any) -> None:
    alias = kit.alias("simple", value=f"{kit.backend}/simple")
    record = kit.api()
    kit.route(record, f"${{{alias['name']}}}/${{sys:resource_path}}")
    kit.admin.put(f"/apis/{record['id']}/activate")

    assert kit.call(record).json()["path"] == "/simple/orders"


def test_an_alias_made_again_under_the_same_name_is_a_lasting_502_until_the_api_is_deployed_again(kit: Any) -> None:
    record, alias = routed(kit)
    kit.admin.delete(f"/alias/{alias['id']}")
    assert kit.call(record).status_code == 502

    kit.alias("endpoint", name=alias["name"], endPointURI=kit.backend)
    kit.admin.put(f"/policies/{record['policies'][0]}", json={"policy": kit.policy(record)})
    assert kit.call(record).status_code == 502

    files = kit.export(record["id"])
    kit.load({name: data for name, data in files.items()}, "apis,policies,policyactions")
    assert kit.call(record).status_code == 200


def test_an_alias_that_was_never_there_is_a_502(kit: Any) -> None:
    record = kit.api()
    kit.route(record, "${no-such-alias}/${sys:resource_path}")
    kit.admin.put(f"/apis/{record['id']}/activate")

    assert kit.call(record).status_code == 502


def test_an_endpoint_alias_without_its_endpoint_is_a_502(kit: Any) -> None:
    alias = kit.alias("endpoint", endpointuri=kit.backend)
    record = kit.api()
    kit.route(record, f"${{{alias['name']}}}/${{sys:resource_path}}")
    kit.admin.put(f"/apis/{record['id']}/activate")

    assert kit.call(record).status_code == 502


def outbound(kit: Any, parameter: Any, password: str) -> tuple[dict[str, Any], dict[str, Any]]:
    credentials = {"userName": "svc", "password": password}
    alias = kit.alias(
        "httpTransportSecurityAlias", authType="HTTP_BASIC", authMode="NEW", httpAuthCredentials=credentials
    )
    record = kit.api()
    inner = [parameter("authType", "ALIAS"), parameter("authMode", "NEW"), parameter("alias", alias["name"])]
    group = {"templateKey": "transportSecurity", "parameters": inner}
    kit.enforce(record, "routing", "outboundTransportAuthentication", group)
    kit.admin.put(f"/apis/{record['id']}/activate")
    return record, alias


def test_outbound_basic_credentials_reach_the_native_service(kit: Any, parameter: Any, encoded: Any) -> None:
    record, alias = outbound(kit, parameter, encoded("s3cret"))

    sent = kit.call(record, headers={"authorization": "Bearer own"}).json()["headers"]["authorization"]
    assert sent == "Basic " + encoded("svc:s3cret")

    credentials = {"userName": "svc", "password": encoded("rotated")}
    kit.admin.put(f"/alias/{alias['id']}", json={**alias, "httpAuthCredentials": credentials})
    assert kit.call(record).json()["headers"]["authorization"] == "Basic " + encoded("svc:rotated")


def test_a_plain_password_is_stored_corrupted(kit: Any, parameter: Any, encoded: Any) -> None:
    record, _ = outbound(kit, parameter, "plain-text")

    assert kit.call(record).json()["headers"]["authorization"] != "Basic " + encoded("svc:plain-text")


def test_writing_the_masked_password_back_destroys_it(kit: Any, parameter: Any, encoded: Any) -> None:
    record, alias = outbound(kit, parameter, encoded("s3cret"))

    kit.admin.put(f"/alias/{alias['id']}", json=kit.admin.get(f"/alias/{alias['id']}").json()["alias"])

    assert kit.call(record).json()["headers"]["authorization"] == "Basic " + encoded("svc:******")
