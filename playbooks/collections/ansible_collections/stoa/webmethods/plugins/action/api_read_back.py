"""Compares what the gateway holds and serves with what was sent, and marks the generation as applied."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.stoa.webmethods.plugins.plugin_utils.step import Step

from stoa.adapters.webmethods import generation, publication
from stoa.adapters.webmethods.wanted import Wanted


class ActionModule(Step):
    def step(self, request: Wanted, args: dict[str, Any]) -> dict[str, Any]:
        """`api_id` is the gateway's id; in check mode nothing is compared, because nothing was written."""
        if self.dry:
            return {"changed": False, "api_id": None, "verified": False}
        gateway = self.gateway
        api_id = publication.read_back(gateway, request, json.loads(Path(args["path"]).read_bytes()))
        documents = {**generation.held(gateway, request).documents, request.version: request.openapi_sha256}
        changed = generation.seal(gateway, request, "applied", documents, args["secrets"], dry=False)
        return {"changed": changed, "api_id": api_id, "verified": True}
