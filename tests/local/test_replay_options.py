"""`stoa replay`: what it is asked wrongly is refused in a sentence, before anything is read."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from local.cli.main import app

NOON = "2026-11-28T12:00:00Z"
HASH = {"rows": 1, "sha256": "0" * 64}


def refusal(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["replay", *arguments])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"projections": []}, "says nothing of deployments, api_status, pushes, apis"),
        ({"projections": [{"table": "unknown", "rebuilt": HASH}]}, "says nothing of deployments"),
        ({"projections": [{"table": "api_status", "rebuilt": HASH}]}, "says nothing of deployments, pushes, apis"),
        ({"projections": [{"table": "apis", "rebuilt": {}}]}, "is not what `stoa replay --json` says"),
        ([], "is not what `stoa replay --json` says"),
    ],
)
def test_a_file_that_would_prove_nothing_is_refused(tmp_path: Path, said: object, why: str) -> None:
    file = tmp_path / "said.json"
    file.write_text(json.dumps(said))
    assert why in refusal("--as-of", NOON, "--expect", str(file), "--home", str(tmp_path))
