"""The policy of an API: who may call it, where it goes, what is counted. Replaced as a whole, compared first."""

from stoa.adapters.webmethods.gateway import Gateway, Json, group, leaf, named
from stoa.adapters.webmethods.wanted import Wanted

# stage -> templates that we own there; anything else in the policy stays as it is
OURS = {
    "IAM": ("evaluatePolicy",),
    "routing": ("straightThroughRouting", "outboundTransportAuthentication"),
    "LMT": ("logInvocation", "throttle"),
}
MINUTE_S = 60
# what proves who calls, by the security that the API asks for
IDENTIFIED_BY = {"api-key": "apiKey", "jwt": "jwtClaims"}
Actions = dict[str, Json]


def wanted_actions(wanted: Wanted) -> Actions:
    """Parameters by template, for every action that the API should have."""
    route = (leaf("endpointUri", wanted.endpoint), leaf("method", "CUSTOM"))
    actions = {"straightThroughRouting": _action("Route", *route)}
    if wanted.authentication is not None:
        inner = (leaf("authType", "ALIAS"), leaf("authMode", "NEW"), leaf("alias", wanted.outbound_alias))
        actions["outboundTransportAuthentication"] = _action("Authenticate", group("transportSecurity", *inner))
    kind = IDENTIFIED_BY.get(wanted.security["type"])
    if kind is not None:
        rule = group("IdentificationRule", leaf("applicationLookup", "strict"), leaf("identificationType", kind))
        parameters = (leaf("logicalConnector", "OR"), leaf("allowAnonymous", "false"), rule)
        actions["evaluatePolicy"] = _action("Identify & Authorize", *parameters)
    if wanted.policies.get("logging"):
        actions["logInvocation"] = _action("Log", *_log_parameters())
    if wanted.policies.get("rate_limit"):
        actions["throttle"] = _action("Throttle", *_throttle_parameters(wanted.policies["rate_limit"]))
    return actions


def ensure(gateway: Gateway, wanted: Wanted, policy_id: str, *, dry: bool) -> bool:
    """Brings the policy to what is wanted. An action is deleted only after the policy let go of it."""
    policy = gateway.policy(policy_id)
    actions = wanted_actions(wanted)
    present = _present(gateway, policy)
    changed = False
    ids: dict[str, str] = {}
    for template, action in actions.items():
        known = present.get(template)
        if known is not None and _parameters(known) == _parameters(action):
            ids[template] = known["id"]
            continue
        changed = True
        if not dry:
            ids[template] = _write(gateway, known, template, action)
    surplus = [action["id"] for template, action in present.items() if template not in actions]
    if dry:
        return changed or bool(surplus)
    stages = _stages(policy, ids, {action["id"] for action in present.values()})
    if stages != _normal(policy["policyEnforcements"]):
        changed = True
        gateway.put_policy({**policy, "policyEnforcements": stages})
    for action_id in surplus:
        gateway.delete_policy_action(action_id)
    return changed or bool(surplus)


def differences(gateway: Gateway, wanted: Wanted, policy_id: str) -> list[str]:
    """Templates whose action is missing, surplus or other than wanted."""
    actions, present = wanted_actions(wanted), _present(gateway, gateway.policy(policy_id))
    wrong = {t for t in actions if t not in present or _parameters(present[t]) != _parameters(actions[t])}
    return sorted(wrong | (set(present) - set(actions)))


def _present(gateway: Gateway, policy: Json) -> Actions:
    """Our templates' actions that the policy refers to, by template."""
    found: Actions = {}
    for stage in policy["policyEnforcements"]:
        if stage["stageKey"] in OURS:
            for entry in stage["enforcements"]:
                action = gateway.policy_action(entry["enforcementObjectId"])
                if action["templateKey"] in OURS[stage["stageKey"]]:
                    found[action["templateKey"]] = action
    return found


def _write(gateway: Gateway, known: Json | None, template: str, action: Json) -> str:
    if known is None:
        return gateway.add_policy_action({**action, "templateKey": template})
    gateway.put_policy_action({**known, "parameters": action["parameters"]})
    return str(known["id"])


def _stages(policy: Json, ids: dict[str, str], managed: set[str]) -> list[Json]:
    """Foreign enforcements first, in their order, then ours; empty stages are left out."""
    stages: dict[str, list[str]] = {}
    for stage in policy["policyEnforcements"]:
        kept = [e["enforcementObjectId"] for e in stage["enforcements"] if e["enforcementObjectId"] not in managed]
        stages[stage["stageKey"]] = kept
    for key, templates in OURS.items():
        stages.setdefault(key, []).extend(ids[template] for template in templates if template in ids)
    return _normal(
        [
            {
                "stageKey": key,
                "enforcements": [{"enforcementObjectId": i, "order": str(n)} for n, i in enumerate(order)],
            }
            for key, order in stages.items()
        ]
    )


def _normal(enforcements: list[Json]) -> list[Json]:
    return [
        {
            "stageKey": stage["stageKey"],
            "enforcements": [
                {"enforcementObjectId": e["enforcementObjectId"], "order": str(e["order"])}
                for e in stage["enforcements"]
            ],
        }
        for stage in sorted(enforcements, key=lambda s: str(s["stageKey"]))
        if stage["enforcements"]
    ]


def _action(name: str, *parameters: Json) -> Json:
    return {"names": named(name), "parameters": list(parameters), "active": True}


def _parameters(action: Json) -> list[Json]:
    return [_plain(parameter) for parameter in action.get("parameters", [])]


def _plain(parameter: Json) -> Json:
    if "parameters" in parameter:
        return group(parameter["templateKey"], *(_plain(inner) for inner in parameter["parameters"]))
    return leaf(parameter["templateKey"], *map(str, parameter.get("values", [])))


def _log_parameters() -> list[Json]:
    off = ("storeRequestHeaders", "storeRequestPayload", "storeResponseHeaders", "storeResponsePayload", "storeAsZip")
    target = group("destination", leaf("destinationType", "GATEWAY"))
    return [*(leaf(name, "false") for name in off), leaf("logGenerationFrequency", "Always"), target]


def _throttle_parameters(limit: Json) -> list[Json]:
    rule = (
        leaf("throttleRuleName", "requestCount"),
        leaf("monitorRuleOperator", "GT"),
        leaf("value", str(limit["requests"])),
    )
    return [
        group("throttleRule", *rule),
        leaf("alertInterval", str(limit["period_s"] // MINUTE_S)),
        leaf("alertIntervalUnit", "minutes"),
        leaf("alertFrequency", "once"),
        leaf("alertMessage", "Too many requests"),
        group("destination", leaf("destinationType", "GATEWAY")),
    ]
