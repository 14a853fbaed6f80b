"""What is measured against: PostgreSQL and Kafka of this run alone, in a folder that goes with it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.parts.kafka import Kafka
from local.parts.ports import free_port
from local.parts.postgres import Postgres
from local.parts.process import ended_in_order
from local.stack import JARS
from local.topics import create_topics
from stoa.kernel.schema import migrate

SECRET = "bench"  # noqa: S105  of servers that live as long as this run


@contextmanager
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="stoa-bench-", dir="/var/tmp"))
    made.chmod(0o755)
    try:
        with ended_in_order():
            yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def parts(folder: Path) -> Iterator[tuple[Kafka, dict[str, str]]]:
    kafka, postgres = Kafka(folder / "kafka", JARS), Postgres(folder / "postgres")
    try:
        kafka.start()
        postgres.start()
        migrate(postgres.url)
        create_topics(kafka.bootstrap)
        yield (
            kafka,
            {
                "STOA_DATABASE_URL": postgres.url,
                "STOA_KAFKA_BOOTSTRAP": kafka.bootstrap,
                "STOA_AWX_URL": f"http://127.0.0.1:{free_port()}",  # AWX is away all the time
                "STOA_WEBHOOK_SECRET": SECRET,
            },
        )
    finally:
        postgres.stop()
        kafka.stop()
