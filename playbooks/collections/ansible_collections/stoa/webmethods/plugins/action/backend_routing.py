"""The aliases behind the API: where its calls go, and the credentials sent there."""

from __future__ import annotations

from typing import Any

from ansible_collections.stoa.webmethods.plugins.plugin_utils.step import Step, secrets_of

from stoa.adapters.webmethods import generation, routing
from stoa.adapters.webmethods.wanted import Wanted


class ActionModule(Step):
    def step(self, request: Wanted, args: dict[str, Any]) -> dict[str, Any]:
        """`secrets` is the Vault version of each secret that the gateway holds now, by reference."""
        gateway, secrets = self.gateway, secrets_of(request)
        sent = generation.held(gateway, request).secrets
        changed = routing.ensure_backend(gateway, request, dry=self.dry)
        changed = routing.ensure_credentials(gateway, request, secrets, sent, dry=self.dry) or changed
        return {"changed": changed, "secrets": routing.versions(secrets)}
