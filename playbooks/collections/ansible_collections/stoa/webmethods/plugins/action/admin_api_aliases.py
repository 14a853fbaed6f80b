"""The aliases behind the published admin API: whose tokens open it, and the credential it sends on."""

from __future__ import annotations

from typing import Any

from ansible_collections.stoa.webmethods.plugins.plugin_utils.step import ExposureStep, secrets_of

from stoa.adapters.webmethods import admin_contract, exposure, routing
from stoa.adapters.webmethods.exposure import Exposure


class ActionModule(ExposureStep):
    def expose(self, request: Exposure, args: dict[str, Any]) -> dict[str, Any]:
        """`path` is the document with the allow-list; `secrets` the Vault version of each secret sent, by reference."""
        secrets = secrets_of(request)
        changed = exposure.ensure_aliases(self.gateway, request, secrets, dry=self.dry)
        return {"changed": changed, "path": str(admin_contract.path()), "secrets": routing.versions(secrets)}
