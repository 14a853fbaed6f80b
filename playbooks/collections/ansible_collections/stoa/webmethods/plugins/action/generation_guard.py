"""Refuses a generation older than the one the gateway holds; claims the gateway for this one."""

from __future__ import annotations

from typing import Any

from ansible_collections.stoa.webmethods.plugins.plugin_utils.step import Step

from stoa.adapters.webmethods import generation
from stoa.adapters.webmethods.wanted import Wanted


class ActionModule(Step):
    def step(self, request: Wanted, args: dict[str, Any]) -> dict[str, Any]:
        """`older` is True when the gateway holds a newer generation; `held` says which."""
        gateway = self.gateway
        found = generation.held(gateway, request)
        if generation.is_older(found, request):
            return {"changed": False, "older": True, "held": found.generation}
        changed = generation.claim(gateway, request, found, dry=self.dry)
        return {"changed": changed, "older": False, "held": found.generation}
