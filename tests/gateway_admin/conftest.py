"""One gateway with its admin API published, and the flows over a database."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from stoa.adapters.vault import SecretValue
from stoa.adapters.webmethods.admin_proxy import Gateways
from stoa.gateway_admin.flows import GatewayAdmin
from stoa.gateway_admin.model import Asked
from stoa.kernel.database import Database
from stoa.kernel.settings import Secret
from tests.gateway_admin.exposed import PASSWORD, USER, Exposed, exposed


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exposed]:
    with exposed(tmp_path_factory.mktemp("gateway")) as made:
        yield made


def reaching(gateway: Exposed, direct: str = "", **values: str) -> Gateways:
    held = {"vault:secret/gateways/dev#username": USER, "vault:secret/gateways/dev#password": PASSWORD, **values}

    def read(reference: str, *, anew: bool = False) -> SecretValue:
        return SecretValue(Secret(held[reference]), 1)

    urls = {"dev": gateway.url, "staging": "", "prod": gateway.url}
    return Gateways(urls, frozenset(direct.split()), read)


@dataclass
class Desk:
    """`audit` reads what `flows` wrote down after the row `seen` of the outbox."""

    gateway: Exposed
    flows: GatewayAdmin
    database: Database
    seen: int

    def asked(self, environment: Any = "dev", token: str | None = None, **claims: Any) -> Asked:
        given = self.gateway.token(**claims) if token is None else token
        return Asked(environment, "sub-1", "trc-" + "1" * 32, "192.0.2.1", Secret(given))

    def audit(self) -> list[dict[str, Any]]:
        with self.database.transaction() as connection:
            rows = connection.execute("SELECT value FROM outbox WHERE seq > %s ORDER BY seq", (self.seen,))
            return [json.loads(bytes(row["value"])) for row in rows]

    def told(self) -> list[tuple[str, str]]:
        return [(one["action"], one["outcome"]) for one in self.audit()]

    def reaching(self, direct: str = "", **values: str) -> Gateways:
        return reaching(self.gateway, direct, **values)


@pytest.fixture(scope="module")
def outbox(module_database: Callable[[], str]) -> Iterator[Database]:
    made = Database(Secret(module_database()), "stoa_worker")
    yield made
    made.close()


@pytest.fixture
def desk(gateway: Exposed, outbox: Database) -> Desk:
    with outbox.transaction() as connection:
        row = connection.execute("SELECT coalesce(max(seq), 0) AS seen FROM outbox").fetchone()
    assert row is not None
    return Desk(gateway, GatewayAdmin(outbox, lambda _keys: None, reaching(gateway).of), outbox, row["seen"])
