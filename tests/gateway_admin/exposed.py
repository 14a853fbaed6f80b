"""A served gateway whose admin API is published on it by our own steps, and the issuer whose tokens open it."""

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from local.emulators.webmethods.app import create_app
from local.emulators.webmethods.settings import Config
from local.issuer import Issuer, issuing
from stoa.adapters.vault import SecretValue
from stoa.adapters.webmethods import admin_contract, exposure, generation, publication
from stoa.adapters.webmethods.gateway import Gateway
from stoa.kernel.settings import Secret
from tests.emulators.served import served

USER, PASSWORD = "Administrator", "gateway-admin-pass"
NUMBERS = itertools.count(1)
OK = {"responses": {"200": {"description": "fine"}}}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "orders", "version": "1.0.0"},
    "servers": [{"url": "http://127.0.0.1:9"}],
    "paths": {"/orders": {"get": OK}},
}
REFERENCES = {key: f"vault:secret/gateways/dev#{key}" for key in ("username", "password")}


class Exposed:
    """`admin` is the gateway's account, past the published API."""

    def __init__(self, url: str, issuer: Issuer) -> None:
        self.url = url
        self.issuer = issuer
        json = {"accept": "application/json"}
        self.admin = httpx.Client(base_url=f"{url}/rest/apigateway", auth=(USER, PASSWORD), headers=json, timeout=30)

    def token(self, role: str = "cpi-admin", **claims: Any) -> str:
        return self.issuer.token(role, **{"sub": "sub-1", "scope": "openid deploy:dev", **claims})

    def publish(self) -> None:
        """What playbooks/expose-admin-api.yaml does."""
        gateway = Gateway(self.url, USER, Secret(PASSWORD))
        references = {"username_ref": REFERENCES["username"], "password_ref": REFERENCES["password"]}
        asked = {"environment": "dev", "issuer": self.issuer.url, "audience": "control-plane-api", **references}
        wanted = exposure.exposure({**asked, "jwks_url": self.issuer.url, "admin_url": self.url})
        held = generation.held(gateway, wanted)
        secrets = {REFERENCES["username"]: USER, REFERENCES["password"]: PASSWORD}
        sent = {reference: SecretValue(Secret(value), 1) for reference, value in secrets.items()}
        exposure.ensure_aliases(gateway, wanted, sent, dry=False)
        publication.ensure_document(gateway, wanted, admin_contract.document(), held, dry=False)
        publication.ensure_policies(gateway, wanted, dry=False)
        exposure.ensure_callers(gateway, wanted, dry=False)
        publication.ensure_active(gateway, wanted, dry=False)

    def api(self, *, active: bool = False) -> dict[str, Any]:
        """A new API past the proxy."""
        form = {"apiName": self.name(), "apiVersion": "1.0.0", "type": "openapi"}
        files = {"file": ("openapi.json", httpx.Response(200, json=DOCUMENT).content)}
        record: dict[str, Any] = self.admin.post("/apis", data=form, files=files).json()["apiResponse"]["api"]
        if active:
            self.admin.put(f"/apis/{record['id']}/activate").raise_for_status()
        return record

    def application(self, *api_ids: str) -> str:
        made = str(self.admin.post("/applications", json={"name": self.name()}).json()["id"])
        self.admin.post(f"/applications/{made}/accessTokens", json={"type": "apiAccessKeyCredentials"})
        self.admin.put(f"/applications/{made}/apis", json={"apiIDs": list(api_ids)})
        return made

    def name(self) -> str:
        return f"tenant-acme.orders{next(NUMBERS)}"

    def journal(self) -> list[tuple[str, str]]:
        """Every change that reached the admin API, by method and path."""
        return [(entry["method"], entry["path"]) for entry in httpx.get(f"{self.url}/_emulator/journal").json()]

    @contextlib.contextmanager
    def faults(self, **settings: Any) -> Iterator[None]:
        httpx.put(f"{self.url}/_emulator/faults", json=settings).raise_for_status()
        yield
        httpx.put(f"{self.url}/_emulator/faults", json={}).raise_for_status()

    @contextlib.contextmanager
    def timing(self, **settings: int) -> Iterator[None]:
        httpx.put(f"{self.url}/_emulator/timing", json=settings).raise_for_status()
        yield
        httpx.put(f"{self.url}/_emulator/timing", json=dict.fromkeys(settings, 0)).raise_for_status()


@contextlib.contextmanager
def exposed(folder: Path) -> Iterator[Exposed]:
    with issuing() as issuer, served(create_app(Config(folder, USER, PASSWORD))) as url:
        made = Exposed(url, issuer)
        made.publish()
        yield made
