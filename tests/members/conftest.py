"""Every test has a database and tenants of its own; the issuer is one for all."""

from collections.abc import Iterator

import pytest

from local import identity
from local.emulators.keycloak.app import create_app
from local.emulators.keycloak.settings import Config
from local.parts.ports import free_port
from stoa.kernel.database import Database
from tests.emulators.keycloak.kit import NUMBERS, Issuer, environment
from tests.emulators.served import served
from tests.members.kit import Desk


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    url = f"http://127.0.0.1:{free_port()}"
    made = environment(url, "http://127.0.0.1:9")
    config = Config(tmp_path_factory.mktemp("keycloak"), url, identity.REALM, made, identity.USERS)
    with served(create_app(config), int(url.rpartition(":")[2])) as there:
        yield Issuer(there, made)


@pytest.fixture
def desk(database: Database, issuer: Issuer) -> Iterator[Desk]:
    number = next(NUMBERS)
    made = Desk(database, issuer, (f"tenant-a{number}", f"tenant-b{number}"))
    yield made
    made.fault(mode="ok")
