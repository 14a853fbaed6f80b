"""The gateway's own admin API, published on the gateway itself: who may use it, and how it reaches port 5555.

A token is checked for its signature and issuer (authorization server), its audience (claims of the one application
that may call) and its scope (mapping): see reference/webmethods.md, sections 6 to 8. The endpoint stands in the policy
and not in an alias, because aliases may be changed through this API and the credential goes wherever it points.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stoa.adapters.vault import SecretValue
from stoa.adapters.webmethods import admin_contract, generation, publication, routing
from stoa.adapters.webmethods.gateway import Gateway, Json
from stoa.adapters.webmethods.wanted import Wanted
from stoa.kernel.errors import Refused

ACTION = "expose-admin-api"
SCHEMA = "exposure.schema.json"
ADMIN_PATH = "/rest/apigateway"


@dataclass(frozen=True)
class Exposure(Wanted):
    """`environment` decides the scope that a token needs."""

    environment: str
    issuer: str
    audience: str
    jwks_url: str

    @property
    def name(self) -> str:
        return admin_contract.NAME

    @property
    def endpoint(self) -> str:
        return f"{self.backend['url']}{ADMIN_PATH}/${{sys:resource_path}}"

    @property
    def issuer_alias(self) -> str:
        return f"{self.name}.issuer"

    @property
    def callers(self) -> str:
        """Name of the application that every accepted token belongs to."""
        return f"{self.name}.callers"

    @property
    def scope_mapping(self) -> str:
        return f"{self.name}:{self.version}"


def exposure(extra_vars: Mapping[str, Any]) -> Exposure:
    authentication = {"type": "basic", **{key: extra_vars[key] for key in ("username_ref", "password_ref")}}
    return Exposure(
        tenant="",
        api=admin_contract.NAME,
        version=admin_contract.version(),
        action=ACTION,
        generation=1,
        deployment_id=ACTION,
        openapi_sha256=admin_contract.sha256(),
        openapi_type="openapi",
        backend={"url": str(extra_vars["admin_url"]).rstrip("/"), "authentication": authentication},
        security={"type": "jwt"},
        policies={"logging": True},
        environment=extra_vars["environment"],
        issuer=extra_vars["issuer"],
        audience=extra_vars["audience"],
        jwks_url=extra_vars["jwks_url"],
    )


def ensure_aliases(gateway: Gateway, wanted: Exposure, secrets: dict[str, SecretValue], *, dry: bool) -> bool:
    """The authorization server, and the credential for port 5555."""
    sent = generation.held(gateway, wanted).secrets
    changed = routing.ensure_alias(gateway, _issuer(wanted), dry=dry)
    return routing.ensure_credentials(gateway, wanted, secrets, sent, dry=dry) or changed


def ensure_callers(gateway: Gateway, wanted: Exposure, *, dry: bool) -> bool:
    """The application that tokens belong to, its subscription, and the scope: all before the API is active."""
    present = publication.find(gateway, wanted)
    if present is None:
        return dry
    application, mapping = gateway.application(wanted.callers), gateway.scope(wanted.scope_mapping)
    others = (
        _missing(gateway, application, wanted, present.id),
        not routing.holds(mapping, _mapping(wanted, present.id)),
    )
    if dry or not any(others):
        return any(others)
    known = {"id": application["id"]} if application else {}
    application_id = gateway.put_application({**_application(wanted), **known})
    gateway.put_subscriptions(application_id, [present.id])
    gateway.put_scope({**(mapping or {}), **_mapping(wanted, present.id)})
    return True


def read_back(gateway: Gateway, wanted: Exposure) -> str:
    """Compares what the gateway holds and does with what was sent; returns the API's id. Raises Refused
    READBACK_DIFFERS with the differences."""
    present = publication.find(gateway, wanted)
    if present is None:
        raise Refused("READBACK_DIFFERS", f"the gateway has no {wanted.name} {wanted.version}")
    document = json.loads(admin_contract.document())
    wrong = publication.deviations(gateway, wanted, present, document)
    checks = {
        "the authorization server differs": routing.holds(gateway.alias(wanted.issuer_alias), _issuer(wanted)),
        "the outbound alias is missing": gateway.alias(wanted.outbound_alias) is not None,
        "the application of the callers differs": not _missing(
            gateway, gateway.application(wanted.callers), wanted, present.id
        ),
        "the scope mapping differs": routing.holds(gateway.scope(wanted.scope_mapping), _mapping(wanted, present.id)),
    }
    wrong += [what for what, fine in checks.items() if not fine]
    wrong = wrong or publication.unserved(gateway, wanted, document)
    if not wrong and gateway.runtime_status(wanted.name, wanted.version, "/apis") != 401:
        wrong.append("a call without a token is not refused")
    publication.refuse_if(wanted, wrong)
    return present.id


def drop_other_versions(gateway: Gateway, wanted: Exposure, *, dry: bool) -> bool:
    """An older allow-list must not stay open beside the new one."""
    others = [one for one in gateway.versions(wanted.name) if one.version != wanted.version]
    for other in others if not dry else ():
        if other.active:
            gateway.set_active(other.id, active=False)
        gateway.delete_api(other.id)
    return bool(others)


def _issuer(wanted: Exposure) -> Json:
    return {
        "name": wanted.issuer_alias,
        "type": "authServerAlias",
        "description": "STOA: whose tokens open the admin API",
        "authServerType": "EXTERNAL",
        "localIntrospectionConfig": {"issuer": wanted.issuer, "jwksuri": wanted.jwks_url},
    }


def _application(wanted: Exposure) -> Json:
    claims = json.dumps({"aud": wanted.audience, "iss": wanted.issuer}, sort_keys=True)
    return {
        "name": wanted.callers,
        "description": "STOA: every token that the admin API accepts belongs to it",
        "version": "1.0",
        "contactEmails": [],
        "siteURLs": [],
        "identifiers": [{"key": "jwtClaims", "name": "claims", "value": [claims]}],
    }


def _mapping(wanted: Exposure, api_id: str) -> Json:
    required = {"authServerAlias": wanted.issuer_alias, "scopeName": f"deploy:{wanted.environment}"}
    return {
        "scopeName": wanted.scope_mapping,
        "scopeDescription": "STOA: the scope that the admin API asks for",
        "apiScopes": [api_id],
        "requiredAuthScopes": [required],
        "audience": "",  # any other value is refused
    }


def _missing(gateway: Gateway, application: Json | None, wanted: Exposure, api_id: str) -> bool:
    if application is None or application.get("isSuspended") is True:
        return True
    same = application.get("identifiers") == _application(wanted)["identifiers"]
    return not same or gateway.subscriptions(application["id"]) != [api_id]
