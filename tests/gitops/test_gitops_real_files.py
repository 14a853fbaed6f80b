"""Addresses of backends, and files that were not written for these tests: the page, the demo, real pushes."""

import json
import re
from pathlib import Path

import pytest
import yaml

from local.workspace import Workspace, openapi_document
from stoa.gitops.model import Change, affected
from stoa.repository import iam
from stoa.repository.definition import definition
from stoa.repository.dialect import host_of

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / ".." / "shared" / "data"
FOLDER = "tenants/tenant-demo/apis/orders"
API, DEV, SPEC = f"{FOLDER}/api.yaml", f"{FOLDER}/environments/dev.yaml", f"{FOLDER}/openapi.yaml"
LANE = ("tenant-demo", "orders", "dev")

URLS = [
    "http://h", "https://h.example.com:8443/a?b=c", "HTTP://H", "http://[::1]:80/", "http://127.0.0.1",
]  # fmt: skip
NO_URLS = [
    "", "h", "//h", "/h", "ftp://h", "https://", "https:///h", "http:/h", "http:h", "http:\\h", " http://h",
    "http://h\n", "ht\ttp://h", "http://h/ a", "http://h/\0", "http://u@h", "http://u:p@h", "http://:p@h", "http://@h",
    "http://h#f", "http://h:99999", "http://a\\@b", "http://\u00e9.example", "http://h/\u00e9", "javascript://h", "http://?x",
    "http://h/{id}",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS)
def test_an_address_is_absolute(url: str) -> None:
    assert host_of(url)


@pytest.mark.parametrize("url", NO_URLS, ids=repr)
def test_an_address_that_only_a_browser_forgives_is_none(url: str) -> None:
    assert host_of(url) is None


def test_the_files_that_the_page_shows_are_an_api_and_its_tenants_members() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/gitops.md").read_text(), re.DOTALL)
    api, dev, defaults, members = (block.encode() for block in blocks)
    found = definition({API: api, DEV: dev, "_defaults.yaml": defaults, SPEC: b""}, *LANE)
    assert found.launch_vars()["backend"]["read_timeout_s"] == 20
    said = iam.rosters({"iam/tenants.yaml": members}.__getitem__, ["iam/tenants.yaml"], frozenset({LANE[0]}))
    assert (said.faults, said.elsewhere) == ({}, ())
    assert said.rosters[LANE[0]].people == {"bob@stoa.example": "tenant-admin", "cleo@stoa.example": "devops"}


def test_the_files_of_the_demo_are_an_api(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, "http://unused.invalid/x.git", "", "")
    workspace.write_api("http://127.0.0.1:8080", openapi_document(), tenant="tenant-demo")
    files = {str(p.relative_to(tmp_path)): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    found = definition(files, *LANE, ["127.0.0.1"])
    assert found.api.spec.backend.url == "http://127.0.0.1:8080"
    assert yaml.safe_load(files[found.spec_path])["openapi"] == "3.1.0"


@pytest.mark.parametrize("push", ["push-util", "push-applicationset"])
def test_a_real_push_without_our_layout_touches_nothing(push: str) -> None:
    path = DATA / "gitlab" / f"{push}.json"
    if not path.exists():
        pytest.skip(f"no real push at {path}")
    commits = json.loads(path.read_bytes())["commits"]
    changes = [
        Change(p, kind == "removed") for c in commits for kind in ("added", "modified", "removed") for p in c[kind]
    ]
    assert changes
    found = affected(changes, [change.path for change in changes if not change.removed])
    assert (found.items, found.refused) == ((), ())
