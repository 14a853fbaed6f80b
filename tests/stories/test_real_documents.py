"""Documents that others wrote: pushed as they are, converted, imported, served."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from local.workspace import api_folder, openapi_document

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "openapi"
METHODS = ("get", "post", "put", "patch", "delete")
LARGEST = "ManagementService-v3"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not here")


def slug(path: Path) -> str:
    return path.stem.lower().replace("_", "-")


def one_call(document: dict[str, Any]) -> tuple[str, str]:
    """Method and path of the first operation, its path parameters filled in."""
    path, item = next(iter(document["paths"].items()))
    filled = "/".join("1" if part.startswith("{") else part for part in path.split("/"))
    return next(method for method in METHODS if method in item), filled


def serves(lab: Any, paths: list[Path]) -> None:
    sources = {slug(path): path for path in paths}
    for api, path in sources.items():
        lab.workspace.write_api(lab.stack.url("backend"), openapi_document(), api=api)
        (lab.workspace.folder / api_folder(api) / "openapi.yaml").unlink()
        lab.workspace.write(f"{api_folder(api)}/openapi.json", path.read_text())
    rows = lab.done(lab.workspace.push("Add what others wrote"))
    assert {row["api"]: (row["state"], row["error"]) for row in rows} == dict.fromkeys(sources, ("succeeded", None))
    for row in rows:
        source = json.loads(sources[row["api"]].read_text())
        method, path = one_call(source)
        url = f"{lab.stack.url('gateway')}/gateway/tenant-demo.{row['api']}/1.0.0{path}"
        headers = {"x-Gateway-APIKey": lab.key(row["api"]), "Content-Type": "application/json"}
        answer = requests.request(method, url, headers=headers, data=b"{}", timeout=10)
        assert (answer.status_code, answer.json()["path"]) == (200, path), row["api"]
        report = lab.control_plane.deployment(row["id"])["loss_report"]["standards"]
        assert (report["source_version"], report["target_version"]) == (source["openapi"], "3.0.3")


def test_every_real_document_is_served_as_its_author_pushed_it(lab: Any) -> None:
    serves(lab, sorted(DATA.glob("*.json")))


def test_the_playbooks_take_the_largest_of_them(played_lab: Any) -> None:
    """That they leave the same gateway is in tests/playbooks/test_direct_equals_playbooks.py."""
    serves(played_lab, [DATA / f"{LARGEST}.json"])
