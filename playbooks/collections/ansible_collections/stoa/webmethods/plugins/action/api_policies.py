"""Brings the policy of the API to what is wanted."""

from __future__ import annotations

from typing import Any

from ansible_collections.stoa.webmethods.plugins.plugin_utils.step import Step

from stoa.adapters.webmethods import publication, routing
from stoa.adapters.webmethods.wanted import Wanted


class ActionModule(Step):
    def step(self, request: Wanted, args: dict[str, Any]) -> dict[str, Any]:
        """An outbound alias that no policy needs any more goes after the policy let go of it."""
        gateway = self.gateway
        changed = publication.ensure_policies(gateway, request, dry=self.dry)
        if request.authentication is None:
            changed = routing.remove_alias(gateway, request.outbound_alias, dry=self.dry) or changed
        return {"changed": changed}
