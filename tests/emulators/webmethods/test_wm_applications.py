"""Applications, their keys, and their subscriptions."""

from typing import Any

import pytest


def test_an_application_is_flat_when_created_and_a_list_when_read(kit: Any) -> None:
    response = kit.admin.post("/applications", json={"name": kit.name(), "description": "shop", "nonsense": 1})

    app = response.json()
    assert response.status_code == 201
    assert (app["description"], app["consumingAPIs"], app["isSuspended"]) == ("shop", [], False)
    assert kit.admin.get(f"/applications/{app['id']}").json() == {"applications": [app]}
    assert app in kit.admin.get("/applications").json()["applications"]
    assert kit.admin.delete(f"/applications/{app['id']}").status_code == 204
    assert kit.admin.get(f"/applications/{app['id']}").status_code == 404


def test_a_taken_or_missing_name_is_refused(kit: Any) -> None:
    app = kit.application()

    assert kit.admin.post("/applications", json={"name": app["name"]}).status_code == 400
    assert kit.admin.post("/applications", json={}).status_code == 400


def test_an_unknown_identifier_key_is_refused(kit: Any) -> None:
    identifier = {"key": "ipAddress", "name": "a", "value": ["10.0.0.1"]}

    assert kit.admin.post("/applications", json={"name": kit.name(), "identifiers": [identifier]}).status_code == 400


def test_an_address_range_in_cidr_form_is_dropped_without_a_word(kit: Any) -> None:
    identifier = {"key": "ipAddressRange", "name": "a", "value": ["10.0.0.0/8", "10.0.0.1-10.0.0.9"]}

    app = kit.application(identifiers=[identifier])

    assert app["identifiers"][0]["value"] == ["10.0.0.1-10.0.0.9"]


def test_a_put_replaces_the_application_and_keeps_subscriptions_and_keys(kit: Any) -> None:
    record = kit.api()
    app = kit.application(record["id"], siteURLs=["https://a.test"])
    key = kit.key(app)

    assert kit.admin.put(f"/applications/{app['id']}", json={"name": app["name"]}).status_code == 200

    after = kit.app(app["id"])
    assert after["siteURLs"] == []
    assert after["consumingAPIs"] == [record["id"]]
    assert after["accessTokens"]["apiAccessKey_credentials"]["apiAccessKey"] == key


def test_an_application_is_suspended_by_patch(kit: Any) -> None:
    record = kit.api(active=True)
    kit.identify(record)
    app = kit.application(record["id"])
    headers = {"x-Gateway-APIKey": kit.key(app)}
    assert kit.call(record, headers=headers).status_code == 200

    assert kit.admin.patch(f"/applications/{app['id']}", json={"isSuspended": "true"}).status_code == 200

    assert kit.call(record, headers=headers).status_code == 401


def associate(kit: Any, app: Any, body: Any, method: str = "PUT") -> Any:
    return kit.admin.request(method, f"/applications/{app['id']}/apis", json=body)


def test_subscriptions_are_replaced_by_put_and_post(kit: Any) -> None:
    one, other = kit.api()["id"], kit.api()["id"]
    app = kit.application(one)

    assert associate(kit, app, {"apiIDs": [other]}).json()["apiIDs"] == [other]
    assert associate(kit, app, {"apiIDs": [one]}, "POST").json()["apiIDs"] == [one]
    with kit.variant(post_association="add"):
        assert associate(kit, app, {"apiIDs": [other]}, "POST").json()["apiIDs"] == [one, other]


def test_subscriptions_read_with_two_keys_or_by_variant_with_one(kit: Any) -> None:
    record = kit.api()
    app = kit.application(record["id"])
    path = f"/applications/{app['id']}/apis"

    both = kit.admin.get(path).json()
    assert both == {"apiIDs": [record["id"]], "apis": [{"id": record["id"], "apiName": record["apiName"]}]}
    with kit.variant(association_read="apiIDs"):
        assert kit.admin.get(path).json() == {"apiIDs": [record["id"]]}


def test_a_bare_list_of_ids_kills_the_gateway(kit: Any) -> None:
    response = associate(kit, kit.application(), [kit.api()["id"]])

    assert (response.status_code, response.json()) == (500, {"errorDetails": None})


def test_an_unknown_application_or_api_is_a_400(kit: Any) -> None:
    assert associate(kit, {"id": "nobody"}, {"apiIDs": []}).status_code == 400
    assert associate(kit, kit.application(), {"apiIDs": ["nobody"]}).status_code == 400


def test_taking_subscriptions_away_by_delete_is_a_variant(kit: Any) -> None:
    record = kit.api()
    app = kit.application(record["id"])
    path = f"/applications/{app['id']}/apis"

    assert kit.admin.delete(path, params={"apiIDs": record["id"]}).status_code == 405
    with kit.variant(delete_association=204):
        assert kit.admin.delete(path, params={"apiIDs": record["id"]}).status_code == 204
    assert kit.app(app["id"])["consumingAPIs"] == []


def test_asking_for_a_key_again_makes_another_one_and_the_old_one_is_dead(kit: Any) -> None:
    record = kit.api(active=True)
    kit.identify(record)
    app = kit.application(record["id"])

    old, new = kit.key(app), kit.key(app)

    assert old != new
    assert kit.call(record, headers={"x-Gateway-APIKey": old}).status_code == 401
    assert kit.call(record, headers={"x-Gateway-APIKey": new}).status_code == 200


@pytest.mark.parametrize("status", [200, 404])
def test_a_second_key_has_variants(kit: Any, status: int) -> None:
    app = kit.application()
    kit.key(app)
    with kit.variant(key_regeneration=status):
        response = kit.admin.post(f"/applications/{app['id']}/accessTokens", json={"type": "apiAccessKeyCredentials"})

    assert response.status_code == status


def test_oauth_credentials_are_another_kind_of_token(kit: Any) -> None:
    path = f"/applications/{kit.application()['id']}/accessTokens"

    assert set(kit.admin.post(path, json={"type": "oAuthCredentials"}).json()["accessTokens"]) == {"oauth_credentials"}
    assert kit.admin.post(path, json={"type": "nonsense"}).status_code == 400


def test_expiry_is_a_global_setting_and_an_application_has_no_say(fresh: Any) -> None:
    app = fresh.application()
    path = f"/applications/{app['id']}/accessTokens"
    body = {"type": "apiAccessKeyCredentials", "expirationInterval": "9"}

    made = fresh.admin.post(path, json=body)
    assert made.json()["accessTokens"]["apiAccessKey_credentials"]["expirationDate"] is None

    fresh.admin.put("/configurations/extended", json={"apiKeyExpirationPeriod": "30"})
    fresh.admin.put("/applications/accessTokens", json={})
    credentials = fresh.app(app["id"])["accessTokens"]["apiAccessKey_credentials"]
    assert credentials["expirationInterval"] == "30"
    assert credentials["expirationDate"].endswith("GMT")
