"""What the runtime serves for one active API: its record, operations and policies, read once when it is deployed."""

import re
from dataclasses import dataclass

from local.emulators.webmethods.answers import Json
from local.emulators.webmethods.model import enabled_operations
from local.emulators.webmethods.parameters import groups, value, values
from local.emulators.webmethods.paths import PathTree
from local.emulators.webmethods.store import Store

VARIABLE = re.compile(r"\$\{([^{}]+)\}")
UNITS_S = {"minutes": 60, "hours": 3600, "days": 86400, "weeks": 604800}


@dataclass(frozen=True)
class Rule:
    kind: str
    strict: bool


@dataclass(frozen=True)
class Identification:
    rules: tuple[Rule, ...]
    every: bool
    anonymous: bool


@dataclass(frozen=True)
class Throttle:
    action_id: str
    calls: int
    window_s: int
    consumers: frozenset[str]


@dataclass(frozen=True)
class Deployment:
    """`bindings`: alias id by alias name, as they were when the API was deployed; None where there was none."""

    api_id: str
    name: str
    version: str
    system_version: int
    tree: PathTree
    model: Json
    identification: Identification | None
    throttles: tuple[Throttle, ...]
    endpoint: str
    method: str
    outbound: str | None
    plain_http: bool
    mocked: bool
    bindings: dict[str, str | None]


def actions_of(store: Store, api: Json) -> list[Json]:
    """The policy actions of an API and of the active global policies, in the order of their enforcements."""
    policies = [store.get("policy", policy_id) for policy_id in api["policies"]]
    policies += [policy for policy in store.found("policy", "global") if policy.get("active")]
    found = []
    for policy in policies:
        for stage in policy["policyEnforcements"] if policy else []:
            for enforcement in sorted(stage["enforcements"], key=lambda entry: int(entry.get("order") or 0)):
                found.append(store.get("policyAction", enforcement["enforcementObjectId"]))
    return [action for action in found if action is not None]


def deploy(store: Store, api: Json, earlier: dict[str, str | None]) -> Deployment:
    """`earlier` bindings stay as they are; names that are new are looked up now."""
    by_key: dict[str, list[Json]] = {}
    for action in actions_of(store, api):
        by_key.setdefault(action["templateKey"], []).append(action)
    routing = by_key.get("straightThroughRouting", [{}])[0]
    endpoint = value(routing, "endpointUri")
    outbound = next(filter(None, map(_outbound_alias, by_key.get("outboundTransportAuthentication", []))), None)
    names = [name for name in VARIABLE.findall(endpoint) if not name.startswith("sys:")]
    names += [outbound] if outbound else []
    protocols = values(by_key.get("entryProtocolPolicy", [{}])[0], "protocol")
    model = store.get("definition", api["id"]) or {}
    return Deployment(
        api_id=api["id"],
        name=api["apiName"],
        version=api["apiVersion"],
        system_version=int(api["systemVersion"]),
        tree=PathTree(enabled_operations(model)),
        model=model,
        identification=_identification(by_key.get("evaluatePolicy", [])),
        throttles=tuple(throttle for action in by_key.get("throttle", []) for throttle in _throttles(action)),
        endpoint=endpoint,
        method=value(routing, "method", "CUSTOM"),
        outbound=outbound,
        plain_http=not protocols or "http" in protocols,
        mocked=bool(api.get("mockService")),
        bindings={name: earlier[name] if name in earlier else _alias_id(store, name) for name in names},
    )


def _alias_id(store: Store, name: str) -> str | None:
    found = store.found("alias", name)
    return str(found[0]["id"]) if found else None


def _identification(actions: list[Json]) -> Identification | None:
    rules = tuple(
        Rule(value(group, "identificationType"), value(group, "applicationLookup", "strict") == "strict")
        for action in actions
        for group in groups(action, "IdentificationRule")
    )
    if not rules:
        return None
    every = value(actions[0], "logicalConnector", "OR").upper() == "AND"
    return Identification(rules, every, value(actions[0], "allowAnonymous", "false") == "true")


def _throttles(action: Json) -> list[Throttle]:
    unit = UNITS_S.get(value(action, "alertIntervalUnit", "minutes"), 60)
    window_s = int(value(action, "alertInterval", "1")) * unit
    consumers = frozenset(values(action, "consumerIds")) - {"AllConsumers"}
    return [
        Throttle(action["id"], int(value(group, "value", "0")), window_s, consumers)
        for group in groups(action, "throttleRule")
        if value(group, "throttleRuleName", "requestCount") == "requestCount"
    ]


def _outbound_alias(action: Json) -> str | None:
    for group in groups(action, "transportSecurity"):
        if value(group, "authType") in {"ALIAS", "HTTP_BASIC"} and value(group, "alias"):
            return _bare(value(group, "alias"))
    return None


def _bare(text: str) -> str:
    found = VARIABLE.fullmatch(text)
    return found[1] if found else text
