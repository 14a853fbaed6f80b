"""What the tests of the event source share: a topic, a runner in its own process, a ledger of effects."""

import contextlib
import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic

from local.runtime import counters, processes
from local.runtime.mapping import Mapping
from local.runtime.run_source import Task

RECORDS = "tests.runtime.functions_under_test:records"


def wait_until(condition: Callable[[], Any], what: str, limit_s: float = 120.0) -> Any:
    """The first true value of the condition; fails with `what` after the limit."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    pytest.fail(f"not within {limit_s} s: {what}")


class Story:
    """One topic and one mapping, with runners that can be started, stopped and killed."""

    def __init__(self, bootstrap: str, folder: Path, partitions: int) -> None:
        self.bootstrap = bootstrap
        self.folder = folder
        self.topic = f"t-{uuid.uuid4().hex[:12]}"
        self.group = f"f.{self.topic}"
        self.ledger_file = folder / "ledger"
        self.mode_file = folder / "mode"
        self.ledger_file.touch()
        self.mode()
        self.running: dict[int, Popen[bytes]] = {}
        self.create(self.topic, partitions)
        self.producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=0)

    def create(self, topic: str, partitions: int = 1) -> None:
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        admin.create_topics([NewTopic(topic, num_partitions=partitions, replication_factor=1)])
        admin.close()

    def mode(self, **mode: object) -> None:
        """Tells the function how to behave from its next invocation on."""
        draft = self.mode_file.with_suffix(".new")
        draft.write_text(json.dumps(mode))
        os.replace(draft, self.mode_file)

    def start(
        self,
        member: int = 0,
        *,
        groups: int = 1,
        scale: float = 1.0,
        timeout_s: float = 30.0,
        session_s: float = 6.0,
        **settings: Any,
    ) -> None:
        """A runner that is that member of so many groups; the counters of each further group are of the next member."""
        settings = {"backoff_s": (0.02, 0.1), **settings}
        names = [self.group, *(f"{self.group}-{number}" for number in range(1, groups))]
        task = Task(
            mappings=tuple(Mapping("f", self.topic, name, **settings) for name in names),
            target=RECORDS,
            timeout_s=timeout_s,
            memory_mb=256,
            member=member,
            scale=scale,
            session_s=session_s,
            log=str(self.folder / "function.log"),
            reports=tuple(str(self.report(member + number)) for number in range(groups)),
        )
        environment = {
            "STOA_KAFKA_BOOTSTRAP": self.bootstrap,
            "RUNTIME_LEDGER": str(self.ledger_file),
            "RUNTIME_MODE": str(self.mode_file),
        }
        self.running[member] = processes.start(
            "local.runtime.run_source", [task.dump()], environment, self.folder / f"runner-{member}.log"
        )

    def report(self, member: int = 0) -> Path:
        return self.folder / f"counters-{member}.json"

    def counters(self, member: int = 0) -> counters.Counters:
        return counters.read(self.report(member))

    def ready(self, partitions: int, member: int = 0) -> None:
        wait_until(lambda: len(self.counters(member).partitions) == partitions, f"{partitions} partitions assigned")

    def kill_runner(self, member: int = 0) -> None:
        process = self.running.pop(member)
        process.kill()
        process.wait()

    def kill_function(self, member: int = 0) -> None:
        pids = wait_until(lambda: self.counters(member).function_pids, "the function runs")
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop_runner(self, member: int = 0) -> None:
        processes.stop(self.running.pop(member))

    def send(self, *values: str, key: str | None = None, partition: int | None = None) -> None:
        sent = [
            self.producer.send(self.topic, value.encode(), key=key.encode() if key else None, partition=partition)
            for value in values
        ]
        for one in sent:
            one.get(timeout=60)

    def ledger(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.ledger_file.read_text().splitlines()]

    def values(self) -> list[str]:
        return [line["value"] for line in self.ledger()]

    def expect(self, *values: str) -> None:
        """Waits until each of the values was processed at least once."""
        wait_until(lambda: set(values) <= set(self.values()), f"all of {len(values)} values processed")

    def committed(self) -> int:
        """The sum of the group's committed offsets, as the broker knows them."""
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        offsets = admin.list_group_offsets([self.group])[self.group]
        admin.close()
        return sum(max(one.offset, 0) for one in offsets.values())

    def read(self, topic: str, count: int) -> list[Any]:
        """The first records of a topic."""
        consumer = KafkaConsumer(
            topic, bootstrap_servers=self.bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=60_000
        )
        found = [record for _, record in zip(range(count), consumer, strict=False)]
        consumer.close()
        return found

    def close(self) -> None:
        for member in list(self.running):
            self.kill_runner(member)
        self.producer.close(timeout=3)
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        admin.delete_topics([self.topic])
        admin.close()


@pytest.fixture
def story(kafka: Any, tmp_path: Path) -> Iterator[Story]:
    """A topic of one partition."""
    made = Story(kafka.bootstrap, tmp_path, 1)
    yield made
    made.close()


@pytest.fixture
def wide_story(kafka: Any, tmp_path: Path) -> Iterator[Story]:
    """A topic of six partitions."""
    made = Story(kafka.bootstrap, tmp_path, 6)
    yield made
    made.close()
