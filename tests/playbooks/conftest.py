"""A served gateway emulator, a backend, an artefact server, and runs of the real playbooks."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from local.emulators.awx import direct
from local.gateway_consumer import Admin
from local.parts.ports import free_port
from local.parts.process import Child
from local.stack import wait_until_it_answers

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = ROOT / "playbooks"
USER, PASSWORD, TOKEN = "admin", "gateway-pass", "artefact-token"


class Artefacts(ThreadingHTTPServer):
    """Serves documents by hash to whoever has the token, secrets to whoever has Vault's, and public keys."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ArtefactHandler)
        self.documents: dict[str, bytes] = {}
        self.secrets = {"username": "shop", "password": "s3cret-value"}
        self.secret_version = 1
        self.keys: dict[str, Any] = {"keys": []}
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def put(self, document: dict[str, Any]) -> dict[str, str]:
        data = json.dumps(document).encode()
        sha256 = hashlib.sha256(data).hexdigest()
        self.documents[sha256] = data
        return {"openapi_url": f"{self.url}/artefacts/{sha256}", "openapi_sha256": sha256}


class ArtefactHandler(BaseHTTPRequestHandler):
    server: Artefacts

    def do_GET(self) -> None:
        if self.path == "/certs":
            self.answer(200, json.dumps(self.server.keys).encode())
        elif self.path.startswith("/v1/secret/data/"):
            known = self.headers["X-Vault-Token"] == TOKEN and self.path.endswith("/orders")
            body = {"data": {"data": self.server.secrets, "metadata": {"version": self.server.secret_version}}}
            self.answer(200 if known else 403, json.dumps(body).encode())
        elif self.headers["Authorization"] == f"Bearer {TOKEN}":
            found = self.server.documents.get(self.path.rsplit("/", 1)[1])
            self.answer(200 if found else 404, found or b"{}")
        else:
            self.answer(401, b"{}")

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Lab:
    """One gateway; every test uses an API of its own."""

    def __init__(self, gateway: str, backend: str, artefacts: Artefacts, folder: Path) -> None:
        self.gateway = gateway
        self.folder = folder
        self.backend = backend
        self.artefacts = artefacts
        self.admin = Admin(gateway, USER, PASSWORD)
        self.environment = {
            "GATEWAY_URL": gateway,
            "GATEWAY_USER": USER,
            "GATEWAY_PASSWORD": PASSWORD,
            "STOA_ARTEFACT_TOKEN": TOKEN,
            "STOA_ENVIRONMENT": "dev",
            "VAULT_ADDR": artefacts.url,
            "VAULT_TOKEN": TOKEN,
        }

    def request(self, action: str, api: str, generation: int = 1, **more: Any) -> dict[str, Any]:
        common = {
            "schema_version": 1,
            "event_id": str(uuid.uuid4()),
            "deployment_id": f"dep-{generation}{api.replace('-', '')}"[:40],
            "trace_id": "trc-" + "0" * 32,
            "tenant_id": "tenant-acme",
            "environment": "dev",
            "api_name": api,
            "action": action,
            "desired_generation": generation,
        }
        return {**common, **more}

    def deploy(self, api: str, document: dict[str, Any], generation: int = 1, **more: Any) -> dict[str, Any]:
        wanted = {
            "api_version": "1.0.0",
            "openapi_type": "openapi",
            "backend": {"url": self.backend, "connection_timeout_s": 5, "read_timeout_s": 10},
            "security": {"type": "api-key"},
            "policies": {"logging": True, "rate_limit": {"requests": 100000, "period_s": 60}},
        }
        return self.request("deploy", api, generation, **{**wanted, **self.artefacts.put(document), **more})

    def play(self, extra_vars: dict[str, Any], *options: str, playbook: str = "") -> "Run":
        """The real playbook, by ansible-playbook; by default the one of the action."""
        asked = self.folder / f"{uuid.uuid4().hex}.json"
        asked.write_text(json.dumps(extra_vars))
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        command = [program, "-i", "localhost,", *options, "-e", f"@{asked}"]
        environment = {
            **self.environment,
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"),
            "ANSIBLE_SHOW_CUSTOM_STATS": "1",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_HOME": str(self.folder / "ansible"),
        }
        done = subprocess.run(
            [*command, playbook or playbook_of(extra_vars)],
            env=environment,
            capture_output=True,
            text=True,
            cwd=PLAYBOOKS,
        )
        return Run(done.returncode, done.stdout + done.stderr)

    def direct(self, extra_vars: dict[str, Any], playbook: str = "") -> tuple[str, dict[str, Any], str]:
        return direct.run(playbook or playbook_of(extra_vars), extra_vars, self.environment)

    def given(self, extra_vars: dict[str, Any]) -> dict[str, Any]:
        """What was there before, by the direct executor: without the five seconds of a real run, and the same."""
        status, artifacts, said = self.direct(extra_vars)
        assert status == "successful", said
        found: dict[str, Any] = artifacts["stoa_result"]
        return found

    def call(self, api: str, path: str, version: str = "1.0.0", key: str = "") -> requests.Response:
        url = f"{self.gateway}/gateway/tenant-acme.{api}/{version}{path}"
        return requests.get(url, headers={"x-Gateway-APIKey": key}, timeout=10)


def playbook_of(extra_vars: dict[str, Any]) -> str:
    return f"{extra_vars['action'].replace('deploy', 'deploy-api')}.yaml"


class Run:
    """How a run ended; `result` is what set_stats published."""

    def __init__(self, code: int, output: str) -> None:
        self.code = code
        self.output = output

    @property
    def result(self) -> dict[str, Any]:
        stats = self.output.split("CUSTOM STATS:")[1]
        text = stats[stats.index("{") : stats.rindex("}") + 1]
        found: dict[str, Any] = json.loads(text)["stoa_result"]
        return found


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder, ports = tmp_path_factory.mktemp("lab"), (free_port(), free_port())
    gateway, backend = (f"http://127.0.0.1:{port}" for port in ports)
    secrets = {**os.environ, "GATEWAY_USER": USER, "GATEWAY_PASSWORD": PASSWORD}
    command = [sys.executable, "-m", "local.emulators.webmethods", "--port", str(ports[0]), "--state", str(folder)]
    timing = ["--activation-ms", "100", "--import-ms", "100"]
    children = [
        Child("gateway", [*command, *timing], secrets, folder / "gateway.log"),
        Child(
            "backend", [sys.executable, "-m", "local.backend", "--port", str(ports[1])], os.environ, folder / "b.log"
        ),
    ]
    artefacts = Artefacts()
    for child, url in zip(children, (gateway, backend), strict=True):
        child.start()
        wait_until_it_answers(url, child)
    yield Lab(gateway, backend, artefacts, folder)
    for child in children:
        child.stop()
    artefacts.shutdown()
