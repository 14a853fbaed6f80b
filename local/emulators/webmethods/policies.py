"""Policies: SERVICE, SCOPE and TEMPLATE ones, and the global ones with their own life."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from local.emulators.webmethods.answers import NULL_POINTER, Json, Refusal, answer, nothing, refuse
from local.emulators.webmethods.apis import drop_policy, page
from local.emulators.webmethods.gateway import Gateway, json_object, new_id, note, note_api
from local.emulators.webmethods.store import actions_used
from local.emulators.webmethods.templates import ONCE, STAGES, stage_of

FIELDS = ("names", "descriptions", "scope", "policyEnforcements", "policyScope", "global", "systemPolicy")
SCOPES = frozenset({"SERVICE", "GLOBAL", "SCOPE", "TEMPLATE"})
BAD_PAYLOAD = (
    " Unable to create the resource. Error in processing the payload null. Error Message . "
    "Check the correctness of key and payload."
)


def found(gateway: Gateway, policy_id: str) -> Json:
    policy = gateway.store.get("policy", policy_id)
    if policy is None:
        raise refuse(404, f" Unable to find the resource: {policy_id}")
    return policy


def shown(gateway: Gateway, policy: Json) -> Json:
    """The policy with the stage names of the variant in force."""
    stages = [
        {**stage, "stageKey": gateway.variants.fault_stage if stage_is_fault(stage) else stage["stageKey"]}
        for stage in policy["policyEnforcements"]
    ]
    return {"policy": {**policy, "policyEnforcements": stages}}


def stage_is_fault(stage: Json) -> bool:
    return stage["stageKey"] in {"responseFaultProcessing", "errorHandling"}


async def list_policies(gateway: Gateway, request: Request) -> Response:
    policies = page(gateway.store.all("policy"), request.query_params.get("from"), request.query_params.get("size"))
    return answer({"policy": [shown(gateway, policy)["policy"] for policy in policies]})


async def read(gateway: Gateway, request: Request) -> Response:
    return answer(shown(gateway, found(gateway, request.path_params["id"])))


async def create(gateway: Gateway, request: Request) -> Response:
    body = (await json_object(request)).get("policy")
    if not isinstance(body, dict) or body.get("policyScope") not in SCOPES:
        raise refuse(400, BAD_PAYLOAD)
    policy = {
        "id": new_id(),
        "names": [],
        "descriptions": [],
        "scope": None,
        "policyEnforcements": [],
        "systemPolicy": False,
        **{key: body[key] for key in FIELDS if key in body},
        "global": body["policyScope"] == "GLOBAL",
        "active": False,
    }
    policy["policyEnforcements"] = enforcements(gateway, policy["policyEnforcements"])
    gateway.store.put("policy", policy["id"], policy)
    note(request, policy_id=policy["id"])
    return answer(shown(gateway, policy), gateway.variants.created_status)


async def update(gateway: Gateway, request: Request) -> Response:
    """Replaces the policy: what is left out is gone. Without the envelope nothing is stored and 200 answered."""
    policy = found(gateway, request.path_params["id"])
    body = (await json_object(request)).get("policy")
    if not isinstance(body, dict):
        return answer(shown(gateway, policy))
    changed: Json = {**policy, "descriptions": [], "scope": None, "policyEnforcements": []}
    changed |= {key: body[key] for key in ("names", "descriptions", "scope", "policyEnforcements") if key in body}
    changed["policyEnforcements"] = enforcements(gateway, changed["policyEnforcements"])
    gateway.store.put("policy", policy["id"], changed)
    redeploy(gateway, policy["id"], request)
    return answer(shown(gateway, changed))


def enforcements(gateway: Gateway, stages: Any) -> list[Json]:
    """The checked list of stages. Refuses unknown stages, actions in a wrong stage, doubles; dies of missing ones."""
    if not isinstance(stages, list):
        raise refuse(400, BAD_PAYLOAD)
    counted: list[str] = []
    kept = []
    for stage in stages:
        if not isinstance(stage, dict) or stage.get("stageKey") not in STAGES:
            raise refuse(400, BAD_PAYLOAD)
        entries = [_entry(gateway, stage["stageKey"], entry, counted) for entry in stage.get("enforcements") or []]
        kept.append({"enforcements": entries, "stageKey": stage["stageKey"]})
    if any(counted.count(template) > 1 for template in ONCE):
        raise refuse(400, f" At most one of {', '.join(sorted(ONCE))} is allowed for an API")
    return kept


def _entry(gateway: Gateway, stage: str, entry: Any, counted: list[str]) -> Json:
    action_id = entry.get("enforcementObjectId") if isinstance(entry, dict) else None
    action = gateway.store.get("policyAction", str(action_id))
    if action is None:
        raise refuse(500, NULL_POINTER)
    template = action["templateKey"]
    if stage not in stage_of(template):
        raise refuse(400, f" The policy action {template} does not belong to the stage {stage}")
    order = str(entry.get("order") or "0")
    if not order.isdigit():
        raise refuse(400, BAD_PAYLOAD)
    counted.append(template)
    return {"enforcementObjectId": action_id, "order": order}


def redeploy(gateway: Gateway, policy_id: str, request: Request | None = None) -> None:
    """Active APIs follow a change of their policy at once."""
    policy = gateway.store.get("policy", policy_id)
    everywhere = policy is None or policy["global"]
    store = gateway.store
    for api in store.all("api") if everywhere else store.found("api", f"policy {policy_id}"):
        gateway.touched(api)
        if request is not None and not everywhere:
            note_api(request, api)


async def delete(gateway: Gateway, request: Request) -> Response:
    policy = found(gateway, request.path_params["id"])
    if policy["active"]:
        raise refuse(
            500,
            f" Policy [{label(policy)}] is in active state, hence cannot be deleted. "
            "Please deactivate the policy to delete",
        )
    drop_policy(gateway, policy["id"])
    redeploy(gateway, policy["id"])
    return nothing()


def label(policy: Json) -> str:
    names = policy.get("names") or [{}]
    return str(names[0].get("value", policy["id"]))


def _global(gateway: Gateway, policy_id: str) -> Json:
    policy = found(gateway, policy_id)
    if not policy["global"]:
        text = f" Policy [{label(policy)}] is not a global policy. Cannot be activated/deactivated."
        raise refuse(400, text)
    return policy


def conflicts_of(gateway: Gateway, policy: Json) -> list[Json]:
    """APIs that would have one of the actions twice which may be there once."""
    own = _once_templates(gateway, policy)
    found_ones = []
    for api in gateway.store.all("api"):
        used = [one for one in map(lambda key: gateway.store.get("policy", key), api["policies"]) if one]
        double = sorted(own & {name for one in used for name in _once_templates(gateway, one)})
        if double:
            found_ones.append({"apiId": api["id"], "apiName": api["apiName"], "errorOnResource": double})
    return found_ones


def _once_templates(gateway: Gateway, policy: Json) -> set[str]:
    actions = [gateway.store.get("policyAction", action_id) for action_id in actions_used(policy)]
    return {action["templateKey"] for action in actions if action and action["templateKey"] in ONCE}


async def activate(gateway: Gateway, request: Request) -> Response:
    policy = _global(gateway, request.path_params["id"])
    if not policy["scope"] and not policy["systemPolicy"]:
        raise refuse(400, f" Policy [{label(policy)}] has no scope. Cannot be activated.")
    reason = conflicts_of(gateway, policy)
    if reason:
        raise Refusal(500, {"errorDetails": f" Policy [{label(policy)}] has conflicts.", "reason": reason})
    return _switched(gateway, policy, active=True)


async def deactivate(gateway: Gateway, request: Request) -> Response:
    return _switched(gateway, _global(gateway, request.path_params["id"]), active=False)


def _switched(gateway: Gateway, policy: Json, active: bool) -> Response:
    changed = gateway.store.put("policy", policy["id"], {**policy, "active": active})
    redeploy(gateway, policy["id"])
    return answer(shown(gateway, changed))


async def conflicts(gateway: Gateway, request: Request) -> Response:
    policy = found(gateway, request.path_params["id"])
    return answer({"conflicts": conflicts_of(gateway, policy)})
