"""A change that breaks a caller of the HTTP API does not pass `make check`."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
OASDIFF = ROOT / "build/bin/oasdiff"

Change = Callable[[dict[str, Any]], object]


def remove_a_path(contract: dict[str, Any]) -> object:
    return contract["paths"].pop("/v1/status")


def require_more(contract: dict[str, Any]) -> object:
    start = contract["components"]["schemas"]["Start"]
    start["properties"]["reason"] = {"type": "string"}
    return start["required"].append("reason")


def answer_less(contract: dict[str, Any]) -> object:
    fields = contract["components"]["schemas"]["DeploymentRead"]
    fields["required"].remove("trace_id")
    return fields["properties"].pop("trace_id")


def add_a_field(contract: dict[str, Any]) -> object:
    return contract["components"]["schemas"]["DeploymentRead"]["properties"].update(note={"type": "string"})


@pytest.mark.skipif(
    not OASDIFF.exists(), reason="no build/bin/oasdiff: `make check` builds it, which needs Go (https://go.dev/dl)"
)
@pytest.mark.parametrize(
    ("change", "breaks"), [(remove_a_path, True), (require_more, True), (answer_less, True), (add_a_field, False)]
)
def test_a_breaking_change_is_told_from_an_addition(change: Change, breaks: bool, tmp_path: Path) -> None:
    released = ROOT / "openapi/released.json"
    contract = json.loads(released.read_text())
    change(contract)
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(contract))
    command = [str(OASDIFF), "breaking", str(released), str(changed), "--fail-on", "ERR"]
    assert subprocess.run(command, capture_output=True).returncode == (1 if breaks else 0)
