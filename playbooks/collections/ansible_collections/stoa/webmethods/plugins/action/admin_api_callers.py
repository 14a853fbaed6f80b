"""The application that tokens belong to, and the scope that they need."""

from __future__ import annotations

from typing import Any

from ansible_collections.stoa.webmethods.plugins.plugin_utils.step import ExposureStep

from stoa.adapters.webmethods import exposure
from stoa.adapters.webmethods.exposure import Exposure


class ActionModule(ExposureStep):
    def expose(self, request: Exposure, args: dict[str, Any]) -> dict[str, Any]:
        return {"changed": exposure.ensure_callers(self.gateway, request, dry=self.dry)}
