"""Served emulators, a gateway behind them, a receiver of notifications, and the calls that every story begins with."""

import contextlib
import itertools
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.emulators.awx.app import create_app
from local.emulators.awx.settings import Config
from local.emulators.awx.store import Store
from local.emulators.webmethods.app import create_app as create_gateway
from local.emulators.webmethods.settings import Config as GatewayConfig
from local.parts.ports import free_port
from tests.emulators.served import served

USER, PASSWORD, TOKEN, HOOK_TOKEN = "admin", "awx-pass", "awx-token", "hook-token"
FINAL = ("successful", "failed", "error", "canceled")
FIRST_PAUSE_S = 0.02
HELD = {"pending_s": 3600, "waiting_s": 0, "running_s": 0, "events_s": 0}
FLOWING = {**HELD, "pending_s": 0}
NUMBERS = itertools.count(1)
PLAYBOOKS = Path(__file__).resolve().parent / "playbooks"
# one for all clients: making it takes 40 ms
TLS = ssl.create_default_context()


class Kit:
    """Talks to one emulator; names are fresh at each call."""

    def __init__(self, url: str) -> None:
        self.url = url
        bearer = {"authorization": f"Bearer {TOKEN}"}
        self.api = httpx.Client(base_url=f"{url}/api/v2", headers=bearer, timeout=30, verify=TLS)
        self.plain = httpx.Client(base_url=url, timeout=30, verify=TLS)

    def close(self) -> None:
        """An open connection would make the server wait for it at its end."""
        self.api.close()
        self.plain.close()

    def name(self, word: str = "name") -> str:
        return f"{word}-{next(NUMBERS):04}"

    def template(self, **fields: Any) -> dict[str, Any]:
        """A template that prompts for nothing unless it is told to."""
        given = {"name": self.name("template"), "project": 1, "inventory": 1, "playbook": "sync-alias.yaml"}
        made = self.api.post("/job_templates/", json={**given, **fields})
        assert made.status_code == 201, made.text
        body: dict[str, Any] = made.json()
        return body

    def prompting(self, **fields: Any) -> dict[str, Any]:
        flags = {"ask_variables_on_launch": True, "ask_skip_tags_on_launch": True, "allow_simultaneous": True}
        return self.template(**{**flags, **fields})

    def launch(self, template: dict[str, Any] | int = 1, **body: Any) -> dict[str, Any]:
        number = template if isinstance(template, int) else template["id"]
        answer = self.api.post(f"/job_templates/{number}/launch/", json=body)
        assert answer.status_code == 201, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def job(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(f"/jobs/{number}/").json()
        return found

    def wait(self, number: int, *statuses: str) -> dict[str, Any]:
        wanted = statuses or FINAL
        # an end stays, and each look costs the processor that the run needs; another status may be short
        self.until(lambda: self.job(number)["status"] in wanted, longest_pause_s=FIRST_PAUSE_S if statuses else 0.2)
        if not statuses:
            self.until(lambda: self.job(number)["event_processing_finished"])
        return self.job(number)

    def until(self, true: Callable[[], Any], seconds: float = 120, longest_pause_s: float = FIRST_PAUSE_S) -> Any:
        deadline, pause_s = time.monotonic() + seconds, FIRST_PAUSE_S
        while not (found := true()):
            assert time.monotonic() < deadline
            time.sleep(pause_s)
            pause_s = min(1.3 * pause_s, longest_pause_s)
        return found

    def ids(self, path: str, **query: Any) -> list[int]:
        answer = self.api.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return [entry["id"] for entry in answer.json()["results"]]

    def put(self, control: str, **body: Any) -> None:
        answer = self.plain.put(f"/_emulator/{control}", json=body)
        assert answer.status_code == 200, answer.text

    @contextlib.contextmanager
    def timing(self, **values: float) -> Iterator[None]:
        before = self.plain.get("/_emulator/timing").json()
        self.put("timing", **values)
        yield
        self.put("timing", **before)


class Hook(ThreadingHTTPServer):
    """Takes notifications; `status` is what it answers, `location` where it sends the first ones instead."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), HookHandler)
        self.status = 204
        self.redirect = 0
        self.received: list[tuple[dict[str, str], dict[str, Any]]] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def of(self, job_id: int) -> list[dict[str, Any]]:
        return [body for _, body in self.received if body.get("id") == job_id]


class HookHandler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.redirect or self.server.status)
        if self.server.redirect:
            self.send_header("Location", f"{self.server.url}/again")
            self.server.redirect = 0
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def hook() -> Iterator[Hook]:
    server = Hook()
    yield server
    server.shutdown()


@pytest.fixture
def listening(hook: Hook) -> Hook:
    """The receiver as it was before any story."""
    hook.received.clear()
    hook.status, hook.redirect = 204, 0
    return hook


@pytest.fixture(scope="session")
def playbooks() -> Path:
    return PLAYBOOKS


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a credential for an empty gateway."""
    with served(create_gateway(GatewayConfig(tmp_path_factory.mktemp("gateway"), USER, PASSWORD))) as url:
        yield {"GATEWAY_URL": url, "GATEWAY_USER": USER, "GATEWAY_PASSWORD": PASSWORD, "STOA_ENVIRONMENT": "dev"}


def config(state: Path, playbooks: Path, **more: Any) -> Config:
    return Config(state, playbooks, TOKEN, USER, PASSWORD, **more)


@pytest.fixture
def own_awx(tmp_path: Path, playbooks: Path) -> Any:
    return create_app(config(tmp_path / "awx", playbooks, executor="direct"))


@pytest.fixture
def kit_store(own_awx: Any) -> Store:
    store: Store = own_awx.app.awx.store
    return store


@pytest.fixture
def kit(own_awx: Any) -> Iterator[Kit]:
    """An AWX of one's own in which jobs stay pending."""
    with served(own_awx) as url:
        made = Kit(url)
        made.put("timing", **HELD)
        yield made
        made.close()


@pytest.fixture(scope="session")
def flowing(
    tmp_path_factory: pytest.TempPathFactory, playbooks: Path, gateway: dict[str, str], hook: Hook
) -> Iterator[Kit]:
    """Jobs run at once, without Ansible, against the gateway; notifications go to the receiver."""
    told = {"notification_url": hook.url, "notification_token": HOOK_TOKEN}
    state = tmp_path_factory.mktemp("flowing")
    with served(create_app(config(state, playbooks, executor="direct", credential=gateway, **told))) as url:
        yield Kit(url)


@pytest.fixture(scope="session")
def playing(
    tmp_path_factory: pytest.TempPathFactory, playbooks: Path, gateway: dict[str, str]
) -> Iterator[tuple[Kit, Path]]:
    """Jobs are runs of small playbooks with Ansible; with the folder of the state."""
    state = tmp_path_factory.mktemp("playing")
    with served(create_app(config(state, playbooks, credential=gateway))) as url:
        yield Kit(url), state


@pytest.fixture(scope="session")
def wanted() -> Callable[..., dict[str, Any]]:
    """Variables of a sync-alias that the gateway accepts."""

    def variables(**more: Any) -> dict[str, Any]:
        number = next(NUMBERS)
        return {
            "schema_version": 1,
            "event_id": f"00000000-0000-4000-8000-{number:012}",
            "deployment_id": f"dep-{number:026}",
            "trace_id": "trc-" + "0" * 32,
            "tenant_id": "tenant-acme",
            "environment": "dev",
            "api_name": f"api{number:04}",
            "api_version": "1.0.0",
            "action": "sync-alias",
            "desired_generation": 1,
            "backend": {"url": "http://127.0.0.1:9/", "connection_timeout_s": 5, "read_timeout_s": 10},
            **more,
        }

    return variables


class Process:
    """The emulator as a program of its own, so that it can be killed."""

    def __init__(self, state: Path, playbooks: Path, executor: str = "ansible", **environment: str) -> None:
        port = free_port()
        command = [sys.executable, "-m", "local.emulators.awx", "--port", str(port), "--state", str(state)]
        own = {"AWX_TOKEN": TOKEN, "AWX_USER": USER, "AWX_PASSWORD": PASSWORD, **environment}
        self.child = subprocess.Popen(
            [*command, "--playbooks", str(playbooks), "--executor", executor], env={**os.environ, **own}
        )
        self.kit = Kit(f"http://127.0.0.1:{port}")
        self.kit.until(self._answers)

    def _answers(self) -> bool:
        try:
            return self.kit.plain.get("/api/v2/ping/").status_code == 200
        except httpx.TransportError:
            assert self.child.poll() is None
            return False

    def kill(self) -> None:
        self.child.kill()
        self.child.wait(60)

    def stop(self) -> None:
        self.child.terminate()
        self.child.wait(60)


@pytest.fixture
def started() -> Iterator[Callable[..., Process]]:
    """Starts emulators as programs; those that still run are stopped at the end."""
    processes: list[Process] = []

    def start(*given: Any, **environment: str) -> Process:
        processes.append(Process(*given, **environment))
        return processes[-1]

    yield start
    for process in processes:
        if process.child.poll() is None:
            process.stop()
