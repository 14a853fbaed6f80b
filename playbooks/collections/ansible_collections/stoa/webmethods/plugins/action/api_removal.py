"""Removes every version of the API and its aliases; its generation stays as a tombstone."""

from __future__ import annotations

from typing import Any

from ansible_collections.stoa.webmethods.plugins.plugin_utils.step import Step

from stoa.adapters.webmethods import generation, publication, routing
from stoa.adapters.webmethods.wanted import Wanted


class ActionModule(Step):
    def step(self, request: Wanted, args: dict[str, Any]) -> dict[str, Any]:
        gateway = self.gateway
        changed = publication.remove(gateway, request, dry=self.dry)
        for alias in (request.backend_alias, request.outbound_alias):
            changed = routing.remove_alias(gateway, alias, dry=self.dry) or changed
        changed = generation.seal(gateway, request, "removed", {}, {}, dry=self.dry) or changed
        return {"changed": changed, "verified": self.dry or publication.is_gone(gateway, request)}
