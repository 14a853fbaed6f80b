"""Fetches the document that was checked and stored by the control plane, and compares its hash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible import constants
from ansible_collections.stoa.webmethods.plugins.plugin_utils.step import Step, credential

from stoa.adapters.webmethods.artefact import fetch
from stoa.adapters.webmethods.wanted import Wanted
from stoa.kernel.settings import Secret


class ActionModule(Step):
    def step(self, request: Wanted, args: dict[str, Any]) -> dict[str, Any]:
        """`path` is a file of this run, which Ansible removes at its end."""
        document = fetch(args["url"], request.openapi_sha256, Secret(credential("STOA_ARTEFACT_TOKEN")))
        path = Path(constants.DEFAULT_LOCAL_TMP) / f"{request.openapi_sha256}.json"
        path.write_bytes(document)
        return {"changed": False, "path": str(path)}
