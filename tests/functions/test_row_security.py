"""The application's own check is taken out: row-level security alone keeps the tenants apart."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from json import dumps, loads
from typing import Any

import pytest

from functions.api.handler import handler
from local.issuer import issuing
from local.runtime import http_event
from stoa import bootstrap
from stoa.kernel import settings as kernel_settings
from stoa.tenancy.model import MATRIX, Grant
from tests.functions.test_authorization import OTHER, OWN, Desk, asks, routes


class Answer:
    def __init__(self, response: http_event.Response) -> None:
        self.status_code, self.text = response.status, response.body.decode()

    def json(self) -> Any:
        return loads(self.text)


class Client:
    """The handler in this process, as `Desk` asks the function."""

    url = ""

    def __init__(self, database_url: str, rows: Callable[..., Any]) -> None:
        self.database_url, self.rows, self.session = database_url, rows, self

    def request(self, method: str, path: str, *, json: Any, headers: dict[str, str], timeout: float) -> Answer:
        target, _, query = path.partition("?")
        sent = (*headers.items(), ("content-type", "application/json"))
        body = b"" if json is None else dumps(json).encode()
        asked = http_event.Request(method, target, query, sent, body, "127.0.0.1", datetime.now(UTC))
        return Answer(http_event.response(handler(http_event.event(asked), None)))


@pytest.fixture
def desk(start_api: Callable[..., Any], kafka: Any, keycloak: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with issuing() as issuer:
        api = start_api()
        monkeypatch.setenv("STOA_KEYCLOAK_URL", f"{keycloak}/realms/stoa")
        monkeypatch.setenv("STOA_KEYCLOAK_CLIENT_SECRET", "secret-of-stoa-identity-client-secret")
        monkeypatch.setenv("STOA_DATABASE_URL", api.database_url)
        # each refusal is published, and waits a second for a Kafka that is not there
        monkeypatch.setenv("STOA_KAFKA_BOOTSTRAP", kafka.bootstrap)
        monkeypatch.setenv("STOA_OIDC_ISSUER_URL", issuer.url)
        monkeypatch.setattr(Grant, "within", lambda _grant, asked: asked)
        for cached in (bootstrap.app, kernel_settings.settings):
            cached.cache_clear()
        yield Desk(Client(api.database_url, api.rows), issuer)
        bootstrap.app().database.close()
        for cached in (bootstrap.app, kernel_settings.settings):
            cached.cache_clear()


def test_nothing_of_another_tenant_is_read_or_written(desk: Desk) -> None:
    theirs = desk.deployments[OTHER]
    before = desk.api.rows("SELECT * FROM deployments WHERE tenant = %s", OTHER)
    for method, route, permitted in routes():
        if permitted is None or "tenant-admin" not in MATRIX[permitted.permission]:
            continue
        ask = asks(method, route, OTHER, theirs)
        answer = desk.ask(method, ask.path, desk.tokens["tenant-admin"], ask.body, **ask.headers)
        assert answer.status_code in ({200, 404, 503} if method == "GET" else {404}), (method, route, answer.text)
        assert f'"{OTHER}"' not in answer.text, (method, route)
        assert theirs.id not in answer.text.replace(f"there is no deployment {theirs.id}", ""), (method, route)
    assert desk.api.rows("SELECT * FROM deployments WHERE tenant = %s", OTHER) == before
    assert desk.api.rows("SELECT * FROM notification_channels WHERE tenant = %s", OTHER) == []
    own = desk.ask("GET", "/v1/deployments", desk.tokens["tenant-admin"]).json()["items"]
    assert {one["tenant"] for one in own} == {OWN}
