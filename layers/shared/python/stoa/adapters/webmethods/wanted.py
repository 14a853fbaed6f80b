"""What an AWX job is asked to bring about: its extra_vars, checked by one schema on both sides."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import fastjsonschema

from stoa.adapters.webmethods.gateway import Json
from stoa.kernel.errors import Refused

SCHEMA = "extra_vars.schema.json"


@dataclass(frozen=True)
class Wanted:
    """`backend`, `security` and `policies` as in the schema; empty for an undeployment."""

    tenant: str
    api: str
    version: str
    action: str
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
    def endpoint(self) -> str:
        """Where the routing policy sends a call."""
        return f"${{{self.backend_alias}}}/${{sys:resource_path}}"

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


@cache
def _validator(name: str) -> Callable[[Json], Json]:
    schema = files("stoa.adapters.webmethods").joinpath(name).read_text()
    compiled: Callable[[Json], Json] = fastjsonschema.compile(json.loads(schema))
    return compiled


def check(extra_vars: Json, schema: str = SCHEMA) -> None:
    """`schema` is a file beside this one. Raises Refused EXTRA_VARS_INVALID with the place and the rule that does not
    hold."""
    try:
        _validator(schema)(extra_vars)
    except fastjsonschema.JsonSchemaValueException as error:
        detail = error.message.replace("data", "extra_vars", 1)
        raise Refused("EXTRA_VARS_INVALID", detail, field=(error.name or "").removeprefix("data.")) from error


def check_action(wanted: Wanted, mine: str) -> None:
    """Raises Refused ACTION_MISMATCH when the request is for another playbook than the one that has it."""
    if wanted.action != mine:
        raise Refused("ACTION_MISMATCH", f"the request is to {wanted.action}, this run would {mine}", field="action")


def wanted(extra_vars: Mapping[str, Any]) -> Wanted:
    return Wanted(
        tenant=extra_vars["tenant_id"],
        api=extra_vars["api_name"],
        version=extra_vars.get("api_version", ""),
        action=extra_vars["action"],
        generation=int(extra_vars["desired_generation"]),
        deployment_id=extra_vars["deployment_id"],
        openapi_sha256=extra_vars.get("openapi_sha256", ""),
        openapi_type=extra_vars.get("openapi_type", "openapi"),
        backend=dict(extra_vars.get("backend", {})),
        security=dict(extra_vars.get("security", {})),
        policies=dict(extra_vars.get("policies", {})),
    )
