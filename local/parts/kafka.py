"""Apache Kafka, one combined KRaft node on 127.0.0.1, kept over restarts and over kill -9."""

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from local.parts.ports import is_free, kept_ports
from local.parts.process import Child, DiedEarly

READY_S = 120.0
# what the JVM has loaded and verified before (JEP 350): with it a start takes half the time; it is left out in
# silence when it is of another JVM or other jars
CLASSES = "classes.jsa"
PROBE = "_stoa-probe"
JVM = ("-Xms256m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
SETTINGS = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs=data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=3
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.flush.interval.messages=1
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=1000
log.cleaner.backoff.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
metadata.max.idle.interval.ms=5000
"""


def record_classes(jars: Path) -> None:
    """Runs a broker once and leaves beside the jars what it loaded. Raises DiedEarly."""
    made = jars.resolve() / f"{CLASSES}.new"
    with tempfile.TemporaryDirectory(prefix="stoa-kafka-") as folder:
        broker = Kafka(Path(folder), jars, [f"-XX:ArchiveClassesAtExit={made}"])
        broker.start()
        broker.stop()
    made.rename(jars / CLASSES)


class Kafka:
    """`bootstrap` is `127.0.0.1:<port>`. Ports are chosen at the first start and kept beside the data. `more` are lines
    of its settings, where a later one wins."""

    def __init__(self, data_dir: Path, jars: Path, jvm: Sequence[str] = (), more: str = "") -> None:
        self._dir = data_dir
        self._more = more
        self._jars = jars.resolve()
        self._jvm = (*JVM, *(jvm or [f"-XX:SharedArchiveFile={self._jars / CLASSES}"]))
        self._child: Child | None = None
        self._ports = {"broker": 0, "controller": 0}

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self._ports['broker']}"

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Returns when a topic could be made. Raises DiedEarly with the broker's last lines."""
        if shutil.which("java") is None:
            raise DiedEarly("Kafka needs java, which is not on PATH: install Java 17 or newer")
        if not any(self._jars.glob("*.jar")):
            raise DiedEarly(f"Kafka is not in {self._jars}: run `make jars`")
        self._dir.mkdir(parents=True, exist_ok=True)
        try:
            self._start()
        except DiedEarly:
            self.kill()
            if all(is_free(port) for port in self._ports.values()):
                raise
            self._start()  # somebody took a port between our look and the broker's bind

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()

    def kill(self) -> None:
        """SIGKILL, as a test of what was acknowledged."""
        if self._child is not None:
            self._child.kill()

    def _start(self) -> None:
        self._ports = kept_ports(self._dir / "ports.json", self._ports)
        (self._dir / "server.properties").write_text((SETTINGS + self._more).format(**self._ports))
        if not (self._dir / "data" / "meta.properties").exists():
            self._format()
        self._child = self._java("Kafka", "kafka.Kafka", "server.properties")
        self._child.start()
        self._wait_until_ready()

    def _format(self) -> None:
        """With a fixed cluster id: a single local node has no second cluster to be told from."""
        arguments = ("format", "-t", "c3RvYS1sb2NhbC1rYWZrYQ", "-c", "server.properties", "--ignore-formatted")
        self._child = self._java("Kafka's formatting", "kafka.tools.StorageTool", *arguments)
        self._child.finish()

    def _java(self, name: str, *arguments: str) -> Child:
        """It works in its own folder, so that no setting holds the folder's name, with a comma or a backslash in it."""
        command = ["java", *self._jvm, "-cp", f"{self._jars}/*", *arguments]
        return Child(name, command, os.environ, self._dir / "kafka.log", cwd=self._dir)

    def _wait_until_ready(self) -> None:
        """The port opens while the broker is still fenced; it is ready when it makes a topic."""
        assert self._child is not None  # noqa: S101
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            self._child.check()
            if self._answers():
                return
            time.sleep(0.1)
        raise DiedEarly(f"Kafka was not ready after {READY_S:.0f} s:\n{self._child.last_lines()}")

    def _answers(self) -> bool:
        try:
            admin = KafkaAdminClient(
                bootstrap_servers=self.bootstrap, bootstrap_timeout_ms=2000, request_timeout_ms=2000
            )
        except KafkaError:
            return False
        try:
            admin.describe_cluster()
            admin.create_topics([NewTopic(PROBE, 1, 1)])
        except TopicAlreadyExistsError:
            return True
        except KafkaError:
            return False
        finally:
            admin.close()
        return True
