from collections.abc import Iterator

import pytest

from local import identity
from local.parts.keycloak import Keycloak
from local.parts.ports import beyond_loopback
from tests.emulators.keycloak.kit import Issuer, Receiver, environment, receivers
from tests.real.at_hand import KEYCLOAK, keycloak_is_missing


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    with receivers() as made:
        yield made


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Keycloak]:
    if missing := keycloak_is_missing():
        pytest.skip(missing)
    made = Keycloak(KEYCLOAK, tmp_path_factory.mktemp("keycloak") / "log")
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
