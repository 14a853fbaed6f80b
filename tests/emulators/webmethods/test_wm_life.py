"""Activation, deactivation, versions, and what becomes visible when."""

import threading
import time
from typing import Any


def test_activation_serves_and_deactivation_stops(kit: Any) -> None:
    record = kit.api()
    assert kit.call(record).status_code == 404

    response = kit.admin.put(f"/apis/{record['id']}/activate")
    assert response.json()["apiResponse"]["api"]["isActive"] is True
    assert kit.call(record).status_code == 200

    kit.admin.put(f"/apis/{record['id']}/deactivate")
    assert kit.call(record).status_code == 404
    assert kit.record(record["id"])["isActive"] is False


def test_asking_again_for_the_state_that_is_there_is_a_500_or_by_variant_a_400(kit: Any) -> None:
    record = kit.api()

    response = kit.admin.put(f"/apis/{record['id']}/deactivate")

    assert response.status_code == 500
    assert response.json()["errorDetails"] == (
        f" Cannot execute the operation DEACTIVATE on the given ApiId {record['id']}, "
        "because the API is already in the inactive state."
    )
    with kit.variant(repeated_state=400):
        assert kit.admin.put(f"/apis/{record['id']}/deactivate").status_code == 400


def test_an_api_without_a_resource_cannot_be_activated(kit: Any) -> None:
    record = kit.api(kit.document(paths={}))

    assert kit.admin.put(f"/apis/{record['id']}/activate").status_code == 400


def test_activation_takes_its_time_and_serves_at_the_end_of_it(kit: Any) -> None:
    record = kit.api()
    with kit.timing(activation_ms=1500):
        began = time.monotonic()
        thread = threading.Thread(target=kit.admin.put, args=(f"/apis/{record['id']}/activate",))
        thread.start()
        early = kit.call(record).status_code
        thread.join()

    assert early == 404
    assert time.monotonic() - began >= 1.5
    assert kit.call(record).status_code == 200


def test_the_runtime_answers_404_from_the_beginning_of_a_deactivation(kit: Any) -> None:
    record = kit.api(active=True)
    with kit.timing(activation_ms=1500):
        thread = threading.Thread(target=kit.admin.put, args=(f"/apis/{record['id']}/deactivate",))
        thread.start()
        while thread.is_alive() and kit.call(record).status_code == 200:
            pass
        during = thread.is_alive() and kit.call(record).status_code
        thread.join()

    assert during == 404


def test_an_import_takes_its_time(kit: Any) -> None:
    with kit.timing(import_ms=200):
        began = time.monotonic()
        kit.api()
        assert time.monotonic() - began >= 0.2


def version(kit: Any, record: Any, number: str, **body: Any) -> Any:
    return kit.admin.post(f"/apis/{record['id']}/versions", json={"newApiVersion": number, **body})


def test_a_new_version_is_an_inactive_clone_with_policies_of_its_own(kit: Any) -> None:
    record = kit.api(active=True)
    kit.admin.post("/assets/team", json={"assetIds": [record["id"]], "assetType": "API", "newTeams": ["t1"]})

    response = version(kit, record, "2.0.0")

    clone = response.json()["apiResponse"]["api"]
    assert response.status_code == 201
    assert (clone["apiName"], clone["apiVersion"], clone["isActive"]) == (record["apiName"], "2.0.0", False)
    assert not set(clone["policies"]) & set(record["policies"])
    assert response.json()["apiResponse"]["teams"] == ["t1"]
    assert clone["prevVersion"] == record["id"]
    assert kit.record(record["id"])["nextVersion"] == clone["id"]


def test_versions_come_only_from_the_latest_one_and_only_once(kit: Any) -> None:
    record = kit.api()
    version(kit, record, "2.0.0")

    old = version(kit, record, "3.0.0")
    double = version(kit, record, "2.0.0")

    assert (old.status_code, double.status_code) == (400, 400)
    assert old.json()["errorDetails"].strip() == "Versioning is allowed only from latest version"
    text = f" Unable to version the API {record['apiName']} with version 2.0.0 that already exists."
    assert double.json()["errorDetails"] == text


def test_subscriptions_are_kept_only_by_the_exact_word(kit: Any) -> None:
    record = kit.api()
    app = kit.application(record["id"])

    lost = version(kit, record, "2.0.0", retainapplications=True).json()["apiResponse"]["api"]
    assert kit.app(app["id"])["consumingAPIs"] == [record["id"]]

    kit.admin.put(f"/applications/{app['id']}/apis", json={"apiIDs": [lost["id"]]})
    kept = version(kit, lost, "3.0.0", retainApplications=True).json()["apiResponse"]["api"]
    assert kit.app(app["id"])["consumingAPIs"] == [lost["id"], kept["id"]]


def test_without_a_version_the_latest_active_one_is_called(kit: Any) -> None:
    record = kit.api(active=True)
    clone = version(kit, record, "2.0.0").json()["apiResponse"]["api"]
    kit.put(clone["id"], kit.document(paths={"/new": {"get": {"responses": {"200": {"description": "fine"}}}}}))
    kit.admin.put(f"/apis/{clone['id']}/activate")

    assert kit.plain.get(f"/gateway/{record['apiName']}/new").status_code == 200
    assert kit.call(record).status_code == 200


def test_a_deleted_action_that_a_policy_refers_to_corrupts_the_api_until_the_policy_is_repaired(kit: Any) -> None:
    record = kit.api()
    action_id = kit.identify(record)
    kit.admin.delete(f"/policyActions/{action_id}")

    assert kit.admin.put(f"/apis/{record['id']}/activate").status_code == 500
    assert kit.put(record["id"], kit.document()).status_code == 500

    policy = kit.policy(record)
    policy["policyEnforcements"] = [one for one in policy["policyEnforcements"] if one["stageKey"] != "IAM"]
    kit.admin.put(f"/policies/{policy['id']}", json={"policy": policy})
    assert kit.admin.put(f"/apis/{record['id']}/activate").status_code == 200


def test_a_corrupt_api_can_still_be_deleted(kit: Any) -> None:
    record = kit.api()
    kit.admin.delete(f"/policyActions/{kit.identify(record)}")

    assert kit.admin.delete(f"/apis/{record['id']}", params={"forceDelete": "true"}).status_code == 204


def test_a_read_right_after_a_write_may_land_on_the_other_node(kit: Any) -> None:
    with kit.timing(stale_read_ms=60000):
        record = kit.api()
        seen = {kit.admin.get(f"/apis/{record['id']}").status_code for _ in range(2)}

    assert seen == {200, 401}
