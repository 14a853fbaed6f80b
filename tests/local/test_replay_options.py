"""`stoa replay`: what it is asked wrongly is refused in a sentence, before anything is read."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from local.cli.main import app
from local.cli.replay import _show
from local.replay.rebuild import Count
from local.replay.run import Outcome

NOON = "2026-11-28T12:00:00Z"
HASH = {"rows": 1, "sha256": "0" * 64}


def refusal(*arguments: str, **environment: str) -> str:
    done = CliRunner().invoke(app, ["replay", *arguments], env=environment)
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


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "soon"])
def test_a_time_that_is_none_in_utc_is_no_time(time: str, tmp_path: Path) -> None:
    assert "is no time" in refusal("--as-of", time, "--home", str(tmp_path))


def test_who_keeps_a_schema_is_told_how_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    _show(Outcome((), Count(), 0, 0, "replay_20261128t120000_abc123"), keep=True)
    assert "DROP SCHEMA replay_20261128t120000_abc123 CASCADE" in capsys.readouterr().out


SOMEWHERE = {
    "STOA_DATABASE_URL": "postgresql://127.0.0.1:1/none",
    "STOA_KAFKA_BOOTSTRAP": "127.0.0.1:1",
    "STOA_ARCHIVE_BUCKET": "archive",
    "STOA_OPENSEARCH_URL": "http://127.0.0.1:1",
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STOA_DATABASE_URL", "s3cret"),
        ("STOA_OPENSEARCH_URL", "127.0.0.1:1"),
        ("STOA_S3_ENDPOINT", "s3"),
    ],
)
def test_an_address_that_is_none_is_named_and_not_repeated(name: str, value: str) -> None:
    said = refusal("--consumer", "events_to_search", **{**SOMEWHERE, name: value})
    assert (said.startswith(f"stoa: {name} is no "), value in said) == (True, False)


def test_an_address_of_kafka_that_is_none_is_named() -> None:
    assert "127.0.0.1:abc is no address of Kafka" in refusal(**{**SOMEWHERE, "STOA_KAFKA_BOOTSTRAP": "127.0.0.1:abc"})
