"""The whole platform on one machine, part by part: started in parallel, stopped in reverse."""

import os
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

import psycopg
import requests

from cdk.wiring import FUNCTIONS
from local import commands, identity
from local.home import ROOT, Home
from local.memories import ARCHIVE, remember_again
from local.metrics import Exporter
from local.parts.kafka import Kafka
from local.parts.openbao import OpenBao
from local.parts.postgres import Postgres
from local.parts.process import Child, DiedEarly
from local.runtime.platform import CONCURRENCY, Platform
from local.sign_in import SignIn
from local.topics import create_topics
from local.vault import grant, write_secret
from stoa.kernel.schema import migrate

JARS = ROOT / "build" / "kafka-jars"
MAIL_FROM = "stoa@stoa.local"
# a mail server without TLS, and backends beside the gateway
OF_ONE_MACHINE = {"STOA_SMTP_HOST": "127.0.0.1", "STOA_SMTP_TLS": "offered", "STOA_NEARBY_BACKENDS": "127.0.0.1"}
READY_S = 120.0

AROUND_FUNCTIONS = (
    "deploy_results_to_notifications",
    "notifications_to_people",
    "api_events_to_argocd",
    "events_to_search",
    "events_to_archive",
)
EMULATORS = ("gateway", "gitlab", "awx", "backend", "identity")
PAGES = ("console", "portal")  # where the browser is sent back to
PIPELINE = tuple(f.name for f in FUNCTIONS if f.name not in AROUND_FUNCTIONS)
AROUND = ("argocd", "people", "opensearch", "s3")

# what happened, and the monotonic time at which the work that led to it began
Say = Callable[[str, float], None]


@dataclass(frozen=True)
class Options:
    """`executor`: `ansible` runs the real playbooks, `direct` the same gateway calls without Ansible.

    `around` says whether what stands around the pipeline runs as well: notifications, search, archive, Argo CD.
    `members` says for a function how many runners share its partitions, `concurrency` how many invocations at once
    each of them runs; `environment` is added to what the functions find, and wins. `functions` are the only ones that
    run, none of them with ().
    """

    executor: str = "ansible"
    slots: int = 2
    api_workers: int = 4
    time_scale: float = 1.0
    activation_ms: int = 150
    import_ms: int = 150
    around: bool = True
    members: Mapping[str, int] = field(default_factory=dict)
    concurrency: int = CONCURRENCY
    functions: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def chosen(self) -> tuple[str, ...] | None:
        """The functions that run; None for all there are."""
        return self.functions if self.functions is not None or self.around else PIPELINE


class Stack:
    """`start` takes seconds (longer at the first time); every part can be stopped and started by itself."""

    def __init__(self, home: Home, options: Options, say: Say) -> None:
        self.home = home
        self.options = options
        self._say = say
        self._exit = ExitStack()
        self.ports = {name: home.port(name) for name in (*EMULATORS, *AROUND, *PAGES, "smtp", "api", "metrics")}
        self.kafka = Kafka(home.path("kafka"), JARS)
        self.postgres = Postgres(home.path("postgres"))
        self.openbao = OpenBao(home.path("openbao"))
        self.vault_tokens: dict[str, str] = {}
        self.emulators: dict[str, Child] = {}
        self.platform: Platform | None = None
        self.admin = SignIn(self.url, home.secret("demo_password"))

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def start(self) -> None:
        """Raises DiedEarly, with the last log lines of a part that did."""
        begun = time.monotonic()
        starts: dict[str, Callable[[], None]] = {
            "PostgreSQL": self._start_postgres,
            "Kafka": self._start_kafka,
            "OpenBao": self._start_openbao,
            **{name: partial(self.start_emulator, name) for name in self._emulators if name != "awx"},
        }
        self._start_together(starts, begun)
        self.start_emulator("awx")  # its credential holds the token that OpenBao made at its first start
        self._say("awx is up", begun)
        options = self.options
        if options.around:
            remember_again(self.kafka.bootstrap, self.postgres.url, self.environment())
        self.platform = Platform(
            self.environment(),
            self.home.logs,
            options.time_scale,
            members=options.members,
            concurrency=options.concurrency,
            api_workers=options.api_workers,
            port=self.ports["api"],
        )
        self._exit.callback(self.platform.stop)
        self._start_exporter()
        try:
            self.platform.start(options.chosen)
        except RuntimeError as error:
            raise DiedEarly(f"the functions did not start: {error}") from error
        self._say("the functions are up", begun)

    def stop(self) -> None:
        self._exit.close()

    def environment(self) -> dict[str, str]:
        """What the functions find in their environment."""
        secret = self.home.secret
        return {
            "STOA_DATABASE_URL": self.postgres.url,
            "STOA_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "STOA_GITLAB_URL": self.url("gitlab"),
            "STOA_GITLAB_TOKEN": "vault:secret/systems/gitlab#token",
            "STOA_AWX_URL": self.url("awx"),
            "STOA_AWX_TOKEN": "vault:secret/systems/awx#token",
            "STOA_VAULT_URL": self.openbao.url,
            "STOA_VAULT_TOKEN": self.vault_tokens["functions"],
            "STOA_SYSTEMS_VAULT_TOKEN": self.vault_tokens["systems"],
            "STOA_PUBLIC_URL": self.url("api"),
            "STOA_WEBHOOK_SECRET": secret("webhook_secret"),
            "STOA_AWX_WEBHOOK_SECRET": secret("awx_webhook_secret"),
            "STOA_ARTEFACT_TOKEN": secret("artefact_token"),
            "STOA_CHANNELS_VAULT_TOKEN": self.vault_tokens["channels"],
            **identity.of_functions(self.url, secret),
            "STOA_GATEWAY_DEV_URL": self.url("gateway"),
            "STOA_GATEWAYS_VAULT_TOKEN": self.vault_tokens["gateways"],
            "STOA_ARGOCD_URL": self.url("argocd"),
            "STOA_ARGOCD_TOKEN": secret("argocd_token"),
            "STOA_OPENSEARCH_URL": self.url("opensearch"),
            "STOA_ARCHIVE_BUCKET": ARCHIVE,
            "STOA_S3_ENDPOINT": self.url("s3"),
            "STOA_AUDIT_SIGNING_KEY": secret("audit_signing_key"),
            "STOA_SLACK_URL": self.url("people"),
            **OF_ONE_MACHINE,
            "STOA_SMTP_PORT": str(self.ports["smtp"]),
            "STOA_MAIL_FROM": MAIL_FROM,
            # everybody on this machine is one user
            "STOA_USER_REQUESTS_PER_S": "500",
            "STOA_USER_BURST": "1000",
            # of an S3 that asks for any
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            **self.options.environment,
        }

    def register(self, project_id: int, tenant: str) -> None:
        """Lets a GitLab project touch a tenant."""
        with psycopg.connect(self.postgres.url) as connection:
            connection.execute(
                "INSERT INTO project_tenants (project_id, tenant) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (project_id, tenant),
            )

    def _start_together(self, starts: Mapping[str, Callable[[], None]], begun: float) -> None:
        with ThreadPoolExecutor(len(starts)) as pool:
            running: dict[Future[None], str] = {}
            try:
                running |= {pool.submit(start): name for name, start in starts.items()}
                for done in as_completed(running):
                    done.result()
                    self._say(f"{running[done]} is up", begun)
            except BaseException:  # Ctrl-C as well
                self._cut_off(running)
                raise

    def _cut_off(self, running: Collection[Future[None]]) -> None:
        """The pool waits for every start, and some wait a minute for their part: stopped parts end that."""
        while wait(running, timeout=0.1).not_done:
            parts: list[Kafka | Postgres | OpenBao | Child] = [self.kafka, self.postgres, self.openbao]
            for part in (*parts, *list(self.emulators.values())):
                part.stop()

    def _start_postgres(self) -> None:
        self._exit.callback(self.postgres.stop)
        self.postgres.start()
        migrate(self.postgres.url)

    def _start_kafka(self) -> None:
        self._exit.callback(self.kafka.stop)
        self.kafka.start()
        create_topics(self.kafka.bootstrap)

    def _start_openbao(self) -> None:
        self._exit.callback(self.openbao.stop)
        self.openbao.start()
        self.vault_tokens = grant(self.openbao.url, self.openbao.token)
        for system in ("awx", "gitlab"):
            token = {"token": self.home.secret(f"{system}_token")}
            write_secret(self.openbao.url, self.openbao.token, f"systems/{system}", token)

    def _start_exporter(self) -> None:
        """Before the functions, so that it counts all that they do."""
        functions = [f for f in FUNCTIONS if self.options.around or f.name in PIPELINE]
        exporter = Exporter(self.kafka.bootstrap, self.postgres.url, self.home.logs, functions, self.ports["metrics"])
        self._exit.callback(exporter.stop)
        exporter.start()

    def start_emulator(self, name: str) -> None:
        """Starts one emulator, or starts it again, and waits until it answers."""
        if name not in self.emulators:
            environment = {**os.environ, **commands.secrets(name, self)}
            command = commands.command(name, self)
            self.emulators[name] = Child(name, command, environment, self.home.logs / f"{name}.log")
            self._exit.callback(self.emulators[name].stop)
        child = self.emulators[name]
        child.start()
        wait_until_it_answers(self.url(name), child)

    @property
    def _emulators(self) -> tuple[str, ...]:
        return (*EMULATORS, *AROUND) if self.options.around else EMULATORS

    def fault(self, name: str, **settings: object) -> None:
        """Tells an emulator how to misbehave: the body of its `PUT /_emulator/faults`."""
        requests.put(f"{self.url(name)}/_emulator/faults", json=settings, timeout=60).raise_for_status()


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
