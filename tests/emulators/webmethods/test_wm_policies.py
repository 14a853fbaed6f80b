"""Policies and policy actions: envelopes, whole replacement, templates, global policies."""

from typing import Any

import pytest


def rule_group(parameter: Any, kind: str = "apiKey") -> dict[str, Any]:
    return {"templateKey": "IdentificationRule", "parameters": [parameter("identificationType", kind)]}


def test_an_action_is_created_in_its_envelope_and_listed_under_a_singular_key(kit: Any, parameter: Any) -> None:
    response = kit.action("entryProtocolPolicy", parameter("protocol", "http"))

    action = response.json()["policyAction"]
    assert response.status_code == 201
    assert action in kit.admin.get("/policyActions").json()["policyAction"]
    assert kit.admin.get(f"/policyActions/{action['id']}").json() == {"policyAction": action}


@pytest.mark.parametrize(
    "body",
    [
        {"templateKey": "entryProtocolPolicy", "parameters": []},
        {"policyAction": {"templateKey": "noSuchTemplate", "parameters": []}},
        {"policyAction": {"templateKey": "logInvocation", "parameters": {}}},
        {"policyAction": {"templateKey": "logInvocation", "parameters": [{"values": ["a"]}]}},
        {"policyAction": {"templateKey": "logInvocation", "parameters": [{"templateKey": "a", "values": "true"}]}},
        {"policyAction": {"templateKey": "logInvocation", "parameters": [{"templateKey": "a", "values": [True]}]}},
        {"policyAction": {"templateKey": "straightThroughRouting", "parameters": []}},
    ],
)
def test_a_bad_action_is_refused_with_the_gateways_text(kit: Any, body: Any) -> None:
    response = kit.admin.post("/policyActions", json=body)

    assert response.status_code == 400
    assert response.json()["errorDetails"] == (
        " Unable to create the resource. Error in processing the payload null. Error Message . "
        "Check the correctness of key and payload."
    )


def test_a_bare_action_put_answers_200_and_stores_nothing(kit: Any, parameter: Any) -> None:
    action = kit.action("entryProtocolPolicy", parameter("protocol", "http")).json()["policyAction"]
    changed = {**action, "parameters": [parameter("protocol", "https")]}

    assert kit.admin.put(f"/policyActions/{action['id']}", json=changed).status_code == 200
    assert kit.admin.get(f"/policyActions/{action['id']}").json()["policyAction"] == action

    kit.admin.put(f"/policyActions/{action['id']}", json={"policyAction": changed})
    assert kit.admin.get(f"/policyActions/{action['id']}").json()["policyAction"] == changed


def test_an_unknown_action_is_a_500_to_put_and_a_404_to_delete(kit: Any) -> None:
    put = kit.admin.put("/policyActions/nobody", json={"policyAction": {}})

    assert put.status_code == 500
    assert put.json()["errorDetails"].endswith("Unable to find the resource: nobody")
    assert kit.admin.delete("/policyActions/nobody").status_code == 404


def test_flat_transport_security_kills_the_gateway(kit: Any, parameter: Any) -> None:
    flat = [parameter("authType", "ALIAS"), parameter("alias", "a")]

    assert kit.action("outboundTransportAuthentication", *flat).status_code == 500
    grouped = {"templateKey": "transportSecurity", "parameters": flat}
    assert kit.action("outboundTransportAuthentication", grouped).status_code == 201
    assert kit.action("outboundTransportAuthentication", grouped, grouped).status_code == 500


def test_identification_has_its_own_display_name(kit: Any, parameter: Any) -> None:
    action = kit.action("evaluatePolicy", rule_group(parameter)).json()["policyAction"]

    assert action["names"][0]["value"] == "Identify & Authorize"


def test_a_policy_put_replaces_and_what_is_left_out_is_gone(kit: Any) -> None:
    record = kit.api()
    kit.identify(record)
    policy = kit.policy(record)
    policy["policyEnforcements"] = [one for one in policy["policyEnforcements"] if one["stageKey"] == "routing"]

    kit.admin.put(f"/policies/{policy['id']}", json={"policy": policy})

    assert [stage["stageKey"] for stage in kit.policy(record)["policyEnforcements"]] == ["routing"]


def test_a_bare_policy_put_stores_nothing(kit: Any) -> None:
    record = kit.api()
    policy = kit.policy(record)

    assert kit.admin.put(f"/policies/{policy['id']}", json={**policy, "policyEnforcements": []}).status_code == 200
    assert kit.policy(record) == policy


def test_an_action_belongs_into_its_stage_and_stages_are_known(kit: Any, parameter: Any) -> None:
    record = kit.api()
    policy = kit.policy(record)
    action = kit.action("evaluatePolicy", rule_group(parameter)).json()["policyAction"]
    entry = [{"enforcementObjectId": action["id"], "order": "0"}]

    def put(stage: str) -> int:
        stages = [*policy["policyEnforcements"], {"stageKey": stage, "enforcements": entry}]
        body = {"policy": {**policy, "policyEnforcements": stages}}
        return int(kit.admin.put(f"/policies/{policy['id']}", json=body).status_code)

    assert [put("LMT"), put("iam"), put("IAM")] == [400, 400, 200]


def test_only_one_identification_for_each_api(kit: Any) -> None:
    record = kit.api()
    kit.identify(record)

    with pytest.raises(AssertionError):
        kit.identify(record)


def test_a_policy_that_refers_to_a_missing_action_kills_the_gateway(kit: Any) -> None:
    policy = kit.policy(kit.api())
    policy["policyEnforcements"][0]["enforcements"].append({"enforcementObjectId": "nobody", "order": "1"})

    assert kit.admin.put(f"/policies/{policy['id']}", json={"policy": policy}).status_code == 500


def test_an_unknown_policy_is_a_404(kit: Any) -> None:
    response = kit.admin.get("/policies/nobody")

    assert (response.status_code, response.json()) == (404, {"errorDetails": " Unable to find the resource: nobody"})


def test_deleting_a_policy_deletes_its_actions(kit: Any) -> None:
    policy = kit.policy(kit.api())
    action_id = policy["policyEnforcements"][0]["enforcements"][0]["enforcementObjectId"]

    assert kit.admin.delete(f"/policies/{policy['id']}").status_code == 204
    assert kit.admin.get(f"/policyActions/{action_id}").status_code == 404


def global_policy(kit: Any, parameter: Any, scope: Any = "all") -> dict[str, Any]:
    action = kit.action("evaluatePolicy", rule_group(parameter)).json()["policyAction"]
    stage = {"stageKey": "IAM", "enforcements": [{"enforcementObjectId": action["id"], "order": "0"}]}
    names = [{"value": kit.name(), "locale": "English"}]
    body = {"names": names, "policyScope": "GLOBAL", "scope": scope, "policyEnforcements": [stage]}
    made: dict[str, Any] = kit.admin.post("/policies", json={"policy": body}).json()["policy"]
    return made


def test_only_global_policies_are_activated(kit: Any) -> None:
    policy = kit.policy(kit.api())

    response = kit.admin.put(f"/policies/{policy['id']}/activate")

    assert response.status_code == 400
    name = policy["names"][0]["value"]
    text = f" Policy [{name}] is not a global policy. Cannot be activated/deactivated."
    assert response.json()["errorDetails"] == text


def test_an_active_global_policy_holds_for_every_api_and_cannot_be_deleted(fresh: Any, parameter: Any) -> None:
    record = fresh.api(active=True)
    policy = global_policy(fresh, parameter)

    assert fresh.admin.put(f"/policies/{policy['id']}/activate").status_code == 200
    assert fresh.call(record).status_code == 401
    refused = fresh.admin.delete(f"/policies/{policy['id']}")
    assert refused.status_code == 500
    assert "is in active state, hence cannot be deleted" in refused.json()["errorDetails"]
    assert fresh.admin.put(f"/policies/{policy['id']}/deactivate").status_code == 200
    assert fresh.call(record).status_code == 200
    assert fresh.admin.delete(f"/policies/{policy['id']}").status_code == 204


def test_a_global_policy_without_scope_or_with_a_conflict_is_not_activated(fresh: Any, parameter: Any) -> None:
    no_scope = global_policy(fresh, parameter, scope=None)
    assert fresh.admin.put(f"/policies/{no_scope['id']}/activate").status_code == 400

    record = fresh.api()
    fresh.identify(record)
    policy = global_policy(fresh, parameter)
    response = fresh.admin.put(f"/policies/{policy['id']}/activate")

    item = {"apiId": record["id"], "apiName": record["apiName"], "errorOnResource": ["evaluatePolicy"]}
    assert (response.status_code, response.json()["reason"]) == (500, [item])
    assert fresh.admin.get(f"/policies/{policy['id']}/conflicts").json() == {"conflicts": [item]}


def test_transaction_logging_is_there_and_shown_at_each_api_once_it_is_active(fresh: Any) -> None:
    record = fresh.api()
    path = f"/apis/{record['id']}/globalPolicies"

    assert fresh.admin.get(path).json() == {"globalPolicies": []}
    assert fresh.admin.put("/policies/GlobalLogInvocationPolicy/activate").status_code == 200
    assert fresh.admin.get(path).json() == {"globalPolicies": ["GlobalLogInvocationPolicy"]}


def test_the_fault_stage_has_two_names(kit: Any) -> None:
    record = kit.api()
    kit.enforce(record, "responseFaultProcessing", "conditionalErrorProcessing")

    def stages() -> set[str]:
        return {stage["stageKey"] for stage in kit.policy(record)["policyEnforcements"]}

    assert "responseFaultProcessing" in stages()
    with kit.variant(fault_stage="errorHandling"):
        assert "errorHandling" in stages()


def test_custom_http_headers_are_allowed_once_for_an_api(kit: Any) -> None:
    record = kit.api()
    kit.enforce(record, "routing", "customHttpHeaders")
    second = kit.action("customHttpHeaders").json()["policyAction"]["id"]
    policy = kit.policy(record)
    routing = next(stage for stage in policy["policyEnforcements"] if stage["stageKey"] == "routing")
    routing["enforcements"].append({"enforcementObjectId": second, "order": "0"})

    response = kit.admin.put(f"/policies/{policy['id']}", json={"policy": policy})

    assert (response.status_code, "At most one of customHttpHeaders" in response.text) == (400, True)
    held = next(s for s in kit.policy(record)["policyEnforcements"] if s["stageKey"] == "routing")
    assert second not in [entry["enforcementObjectId"] for entry in held["enforcements"]]
