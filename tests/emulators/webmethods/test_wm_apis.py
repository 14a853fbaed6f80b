"""The API resource: what is created, shown, changed and deleted, and how refusals look."""

import json
from typing import Any

import pytest


def test_a_new_api_is_inactive_and_has_its_default_policy(kit: Any) -> None:
    record = kit.api()

    policy = kit.policy(record)
    actions = {
        stage["stageKey"]: kit.admin.get(f"/policyActions/{stage['enforcements'][0]['enforcementObjectId']}").json()
        for stage in policy["policyEnforcements"]
    }
    assert record["isActive"] is False
    assert policy["names"][0]["value"] == f"Default Policy for API {record['apiName']}"
    assert policy["policyScope"] == "SERVICE"
    assert actions["transport"]["policyAction"]["templateKey"] == "entryProtocolPolicy"
    assert actions["routing"]["policyAction"]["parameters"] == [
        {"templateKey": "endpointUri", "values": [f"{kit.backend}/${{sys:resource_path}}"]},
        {"templateKey": "method", "values": ["CUSTOM"]},
    ]


def test_creating_answers_201_with_the_record_its_versions_and_teams(kit: Any) -> None:
    response = kit.send(kit.document())

    body = response.json()["apiResponse"]
    assert response.status_code == 201
    assert body["responseStatus"] == "SUCCESS"
    assert body["versions"] == [{"versionNumber": "1.0.0", "apiId": body["api"]["id"]}]
    assert body["teams"] == []
    with kit.variant(created_status=200):
        assert kit.send(kit.document()).status_code == 200


def test_a_taken_name_is_refused_even_with_another_version(kit: Any) -> None:
    name = kit.api()["apiName"]

    response = kit.send(kit.document(), name=name, apiVersion="2.0.0")

    assert response.status_code == 400
    assert response.json()["errorDetails"].endswith(f"Reason: API with apiName {name} already exists")
    with kit.variant(duplicate_name=409):
        assert kit.send(kit.document(), name=name).status_code == 409


def test_the_list_shows_few_fields(kit: Any) -> None:
    record = kit.api()

    items = {item["api"]["id"]: item for item in kit.admin.get("/apis").json()["apiResponse"]}

    wanted = "apiName apiVersion apiDescription isActive type tracingEnabled publishedPortals systemVersion id"
    assert set(items[record["id"]]["api"]) == set(wanted.split())
    assert items[record["id"]]["responseStatus"] == "SUCCESS"


def test_the_list_is_cut_by_from_and_size_and_chosen_by_ids(kit: Any) -> None:
    one, other = kit.api(), kit.api()

    cut = kit.admin.get("/apis", params={"from": 1, "size": 1}).json()["apiResponse"]
    chosen = kit.admin.get("/apis", params={"apiIds": f"{other['id']},nobody,{one['id']}"}).json()["apiResponse"]

    assert len(cut) == 1
    assert [item.get("api", {}).get("id") for item in chosen] == [other["id"], None, one["id"]]
    assert chosen[1]["responseStatus"] == "NOT_FOUND"


def test_an_empty_gateway_has_two_ways_to_say_so(fresh: Any) -> None:
    assert fresh.admin.get("/apis").json() == {"apiResponse": []}
    with fresh.variant(empty_apis="not_found_item"):
        items = fresh.admin.get("/apis").json()["apiResponse"]
    assert [item["responseStatus"] for item in items] == ["NOT_FOUND"]


def test_an_unknown_id_is_a_401_or_by_variant_a_404(kit: Any) -> None:
    response = kit.admin.get("/apis/nobody")
    assert response.status_code == 401
    assert response.json() == {"errorDetails": " User doesn't have permission to manage this API"}
    with kit.variant(unknown_api_id=404):
        response = kit.admin.get("/apis/nobody")
    assert response.status_code == 404
    assert response.json()["apiResponse"]["responseStatus"] == "NOT_FOUND"
    assert response.json()["apiResponse"]["errorReason"] == "Api with ID <nobody>does not exists"


@pytest.mark.parametrize(("method", "path"), [("PUT", "/activate"), ("PUT", "/deactivate"), ("DELETE", "")])
def test_every_call_on_an_unknown_id_is_a_401(kit: Any, method: str, path: str) -> None:
    assert kit.admin.request(method, f"/apis/nobody{path}").status_code == 401


def test_reading_adds_the_endpoints_of_the_gateway(kit: Any) -> None:
    record = kit.record(kit.api()["id"])

    url = f"{kit.url}/gateway/{record['apiName']}/1.0.0"
    assert record["gatewayEndPoints"] == [url]
    assert record["gatewayEndPointList"][0]["endpointName"] == "DEFAULT_GATEWAY_ENDPOINT"
    assert record["gatewayEndPointList"][0]["endpointUrls"] == [url]


def test_reading_with_a_format_gives_the_document_itself(kit: Any) -> None:
    document = kit.document(components={"securitySchemes": {"k": {"type": "apiKey", "in": "header", "name": "x"}}})
    record = kit.api(document)

    assert kit.admin.get(f"/apis/{record['id']}", params={"format": "openapi"}).json() == document
    moved = {"format": "openapi", "url": "https://a.test"}
    assert kit.admin.get(f"/apis/{record['id']}", params=moved).json()["servers"] == [{"url": "https://a.test"}]
    assert kit.admin.get(f"/apis/{record['id']}", params={"format": "raml"}).status_code == 400


def test_the_record_holds_the_internal_model(kit: Any) -> None:
    scheme = {"k": {"type": "apiKey", "in": "header", "name": "x"}}
    document = kit.document(components={"securitySchemes": scheme}, externalDocs={"url": "https://a.test"})

    model = kit.record(kit.api(document)["id"])["apiDefinition"]

    assert model["type"] == "rest"
    assert model["externalDocs"] == [{"url": "https://a.test"}]
    assert model["components"]["securitySchemes"]["k"]["type"] == "APIKEY"
    assert model["components"]["securitySchemes"]["k"]["in"] == "HEADER"
    assert model["paths"]["/orders"]["get"]["enabled"] is True


def test_an_active_api_cannot_be_imported_again(kit: Any) -> None:
    record = kit.api(active=True)

    assert kit.put(record["id"], kit.document()).status_code == 400
    with kit.variant(put_active=200):
        assert kit.put(record["id"], kit.document()).status_code == 200


def test_a_new_import_keeps_policies_scopes_maturity_and_actions(kit: Any) -> None:
    record = kit.api()
    kit.admin.put(
        f"/apis/{record['id']}/implementation", json={"nativeBaseURLs": [kit.backend], "maturityState": "Production"}
    )
    kit.identify(record)
    before = kit.policy(record)

    assert kit.put(record["id"], kit.document(servers=[{"url": "https://new.test"}])).status_code == 200

    after = kit.record(record["id"])
    assert after["maturityState"] == "Production"
    assert after["policies"] == record["policies"]
    assert kit.policy(record) == before
    assert after["nativeEndpoint"][0]["uri"] == "https://new.test"


def test_is_active_in_a_body_is_ignored(kit: Any) -> None:
    record = kit.api()
    body = {"apiName": record["apiName"], "apiVersion": "1.0.0", "isActive": True, "apiDescription": "new"}

    assert kit.admin.put(f"/apis/{record['id']}", json=body).status_code == 200

    after = kit.record(record["id"])
    assert (after["isActive"], after["apiDescription"]) == (False, "new")


def test_a_full_record_can_be_written_back(kit: Any) -> None:
    record = kit.record(kit.api()["id"])
    record["apiDefinition"]["paths"]["/orders"]["get"]["enabled"] = False

    assert kit.admin.put(f"/apis/{record['id']}", json=record).status_code == 200

    assert kit.record(record["id"])["apiDefinition"] == record["apiDefinition"]


def test_an_active_api_cannot_be_deleted(kit: Any) -> None:
    record = kit.api(active=True)

    assert kit.admin.delete(f"/apis/{record['id']}").status_code == 400

    kit.admin.put(f"/apis/{record['id']}/deactivate")
    assert kit.admin.delete(f"/apis/{record['id']}").status_code == 204
    assert kit.admin.get(f"/apis/{record['id']}").status_code == 401
    assert kit.admin.get(f"/policies/{record['policies'][0]}").status_code == 404


def test_an_api_with_subscribers_is_deleted_only_by_force(kit: Any) -> None:
    record = kit.api()
    app = kit.application(record["id"])

    assert kit.admin.delete(f"/apis/{record['id']}").status_code == 400
    assert kit.admin.delete(f"/apis/{record['id']}", params={"forceDelete": "true"}).status_code == 204
    assert kit.app(app["id"])["consumingAPIs"] == []


def test_a_published_api_cannot_be_deleted(kit: Any) -> None:
    record = kit.api()
    kit.admin.put(f"/apis/{record['id']}/publish", json={"portalGatewayId": "portal"})

    assert kit.admin.delete(f"/apis/{record['id']}").status_code == 400

    kit.admin.put(f"/apis/{record['id']}/unpublish", params={"portalGatewayId": "portal"})
    assert kit.admin.delete(f"/apis/{record['id']}").status_code == 204


def test_deleting_many_tells_each_result_when_one_fails(kit: Any) -> None:
    idle, active, other = kit.api(), kit.api(active=True), kit.api()

    mixed = kit.admin.delete("/apis", params={"apiIds": f"{idle['id']},{active['id']}"})

    results = {item["apiId"]: item["responseStatus"] for item in mixed.json()["apiResponse"]}
    assert (mixed.status_code, results) == (200, {idle["id"]: "SUCCESS", active["id"]: "ERROR"})
    assert kit.admin.delete("/apis", params={"apiIds": other["id"]}).status_code == 204
    assert kit.admin.delete("/apis").status_code == 400


def test_the_smaller_parts_of_an_api_can_be_read(kit: Any) -> None:
    record = kit.api()
    app = kit.application(record["id"])

    def part(name: str) -> Any:
        return kit.admin.get(f"/apis/{record['id']}/{name}").json()

    assert [one["id"] for one in part("applications")["applications"]] == [app["id"]]
    assert part("versions") == {"versions": [{"versionNumber": "1.0.0", "apiId": record["id"]}]}
    assert part("scopes") == {"scopes": []}
    assert part("packages") == {"packages": []}
    assert part("source") == kit.document()


def test_gateway_endpoints_are_added_renamed_and_removed(kit: Any) -> None:
    record = kit.api()

    def change(body: Any) -> Any:
        response = kit.admin.put(f"/apis/{record['id']}/gatewayEndpoints", json={"gatewayEndpoints": body})
        return (
            response.json()["apiResponse"]["api"]["gatewayEndpoints"] if response.is_success else response.status_code
        )

    assert change({"add": {"endpointName": "a", "gatewayEndpoint": "/p"}}) == {"a": "/p"}
    assert change({"update": {"oldEndpointName": "a", "newEndpointName": "b"}}) == {"b": "/p"}
    assert change({"remove": {"endpointName": "a"}}) == 400
    assert change({"remove": {"endpointName": "b"}}) == {}


def test_tracing_is_a_switch(kit: Any) -> None:
    record = kit.api()

    kit.admin.put(f"/apis/{record['id']}/tracing/enable")
    assert kit.record(record["id"])["tracingEnabled"] is True
    kit.admin.put(f"/apis/{record['id']}/tracing/disable")
    assert kit.record(record["id"])["tracingEnabled"] is False


def test_an_api_with_a_mock_answers_by_itself(kit: Any) -> None:
    document = kit.document(servers=[{"url": "http://127.0.0.1:1"}])
    response = document["paths"]["/orders"]["get"]["responses"]["200"]
    response["content"] = {"application/json": {"example": {"mocked": True}}}
    record = kit.api(document, active=True)

    assert kit.call(record).status_code == 502
    kit.admin.put(f"/apis/{record['id']}/mock/enable")
    assert kit.call(record).json() == {"mocked": True}


def test_a_body_that_is_no_json_is_refused(kit: Any) -> None:
    headers = {"content-type": "application/json"}

    assert kit.admin.post("/apis", content=b"{", headers=headers).status_code == 400
    assert kit.admin.post("/search", content=json.dumps([1]), headers=headers).status_code == 400
