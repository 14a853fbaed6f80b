"""The whole platform on one machine, part by part: started in parallel, stopped in reverse."""

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg
import requests

from local.home import ROOT, Home
from local.migrate import migrate
from local.parts.kafka import Kafka
from local.parts.openbao import OpenBao
from local.parts.postgres import Postgres
from local.parts.process import Child, DiedEarly
from local.runtime.platform import Platform
from local.topics import create_topics

JARS = ROOT / "build" / "kafka-jars"
GATEWAY_USER = "Administrator"
AWX_USER = "admin"
READY_S = 30.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """`executor`: `ansible` runs the real playbooks, `direct` the same gateway calls without Ansible."""

    executor: str = "ansible"
    slots: int = 2
    api_workers: int = 4
    time_scale: float = 1.0
    activation_ms: int = 150
    import_ms: int = 150
    environment: tuple[tuple[str, str], ...] = ()


class Stack:
    """`start` takes seconds (longer at the first time); every part can be stopped and started by itself."""

    def __init__(self, home: Home, options: Options, say: Say) -> None:
        self.home = home
        self.options = options
        self._say = say
        self._exit = ExitStack()
        self.ports = {name: home.port(name) for name in ("gateway", "gitlab", "awx", "backend", "api")}
        self.kafka = Kafka(home.path("kafka"), JARS)
        self.postgres = Postgres(home.path("postgres"))
        self.openbao = OpenBao(home.path("openbao"))
        self.emulators = {name: self._emulator(name) for name in ("gateway", "gitlab", "awx", "backend")}
        self.platform: Platform | None = None

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def start(self) -> None:
        """Raises RuntimeError with the last log lines when a part dies early."""
        begun = time.monotonic()
        parts = {"PostgreSQL": self._start_postgres, "Kafka": self._start_kafka, "OpenBao": self._start_openbao}
        starts = {**parts, **{name: self._starter(name) for name in ("gateway", "gitlab", "backend")}}
        with ThreadPoolExecutor(len(starts)) as pool:
            running = {name: pool.submit(start) for name, start in starts.items()}
            for name, result in running.items():
                result.result()
                self._say(f"  {name} is up ({time.monotonic() - begun:.1f} s)")
        self._starter("awx")()
        self._say(f"  awx is up ({time.monotonic() - begun:.1f} s)")
        self.platform = Platform(self.environment(), self.home.logs, **self._platform_options())
        self._exit.callback(self.platform.stop)
        self.platform.start()
        self._say(f"  functions are up ({time.monotonic() - begun:.1f} s)")

    def stop(self) -> None:
        self._exit.close()

    def environment(self) -> dict[str, str]:
        """What the functions find in their environment."""
        secret = self.home.secret
        return {
            "STOA_DATABASE_URL": self.postgres.url,
            "STOA_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "STOA_GITLAB_URL": self.url("gitlab"),
            "STOA_GITLAB_TOKEN": secret("gitlab_token"),
            "STOA_AWX_URL": self.url("awx"),
            "STOA_AWX_TOKEN": secret("awx_token"),
            "STOA_VAULT_URL": self.openbao.url,
            "STOA_VAULT_TOKEN": self.openbao.token,
            "STOA_PUBLIC_URL": self.url("api"),
            "STOA_WEBHOOK_SECRET": secret("webhook_secret"),
            "STOA_AWX_WEBHOOK_SECRET": secret("awx_webhook_secret"),
            "STOA_DEV_TOKEN": secret("dev_token"),
            "STOA_ARTEFACT_TOKEN": secret("artefact_token"),
            "STOA_TIME_SCALE": str(self.options.time_scale),
            **dict(self.options.environment),
        }

    def register(self, project_id: int, tenant: str) -> None:
        """Lets a GitLab project touch a tenant."""
        with psycopg.connect(self.postgres.url) as connection:
            connection.execute(
                "INSERT INTO project_tenants (project_id, tenant) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (project_id, tenant),
            )

    def _start_postgres(self) -> None:
        self.postgres.start()
        self._exit.callback(self.postgres.stop)
        migrate(self.postgres.url)

    def _start_kafka(self) -> None:
        self.kafka.start()
        self._exit.callback(self.kafka.stop)
        create_topics(self.kafka.bootstrap)

    def _start_openbao(self) -> None:
        self.openbao.start()
        self._exit.callback(self.openbao.stop)

    def _starter(self, name: str) -> Callable[[], None]:
        def start() -> None:
            child = self.emulators[name]() if callable(self.emulators[name]) else self.emulators[name]
            child.start()
            self._exit.callback(child.stop)
            wait_until_it_answers(self.url(name), child)

        return start

    def _emulator(self, name: str) -> Callable[[], Child]:
        return lambda: Child(name, self._command(name), {**os.environ, **self._secrets(name)}, self.home.logs)

    def _command(self, name: str) -> list[str]:
        port = ["--port", str(self.ports[name])]
        state = ["--state", str(self.home.path(name))]
        options = self.options
        timing = ["--activation-ms", str(options.activation_ms), "--import-ms", str(options.import_ms)]
        runs = ["--playbooks", str(ROOT / "playbooks"), "--executor", options.executor, "--slots", str(options.slots)]
        modules = {
            "gateway": ["local.emulators.webmethods", *port, *state, *timing],
            "gitlab": ["local.emulators.gitlab", *port, *state],
            "awx": ["local.emulators.awx", *port, *state, *runs],
            "backend": ["local.backend", *port],
        }
        return [sys.executable, "-m", *modules[name]]

    def _secrets(self, name: str) -> dict[str, str]:
        secret = self.home.secret
        if name == "gateway":
            return {"GATEWAY_USER": GATEWAY_USER, "GATEWAY_PASSWORD": secret("gateway_password")}
        if name == "gitlab":
            return {"GITLAB_TOKEN": secret("gitlab_token")}
        if name == "backend":
            return {"BACKEND_USER": "stoa", "BACKEND_PASSWORD": secret("backend_password")}
        credential = {
            "GATEWAY_URL": self.url("gateway"),
            "GATEWAY_USER": GATEWAY_USER,
            "GATEWAY_PASSWORD": secret("gateway_password"),
            "STOA_ARTEFACT_TOKEN": secret("artefact_token"),
            "VAULT_ADDR": self.openbao.url,
            "VAULT_TOKEN": self.openbao.token,
        }
        return {
            "AWX_TOKEN": secret("awx_token"),
            "AWX_USER": AWX_USER,
            "AWX_PASSWORD": secret("awx_password"),
            "AWX_NOTIFICATION_URL": f"{self.url('api')}/webhooks/awx/job-complete",
            "AWX_NOTIFICATION_TOKEN": secret("awx_webhook_secret"),
            **{f"AWX_CREDENTIAL_{key}": value for key, value in credential.items()},
        }


def wait_until_it_answers(url: str, child: Child) -> None:
    """Any HTTP answer counts. Raises DiedEarly with the last lines of a child that ended."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        child.check()
        try:
            requests.get(url, timeout=2)
        except requests.RequestException:
            time.sleep(0.05)
            continue
        return
    raise DiedEarly(f"{child.name} did not answer within {READY_S:.0f} s:\n{child.last_lines()}")
