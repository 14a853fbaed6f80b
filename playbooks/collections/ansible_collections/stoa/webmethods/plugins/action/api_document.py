"""Makes the gateway hold the document under the wanted version; an active API loses no call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.stoa.webmethods.plugins.plugin_utils.step import Step

from stoa.adapters.webmethods import generation, publication
from stoa.adapters.webmethods.wanted import Wanted


class ActionModule(Step):
    def step(self, request: Wanted, args: dict[str, Any]) -> dict[str, Any]:
        gateway = self.gateway
        document = Path(args["path"]).read_bytes()
        held = generation.held(gateway, request)
        return {"changed": publication.ensure_document(gateway, request, document, held, dry=self.dry)}
