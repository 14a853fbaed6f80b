"""Refuses a request for another playbook and an older generation than the gateway holds; else claims it."""

from __future__ import annotations

from typing import Any

from ansible_collections.stoa.webmethods.plugins.plugin_utils.step import Step

from stoa.adapters.webmethods import generation
from stoa.adapters.webmethods.wanted import Wanted, check_action


class ActionModule(Step):
    def step(self, request: Wanted, args: dict[str, Any]) -> dict[str, Any]:
        """`older` is True when the gateway holds a newer generation; `held` says which."""
        check_action(request, args["action"])
        gateway = self.gateway
        found = generation.held(gateway, request)
        if generation.is_older(found, request):
            return {"changed": False, "older": True, "held": found.generation}
        changed = generation.claim(gateway, request, found, dry=self.dry)
        return {"changed": changed, "older": False, "held": found.generation}
