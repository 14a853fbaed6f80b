import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient

from local.parts.kafka import Kafka
from local.parts.openbao import OpenBao
from local.parts.ports import free_port
from local.parts.postgres import Postgres
from local.parts.process import Child
from local.stack import wait_until_it_answers

JARS = Path(__file__).resolve().parents[2] / "build" / "kafka-jars"
PASSWORD = "a-password-of-this-test-only"


class Program(Child):
    """An emulator, or the backend, as `make up` starts it."""

    def __init__(self, kind: str, home: Path, port: int | None = None) -> None:
        self.port = port or free_port()
        module = "local.backend" if kind == "backend" else f"local.emulators.{kind}"
        options = [] if kind == "backend" else ["--state", str(home / kind)]
        users = {"GATEWAY_USER": "Administrator", "BACKEND_USER": "stoa"}
        secrets = {"GATEWAY_PASSWORD": PASSWORD, "BACKEND_PASSWORD": PASSWORD}
        command = [sys.executable, "-m", module, "--port", str(self.port), *options]
        super().__init__(kind, command, {**os.environ, **users, **secrets}, home / f"{kind}.log")

    def start(self) -> None:
        super().start()
        wait_until_it_answers(f"http://127.0.0.1:{self.port}", self)


def connected(kafka: Any) -> KafkaAdminClient:
    return KafkaAdminClient(bootstrap_servers=kafka.bootstrap, bootstrap_timeout_ms=5_000)


@pytest.fixture(scope="module")
def admin(kafka: Any) -> Iterator[KafkaAdminClient]:
    with closing(connected(kafka)) as client:
        yield client


@pytest.fixture
def topics(kafka: Any, admin: KafkaAdminClient) -> Iterator[Callable[..., str]]:
    """Makes topics with names of their own and deletes them after the test."""
    made: list[str] = []

    def make(partitions: int = 1, **configs: str) -> str:
        name = f"contract-{uuid.uuid4().hex[:12]}"
        dotted = {key.replace("_", "."): value for key, value in configs.items()}
        settings = {"num_partitions": partitions, "replication_factor": 1, "configs": dotted}
        admin.create_topics({name: settings}, wait_for_metadata=True)
        made.append(name)
        return name

    yield make
    # by a client of its own: the test may have killed the broker under the other one
    with closing(connected(kafka)) as last:
        last.delete_topics(made, raise_errors=False)


@pytest.fixture
def group() -> str:
    return f"contract-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Kafka]:
    """One to kill: nobody else uses it."""
    own = Kafka(tmp_path / "kafka", JARS)
    own.start()
    yield own
    own.stop()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def password() -> str:
    return PASSWORD


@pytest.fixture
def home(run_folder: Path) -> Path:
    """Of one test; a part's folder in it has the name of its kind."""
    folder = run_folder / uuid.uuid4().hex[:12]
    folder.mkdir()
    return folder


@pytest.fixture
def start(start_in: Callable[..., Any], home: Path) -> Callable[..., Any]:
    """Starts a part in the folder of this test and stops it afterwards."""
    return lambda kind, port=None: start_in(kind, home, port)


@pytest.fixture
def start_in(stack: ExitStack) -> Callable[..., Any]:
    """The same in a folder of the test's choice."""
    real: dict[str, Callable[..., Any]] = {
        "kafka": partial(Kafka, jars=JARS),
        "openbao": OpenBao,
        "postgres": Postgres,
    }

    def make(kind: str, home: Path, port: int | None = None) -> Any:
        part = real[kind](home / kind) if kind in real else Program(kind, home, port)
        stack.callback(part.stop)
        part.start()
        return part

    return make
