"""Strategies, scopes, stages, configurations, teams."""

from typing import Any

STRATEGY = {"type": "JWT", "authServerAlias": "local", "dcrConfig": {"clientType": "CONFIDENTIAL"}}


def strategy(kit: Any, **change: Any) -> Any:
    return kit.admin.post("/strategies", json={**STRATEGY, "name": kit.name(), **change})


def test_a_strategy_masks_its_secret_except_in_the_list(kit: Any) -> None:
    response = strategy(kit)

    made = response.json()["strategy"]
    assert (response.status_code, made["type"]) == (201, "JWT")
    assert set(made["clientSecret"]) == {"*"}
    assert kit.admin.get(f"/strategies/{made['id']}").json()["strategy"] == made
    listed = next(one for one in kit.admin.get("/strategies").json() if one["id"] == made["id"])
    assert "*" not in listed["clientSecret"]
    with kit.variant(strategy_secret="clear", strategies_list="wrapped"):
        assert kit.admin.get(f"/strategies/{made['id']}").json()["strategy"] == listed
        assert listed in kit.admin.get("/strategies").json()["strategies"]


def test_a_strategy_has_a_known_type(kit: Any) -> None:
    assert strategy(kit, type="jwt").status_code == 400
    assert strategy(kit, type="OAUTH2").status_code == 201
    with kit.variant(strategy_jwt_type="OPENID_CONNECT_RSA"):
        assert strategy(kit, type="OPENID_CONNECT_RSA").status_code == 201


def test_new_credentials_come_with_a_new_client_id(kit: Any) -> None:
    made = strategy(kit).json()["strategy"]

    fresh = kit.admin.put(f"/strategies/{made['id']}/refreshCredentials").json()["strategy"]

    assert fresh["clientId"] != made["clientId"]


def test_strategies_are_changed_and_deleted_by_ids(kit: Any) -> None:
    made = strategy(kit).json()["strategy"]

    changed = kit.admin.put(f"/strategies/{made['id']}", json={"description": "new"}).json()["strategy"]
    assert changed["description"] == "new"
    assert kit.admin.delete("/strategies").status_code == 400
    assert kit.admin.delete("/strategies", params={"ids": made["id"]}).status_code == 204
    assert kit.admin.get(f"/strategies/{made['id']}").status_code == 404


def test_a_scope_maps_apis_to_a_server_by_its_name(kit: Any) -> None:
    record = kit.api()
    needs = [{"authServerAlias": "local", "scopeName": "orders"}]
    body = {"scopeName": f"{record['apiName']}:1.0.0", "apiScopes": [record["id"]], "requiredAuthScopes": needs}

    def post(**change: Any) -> int:
        return int(kit.admin.post("/scopes", json={**body, "audience": "", **change}).status_code)

    assert post(audience="orders") == 400
    assert post(requiredAuthScopes=[{"authServerAlias": "nobody", "scopeName": "a"}]) == 400
    assert post(apiScopes=["nobody"]) == 400
    assert post() == 201
    assert post() == 400
    with kit.variant(scope_audience="name"):
        assert post(scopeName=kit.name(), audience="orders") == 201


def test_scopes_are_listed_changed_and_deleted(kit: Any) -> None:
    made = kit.admin.post("/scopes", json={"scopeName": kit.name(), "audience": ""}).json()["scope"]
    path = f"/scopes/{made['id']}"

    assert made in kit.admin.get("/scopes").json()["scopes"]
    changed = kit.admin.put(path, json={**made, "scopeDescription": "new"}).json()["scope"]
    assert kit.admin.get(path).json() == {"scope": changed}
    assert kit.admin.delete(path).status_code == 204
    assert kit.admin.get(path).status_code == 404


def stage(kit: Any, target: Any, **change: Any) -> Any:
    body = {"name": kit.name(), "url": target.url, "username": "ops", "password": "not-a-default", **change}
    return kit.admin.post("/stages", json=body)


def promote(kit: Any, stages: list[str], record: Any, **query: str) -> Any:
    body = {"name": "r1", "description": "", "destinationStages": stages, "promotedAssets": {"api": [record["id"]]}}
    return kit.admin.post("/promotion", json=body, params=query)


def test_a_promotion_sends_the_api_to_another_gateway(kit: Any, fresh: Any) -> None:
    record = kit.api(active=True)
    made = stage(kit, fresh).json()["stage"]

    promotion = promote(kit, [made["id"]], record).json()["promotion"]

    assert "password" not in made
    assert promotion["status"] == "Success"
    assert promotion["promotionResults"][made["name"]]["ArchiveResult"]
    assert fresh.call(record).status_code == 200
    again = promote(kit, [made["id"]], record).json()["promotion"]
    assert again["status"] == "Failure"
    assert promote(kit, [made["id"]], record, overwrite="true").json()["promotion"]["status"] == "Success"
    assert promotion in kit.admin.get("/promotion").json()["promotions"]
    assert kit.admin.put(f"/rollback/{promotion['id']}").json()["promotion"]["status"] == "RolledBack"


def test_a_promotion_to_a_stage_that_refuses_says_so(kit: Any, fresh: Any) -> None:
    made = stage(kit, fresh, password="wrong").json()["stage"]

    response = promote(kit, [made["id"]], kit.api())

    assert (response.status_code, response.json()["promotion"]["status"]) == (200, "Failure")


def test_stages_are_complete_unique_and_deleted(kit: Any, fresh: Any) -> None:
    made = stage(kit, fresh).json()["stage"]

    assert stage(kit, fresh, name=made["name"]).status_code == 400
    assert stage(kit, fresh, url="").status_code == 400
    assert made in kit.admin.get("/stages").json()["stages"]
    assert kit.admin.get(f"/stages/{made['id']}").json() == {"stage": made}
    assert kit.admin.delete(f"/stages/{made['id']}").status_code == 204
    assert kit.admin.post("/promotion", json={}).status_code == 400


def test_configurations_are_read_and_changed(fresh: Any) -> None:
    names = "settings loadBalancer errorProcessing gatewayDestinationConfig keystore extended dataspace"
    for name in names.split():
        assert fresh.admin.get(f"/configurations/{name}").status_code == 200
    assert fresh.admin.get("/configurations/nonsense").status_code == 404

    fresh.admin.put("/configurations/extended", json={"enableTeamWork": "true"})
    assert fresh.admin.get("/configurations/extended").json()["enableTeamWork"] == "true"
    assert fresh.admin.put("/configurations/dataspace", json={"a": {"b": 1}}).status_code == 400


def test_a_team_is_assigned_only_with_the_type_of_the_asset(kit: Any) -> None:
    record = kit.api()
    body = {"assetIds": [record["id"]], "newTeams": ["t1"]}

    def teams() -> Any:
        return kit.admin.get(f"/apis/{record['id']}").json()["apiResponse"]["teams"]

    assert kit.admin.post("/assets/team", json=body).status_code == 200
    assert teams() == []
    kit.admin.post("/assets/team", json={**body, "assetType": "API"})
    assert teams() == ["t1"]
    assert "teams" not in kit.record(record["id"])
