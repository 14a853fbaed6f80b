"""The api function behind its HTTP front: the real handler, in a process of its own, over PostgreSQL and Kafka."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from psycopg.rows import dict_row

from local import identity
from local.emulators.keycloak.app import create_app
from local.emulators.keycloak.settings import Config
from local.issuer import Issuer
from local.parts.ports import free_port
from local.runtime.platform import Platform
from local.topics import create_topics
from tests.emulators.keycloak.kit import environment
from tests.emulators.served import served

ADMIN = "admin-of-tests"
SIGNING_SECRET = "whsec_c2lnbmluZy1zZWNyZXQtb2YtdGhlLXRlc3Rz"


@dataclass
class Api:
    """`rows` reads the database behind the function, `log` what the function wrote; `token` is an administrator's."""

    url: str
    database_url: str
    session: requests.Session
    log_file: Path
    token: str

    def push(self, body: dict[str, Any] | bytes, **headers: str) -> requests.Response:
        sent = {"X-Gitlab-Token": "hook-secret", "Content-Type": "application/json", **headers}
        content = {"data": body} if isinstance(body, bytes) else {"json": body}
        return self.session.post(f"{self.url}/webhooks/gitlab", headers=sent, timeout=60, **content)

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.ask("GET", path, **headers)

    def ask(self, method: str, path: str, *, data: bytes | None = None, **headers: str) -> requests.Response:
        sent = {"Authorization": f"Bearer {self.token}", **headers}
        return self.session.request(method, self.url + path, data=data, headers=sent, timeout=60, allow_redirects=False)

    def log(self) -> list[dict[str, Any]]:
        """Without the metrics that stand between."""
        lines = self.log_file.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and '"_aws"' not in line]

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        with psycopg.connect(self.database_url, row_factory=dict_row) as connection:
            found = connection.execute(statement, values)
            return found.fetchall() if found.description else []


@pytest.fixture(scope="module")
def start_api(
    kafka: Any, postgres_url: str, module_database: Callable[[], str], run_folder: Path, issuer: Issuer
) -> Iterator[Callable[..., Api]]:
    """Starts the api function; keywords replace its settings."""
    create_topics(kafka.bootstrap)
    token = issuer.token("cpi-admin", sub=ADMIN, exp=int(time.time()) + 3600)
    platforms: list[Platform] = []

    def start(**settings: str) -> Api:
        url = module_database()
        environment = {
            "STOA_DATABASE_URL": url,
            "STOA_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "STOA_AWX_URL": f"http://127.0.0.1:{free_port()}",
            "STOA_WEBHOOK_SECRET": "hook-secret",
            "STOA_WEBHOOK_SIGNING_SECRET": SIGNING_SECRET,
            "STOA_AWX_WEBHOOK_SECRET": "awx-secret",
            "STOA_OIDC_ISSUER_URL": issuer.url,
            "STOA_ARTEFACT_TOKEN": "artefact-token",
            "STOA_TENANT_REQUESTS_PER_S": "1000",
            "STOA_TENANT_BURST": "10000",
            "STOA_USER_REQUESTS_PER_S": "1000",
            "STOA_USER_BURST": "10000",
            **settings,
        }
        logs = Path(tempfile.mkdtemp(dir=run_folder))
        platforms.append(Platform(environment, logs, api_workers=1))
        platforms[-1].start({"api"})
        return Api(platforms[-1].api_url, url, requests.Session(), logs / "api.log", token)

    yield start
    for platform in platforms:
        platform.stop()


@pytest.fixture(scope="module")
def api(start_api: Callable[..., Api]) -> Api:
    return start_api()


@pytest.fixture(scope="module")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The emulator's address; it has the demo users, and tells nobody of a logout."""
    url = f"http://127.0.0.1:{free_port()}"
    made = environment(url, "http://127.0.0.1:9")
    config = Config(tmp_path_factory.mktemp("keycloak"), url, identity.REALM, made, identity.USERS)
    with served(create_app(config), int(url.rpartition(":")[2])) as there:
        yield there
