"""Compares what the gateway holds and refuses with what was sent, and removes older versions of the allow-list."""

from __future__ import annotations

from typing import Any

from ansible_collections.stoa.webmethods.plugins.plugin_utils.step import ExposureStep

from stoa.adapters.webmethods import exposure, generation
from stoa.adapters.webmethods.exposure import Exposure


class ActionModule(ExposureStep):
    def expose(self, request: Exposure, args: dict[str, Any]) -> dict[str, Any]:
        """`api_id` is the gateway's id; in check mode nothing is compared, because nothing was written."""
        gateway = self.gateway
        api_id = None if self.dry else exposure.read_back(gateway, request)
        changed = exposure.drop_other_versions(gateway, request, dry=self.dry)
        documents = {request.version: request.openapi_sha256}
        changed = generation.seal(gateway, request, "applied", documents, args["secrets"], dry=self.dry) or changed
        return {"changed": changed, "api_id": api_id, "environment": request.environment}
