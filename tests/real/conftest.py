from collections.abc import Iterator
from pathlib import Path

import pytest

from local import identity
from local.parts.keycloak import Keycloak, home_of
from local.parts.ports import beyond_loopback
from tests.emulators.keycloak.kit import Issuer, Receiver, environment, receivers

BUILD = Path(__file__).resolve().parents[2] / "build" / "keycloak"


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    with receivers() as made:
        yield made


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Keycloak]:
    if not home_of(BUILD).exists():
        pytest.skip(f"no Keycloak in {BUILD}: `make test-real` downloads it, with Java 17 and Maven")
    made = Keycloak(BUILD, tmp_path_factory.mktemp("keycloak") / "log")
    try:
        made.start(identity.REALM, identity.USERS, environment(made.url, receiver.url))
        assert made.pid is not None
        assert beyond_loopback([made.pid]) == []
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def issuer(server: Keycloak, receiver: Receiver) -> Issuer:
    return Issuer(server.url, environment(server.url, receiver.url), pause_s=1.1)
