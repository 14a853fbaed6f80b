import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from local.issuer import Issuer, issuing
from local.parts.kafka import Kafka
from local.parts.postgres import Postgres
from stoa.kernel.database import Database
from stoa.kernel.schema import migrate
from stoa.kernel.settings import Secret
from tests.order import pytest_collection_modifyitems as pytest_collection_modifyitems
from tests.order import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler
from tests.real.at_hand import opensearch_is_missing

JARS = Path(__file__).resolve().parents[1] / "build" / "kafka-jars"

SLOW_TO_START = "a real Keycloak and the stacks on an emulated AWS, which take minutes: `make test-real`"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says which real systems a run of everything was without, and why."""
    if "not minutes" in config.option.markexpr:
        for left_out in filter(None, (SLOW_TO_START, opensearch_is_missing())):
            terminalreporter.write_line(f"left out: {left_out}", yellow=True)


@pytest.fixture(scope="session")
def run_folder() -> Iterator[Path]:
    """Outside root's home, because PostgreSQL opens the parents of its data."""
    with tempfile.TemporaryDirectory(prefix="stoa-test-", dir="/var/tmp", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    with issuing() as made:
        yield made


@pytest.fixture(scope="session")
def postgres(run_folder: Path) -> Iterator[Postgres]:
    server = Postgres(run_folder / "postgres")
    server.start()
    with psycopg.connect(server.url, autocommit=True) as connection:
        # what a killed process wrote, the kernel has; the disk is for a loss of power, which no test brings about, and
        # a DROP DATABASE would wait a second for it
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_url(postgres: Postgres) -> str:
    return postgres.url


@dataclass(frozen=True)
class GivenBroker:
    """The broker of STOA_KAFKA_BOOTSTRAP, without TLS or a login."""

    bootstrap: str

    def kill(self) -> None:
        pytest.skip("the broker of STOA_KAFKA_BOOTSTRAP is not ours to kill")


@pytest.fixture(scope="session")
def kafka(run_folder: Path) -> Iterator[Kafka | GivenBroker]:
    given = os.environ.get("STOA_KAFKA_BOOTSTRAP")
    if given:
        yield GivenBroker(given)
        return
    broker = Kafka(run_folder / "kafka", JARS)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def template(postgres_url: str) -> str:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE stoa_template")
    url = postgres_url.replace("/postgres?", "/stoa_template?")
    migrate(url)
    return url


@contextmanager
def databases(postgres_url: str) -> Iterator[Callable[[], str]]:
    names: list[str] = []

    def make() -> str:
        names.append(f"t_{uuid.uuid4().hex[:12]}")
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {names[-1]} TEMPLATE stoa_template")
        return postgres_url.replace("/postgres?", f"/{names[-1]}?")

    yield make
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for name in names:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def new_database(postgres_url: str, template: str) -> Iterator[Callable[[], str]]:
    """Makes migrated databases and drops them after the test."""
    with databases(postgres_url) as make:
        yield make


@pytest.fixture(scope="module")
def module_database(postgres_url: str, template: str) -> Iterator[Callable[[], str]]:
    """The same for functions that serve a whole file of tests."""
    with databases(postgres_url) as make:
        yield make


@pytest.fixture
def database_url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(Secret(database_url), "stoa_worker")
    yield made
    made.close()
