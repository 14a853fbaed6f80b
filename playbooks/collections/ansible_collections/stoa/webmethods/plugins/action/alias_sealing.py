"""Marks the generation of an alias change as applied, with the secrets that were sent."""

from __future__ import annotations

from typing import Any

from ansible_collections.stoa.webmethods.plugins.plugin_utils.step import Step

from stoa.adapters.webmethods import generation
from stoa.adapters.webmethods.wanted import Wanted


class ActionModule(Step):
    def step(self, request: Wanted, args: dict[str, Any]) -> dict[str, Any]:
        gateway = self.gateway
        documents = generation.held(gateway, request).documents
        return {"changed": generation.seal(gateway, request, "applied", documents, args["secrets"], dry=self.dry)}
