"""Documents that others wrote, and whether a platform serves what was pushed of them."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from local.workspace import api_folder, openapi_document

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "openapi"
LARGEST = DATA / "ManagementService-v3.json"
METHODS = ("get", "post", "put", "patch", "delete")
needs_them = pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not here")


def slug(path: Path) -> str:
    return path.stem.lower().replace("_", "-")


def one_call(document: dict[str, Any]) -> tuple[str, str]:
    """Method and path of the first operation, its path parameters filled in."""
    path, item = next(iter(document["paths"].items()))
    filled = "/".join("1" if part.startswith("{") else part for part in path.split("/"))
    return next(method for method in METHODS if method in item), filled


def pushed_and_served(lab: Any, files: list[Path]) -> None:
    sources = {slug(file): file for file in files}
    for api, file in sources.items():
        lab.workspace.write_api(lab.stack.url("backend"), openapi_document(), api=api)
        (lab.workspace.folder / api_folder(api) / "openapi.yaml").unlink()
        lab.workspace.write(f"{api_folder(api)}/openapi.json", file.read_text())
    rows = lab.done(lab.workspace.push("Add what others wrote"))
    assert {row["api"]: (row["state"], row["error"]) for row in rows} == dict.fromkeys(sources, ("succeeded", None))
    for row in rows:
        source = json.loads(sources[row["api"]].read_text())
        method, path = one_call(source)
        url = f"{lab.stack.url('gateway')}/gateway/tenant-demo.{row['api']}/1.0.0{path}"
        headers = {"x-Gateway-APIKey": lab.key(row["api"]), "Content-Type": "application/json"}
        answer = requests.request(method, url, headers=headers, data=b"{}", timeout=60)
        assert (answer.status_code, answer.json()["path"]) == (200, path), row["api"]
        report = lab.control_plane.deployment(row["id"])["loss_report"]["standards"]
        assert (report["source_version"], report["target_version"]) == (source["openapi"], "3.0.3")
