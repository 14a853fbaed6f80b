"""What an AWX job was asked to bring about, from its extra_vars (playbooks/extra_vars.schema.json)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stoa.adapters.webmethods.gateway import Json


@dataclass(frozen=True)
class Wanted:
    """`backend`, `security` and `policies` as in the schema; empty for an undeployment."""

    tenant: str
    api: str
    version: str
    generation: int
    deployment_id: str
    openapi_sha256: str
    openapi_type: str
    backend: Json
    security: Json
    policies: Json

    @property
    def name(self) -> str:
        """The API's name on the gateway: slugs have no dot, so it is unique over tenants."""
        return f"{self.tenant}.{self.api}"

    @property
    def staged_name(self) -> str:
        return f"{self.name}.staged"

    @property
    def backend_alias(self) -> str:
        return f"{self.name}.backend"

    @property
    def outbound_alias(self) -> str:
        return f"{self.name}.outbound"

    @property
    def state_alias(self) -> str:
        return f"{self.name}.state"

    @property
    def authentication(self) -> Json | None:
        found: Json | None = self.backend.get("authentication")
        return found

    @property
    def digest(self) -> str:
        """Of everything asked for; references to secrets, not their values."""
        asked = [self.version, self.openapi_sha256, self.backend, self.security, self.policies]
        return hashlib.sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def wanted(extra_vars: Mapping[str, Any]) -> Wanted:
    return Wanted(
        tenant=extra_vars["tenant_id"],
        api=extra_vars["api_name"],
        version=extra_vars.get("api_version", ""),
        generation=int(extra_vars["desired_generation"]),
        deployment_id=extra_vars["deployment_id"],
        openapi_sha256=extra_vars.get("openapi_sha256", ""),
        openapi_type=extra_vars.get("openapi_type", "openapi"),
        backend=dict(extra_vars.get("backend", {})),
        security=dict(extra_vars.get("security", {})),
        policies=dict(extra_vars.get("policies", {})),
    )
