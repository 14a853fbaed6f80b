"""Activates the API."""

from __future__ import annotations

from typing import Any

from ansible_collections.stoa.webmethods.plugins.plugin_utils.step import Step

from stoa.adapters.webmethods import publication
from stoa.adapters.webmethods.wanted import Wanted


class ActionModule(Step):
    def step(self, request: Wanted, args: dict[str, Any]) -> dict[str, Any]:
        return {"changed": publication.ensure_active(self.gateway, request, dry=self.dry)}
