from collections.abc import Iterator

import pytest

from local import identity
from local.emulators.keycloak.app import create_app
from local.emulators.keycloak.settings import Config
from local.parts.ports import free_port
from tests.emulators.keycloak.kit import Issuer, Receiver, environment, receivers
from tests.emulators.served import served


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    with receivers() as made:
        yield made


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Config:
    url = f"http://127.0.0.1:{free_port()}"
    made = environment(url, receiver.url)
    return Config(tmp_path_factory.mktemp("keycloak"), url, identity.REALM, made, identity.USERS)


@pytest.fixture(scope="module")
def issuer(config: Config) -> Iterator[Issuer]:
    """The emulator; tests/real has the real one under this name."""
    with served(create_app(config), int(config.url.rpartition(":")[2])) as url:
        yield Issuer(url, config.environment)
