"""The templates of policy actions by stage, and which parameter trees they take."""

from typing import Any

from local.emulators.webmethods.answers import Json
from local.emulators.webmethods.deployment import UNITS_S
from local.emulators.webmethods.parameters import groups, value, walk

FAULT = ("conditionalErrorProcessing",)
STAGES: dict[str, tuple[str, ...]] = {
    "threatProtection": tuple(
        "globalipdos ipdos egviolationalert MsgSizeLimitFilter OAuthFilter mobileAppProtectionFilter "
        "sqlInjectionFilter antiVirusFilter jsonThreatProtectionFilter xmlThreatProtectionFilter customFilter".split()
    ),
    "transport": ("entryProtocolPolicy", "setMediaType"),
    "IAM": ("inboundAuthTransport", "webServiceSecurityPolicy", "authorizeUser", "evaluatePolicy"),
    "requestPayloadProcessing": ("invokeESB", "xsltTransformation", "validateSchema", "validateAPISpec"),
    "responseProcessing": ("invokeESB", "xsltTransformation", "validateSchema", "validateAPISpec"),
    "routing": tuple(
        "contentBasedRouting contextBasedRouting dynamicRouting loadBalancerRouting straightThroughRouting "
        "customHttpHeaders outboundTransportAuthentication outboundMessageAuthentication".split()
    ),
    "LMT": ("logInvocation", "monitorServicePerformance", "monitorSLA", "throttle", "serviceResultCache"),
    "responseFaultProcessing": FAULT,
    "errorHandling": FAULT,
}
TEMPLATES = frozenset(template for templates in STAGES.values() for template in templates)
ONCE = frozenset({"evaluatePolicy", "customHttpHeaders"})
AUTH_TYPES = frozenset("ALIAS NTLM OAUTH2 REMOVE_INCOMING_HTTP_HEADERS JWT KERBEROS HTTP_BASIC".split())


class BadPayload(Exception):
    """The parameter tree is not one the template takes (400)."""


class Dies(Exception):
    """The gateway dies of this payload (500)."""


def stage_of(template: str) -> frozenset[str]:
    return frozenset(stage for stage, templates in STAGES.items() if template in templates)


def check_action(action: Any) -> None:
    """Raises BadPayload or Dies."""
    if not isinstance(action, dict) or action.get("templateKey") not in TEMPLATES:
        raise BadPayload
    if not isinstance(action.get("parameters", []), list):
        raise BadPayload
    for entry in walk(action):
        _check_entry(entry)
    checks = {
        "outboundTransportAuthentication": _check_outbound,
        "throttle": _check_throttle,
        "evaluatePolicy": _check_evaluate,
        "straightThroughRouting": _check_routing,
    }
    check = checks.get(action["templateKey"])
    if check is not None:
        check(action)


def _check_entry(entry: Json) -> None:
    if not isinstance(entry.get("templateKey"), str):
        raise BadPayload
    if "parameters" in entry:
        if not isinstance(entry["parameters"], list):
            raise BadPayload
        return
    texts = entry.get("values")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadPayload


def _check_outbound(action: Json) -> None:
    found = groups(action, "transportSecurity")
    if len(found) != 1 or "parameters" not in found[0]:
        raise Dies
    if value(found[0], "authType") not in AUTH_TYPES:
        raise BadPayload


def _check_throttle(action: Json) -> None:
    found = groups(action, "throttleRule")
    if not found or value(action, "alertIntervalUnit", "minutes") not in UNITS_S:
        raise BadPayload
    numbers = [value(action, "alertInterval", "1"), *(value(group, "value") for group in found)]
    if not all(text.isdigit() and int(text) > 0 for text in numbers):
        raise BadPayload


def _check_evaluate(action: Json) -> None:
    if value(action, "logicalConnector", "OR") not in {"OR", "AND"}:
        raise BadPayload
    if not all(value(group, "identificationType") for group in groups(action, "IdentificationRule")):
        raise BadPayload


def _check_routing(action: Json) -> None:
    if not value(action, "endpointUri"):
        raise BadPayload
