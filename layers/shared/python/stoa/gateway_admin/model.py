"""What of a gateway's admin API may be asked for through the platform, and what of its answers is not shown."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stoa.adapters.webmethods.admin_contract import NAME, operations
from stoa.kernel.environments import Environment
from stoa.kernel.errors import Refused
from stoa.kernel.settings import Secret

Json = dict[str, Any]

# by operation of the contract, what the audit says; an operation that is not here is the proxy's own means
ACTS: Mapping[str, str] = {
    "readHealth": "GATEWAY_HEALTH_READ",
    "listApis": "GATEWAY_APIS_READ",
    "importApi": "GATEWAY_API_IMPORTED",
    "readApi": "GATEWAY_API_READ",
    "deleteApi": "GATEWAY_API_DELETED",
    "activateApi": "GATEWAY_API_ACTIVATED",
    "deactivateApi": "GATEWAY_API_DEACTIVATED",
    "addVersion": "GATEWAY_VERSION_ADDED",
    "listApplications": "GATEWAY_APPLICATIONS_READ",
    "addSubscriptions": "GATEWAY_SUBSCRIPTIONS_ADDED",
    "replaceSubscriptions": "GATEWAY_SUBSCRIPTIONS_REPLACED",
    "listScopes": "GATEWAY_SCOPES_READ",
    "configureOidc": "GATEWAY_OIDC_CONFIGURED",
    "listAliases": "GATEWAY_ALIASES_READ",
    "addAlias": "GATEWAY_ALIAS_ADDED",
    "readAlias": "GATEWAY_ALIAS_READ",
    "replaceAlias": "GATEWAY_ALIAS_REPLACED",
    "exportArchive": "GATEWAY_ARCHIVE_EXPORTED",
    "importArchive": "GATEWAY_ARCHIVE_IMPORTED",
}
ASKED = "GATEWAY_CHANGE_ASKED"
COMPOSED = {"configureOidc": "/configure-oidc"}

SECRET = re.compile(r"password|passphrase|secret|apiaccesskey$|privatekey|accesskey|token$", re.IGNORECASE)
HIDDEN = "***"


@dataclass(frozen=True)
class Asked:
    """Who asks for the gateway of which environment, from where; `token` is what is forwarded."""

    environment: Environment
    actor: str
    trace_id: str
    ip: str = ""
    token: Secret = field(default=Secret(""), repr=False)


def resource(environment: str, operation: str, object_id: str = "") -> str:
    """The path that the audit names."""
    path = COMPOSED.get(operation) or operations()[operation].path
    return f"gateway/{environment}{path.replace('{id}', object_id)}"


def shown(value: Any) -> Any:
    """An answer of the gateway without keys, passwords and secrets; the gateway hides some of them itself."""
    if isinstance(value, dict):
        return {k: HIDDEN if SECRET.search(k) and isinstance(v, str) and v else shown(v) for k, v in value.items()}
    return [shown(item) for item in value] if isinstance(value, list) else value


def refuse_own(name: object) -> None:
    """Raises Refused: nobody changes through the published admin API what protects it."""
    if str(name) == NAME or str(name).startswith((f"{NAME}.", f"{NAME}:")):
        detail = f"{name} belongs to the way that this request takes"
        raise Refused("PROTECTED", detail, status=409, hint="change it with playbooks/expose-admin-api.yaml")


def summary(record: Mapping[str, Any]) -> Json:
    """What names an API, and whether it is served."""
    return {
        "id": str(record["id"]),
        "name": str(record["apiName"]),
        "version": str(record["apiVersion"]),
        "active": record.get("isActive") in (True, "true"),
    }


def told(alias: Mapping[str, Any], wanted: Mapping[str, Any] | None = None) -> Json:
    """What the audit says of an alias, without values: a simple one may hold a secret too. `wanted` is what it was
    changed to."""
    said = {"name": str(alias.get("name")), "type": str(alias.get("type"))}
    changed = {} if wanted is None else {"changed": sorted(k for k in wanted if wanted[k] != alias.get(k))}
    return {**said, **changed}


def unlike(held: Mapping[str, Any], sent: Mapping[str, Any]) -> list[str]:
    """Fields that the gateway holds otherwise than they were sent. Passwords read back as asterisks and are left out;
    numbers and switches may come back as texts."""
    mine, theirs = _as_text(shown(dict(sent))), _as_text(shown(dict(held)))
    return sorted(key for key, value in mine.items() if theirs.get(key) != value)


def _as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_text(inner) for key, inner in value.items()}
    return [_as_text(inner) for inner in value] if isinstance(value, list) else str(value).lower()


def secrets_in(alias: Mapping[str, Any]) -> tuple[str, ...]:
    """The password of an alias as it was sent, in base64, and as it is."""
    sent = str((alias.get("httpAuthCredentials") or {}).get("password", ""))
    try:
        return (sent, base64.b64decode(sent, validate=True).decode())
    except ValueError as error:
        hint = "encode the password; the gateway would store anything else corrupted"
        where = "body.httpAuthCredentials.password"
        raise Refused("INVALID_REQUEST", f"{where}: it is not base64 of UTF-8 text", field=where, hint=hint) from error


def mapping(api: Mapping[str, Any], server: str, scope: str) -> Json:
    """The scope of a token that an API asks for; the gateway knows one mapping per API and version."""
    return {
        "scopeName": f"{api['name']}:{api['version']}",
        "scopeDescription": "",
        "apiScopes": [api["id"]],
        "requiredAuthScopes": [{"authServerAlias": server, "scopeName": scope}],
        "audience": "",  # any other value is refused
    }


def check_archive(records: Mapping[str, Mapping[str, Json]], protected: frozenset[str]) -> None:
    """Raises Refused for an archive that would stop an API, or that changes more than the APIs in it. `protected` are
    policies that stay as they are."""
    apis, policies, actions = records["API"], records["Policy"], records["PolicyAction"]
    for api in apis.values():
        refuse_own(api.get("apiName"))
        if api.get("isActive") is not True:
            detail = f"{api.get('apiName')} is inactive in the archive; importing it would stop it where it runs"
            raise Refused("ARCHIVE_INACTIVE", detail, hint="export it while it is active")
    used = {str(policy) for api in apis.values() for policy in api.get("policies") or ()}
    enforced = {
        str(entry.get("enforcementObjectId"))
        for policy in policies.values()
        for stage in policy.get("policyEnforcements") or ()
        for entry in stage.get("enforcements") or ()
    }
    if not apis or protected & used or not policies.keys() <= used or not actions.keys() <= enforced:
        detail = "the archive holds no API, or policies and actions that are not those of its APIs"
        raise Refused("ARCHIVE_HOLDS_MORE", detail, hint="export one API with what belongs to it")
