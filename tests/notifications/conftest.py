"""Notifications over a real database and OpenBao, with the emulator of what people would read."""

import itertools
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from local.parts.openbao import OpenBao
from local.parts.ports import free_port
from local.parts.process import Child
from local.stack import wait_until_it_answers
from local.vault import grant, write_secret
from stoa.adapters.email import Mail
from stoa.adapters.slack import Slack
from stoa.adapters.vault import Vault
from stoa.kernel import ids
from stoa.kernel.clock import iso, now
from stoa.kernel.database import Database
from stoa.kernel.envelope import Message, Position, decode
from stoa.kernel.outbox import Row
from stoa.kernel.settings import Secret, SmtpTls
from stoa.notifications.flows import Notifications
from stoa.notifications.flows_by_hand import Channels
from stoa.notifications.model import Channel
from tests.lambda_records import lambda_record

SENDER = "stoa@example.com"
NUMBERS = itertools.count(1)


class World:
    """The servers, one of each for all tests."""

    def __init__(self, folder: Path) -> None:
        self.port, self.smtp_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        where = ["--port", str(self.port), "--smtp-port", str(self.smtp_port), "--state", str(folder / "people")]
        self._child = Child("people", [sys.executable, "-m", "local.emulators.people", *where], os.environ,
                            folder / "people.log")  # fmt: skip
        self._child.start()
        self.openbao = OpenBao(folder / "openbao")
        self.openbao.start()
        self.vault_token = grant(self.openbao.url, self.openbao.token)["channels"]
        wait_until_it_answers(self.url, self._child)
        self.session = requests.Session()

    def put(self, control: str, **body: Any) -> Any:
        answer = self.session.put(f"{self.url}/_emulator/{control}", json=body, timeout=5)
        answer.raise_for_status()
        return answer.json()

    def vault(self) -> Vault:
        return Vault(self.openbao.url, Secret(self.vault_token))

    def stop(self) -> None:
        self.session.close()
        self._child.stop()
        self.openbao.stop()


class Desk:
    """A tenant of one test. `flows` is Notifications with a clock that runs `scale` times as fast."""

    def __init__(self, world: World, database: Database, url: str) -> None:
        self.world, self.database, self.database_url = world, database, url
        self.flows = Notifications(
            database=database,
            publish=lambda _keys: None,
            slack=Slack(world.url),
            mail=Mail("127.0.0.1", world.smtp_port, SENDER, tls=SmtpTls.OFFERED),
            vault=world.vault,
            time_scale=1.0,
        )
        by_hand, who = Channels(database, lambda _keys: None), {"actor": "user:1", "trace_id": "trc-1"}
        # what every test does as the same person
        self.channels: Any = SimpleNamespace(
            all=by_hand.all,
            read=by_hand.read,
            put=lambda *given, **wanted: by_hand.put(*given, **{**who, **wanted}),
            remove=lambda *given: by_hand.remove(*given, **who),
        )
        self.mark = uuid.uuid4().hex[:8]
        self.tenant = f"tenant-{self.mark}"
        self._read = 0
        with database.transaction() as connection:
            connection.execute("INSERT INTO project_tenants (project_id, tenant) VALUES (1, %s)", (self.tenant,))

    def at_speed(self, scale: float) -> None:
        self.flows = replace(self.flows, time_scale=scale)

    def slack(self, name: str = "team", **wanted: Any) -> Channel:
        """A channel with a webhook of its own, whose address is in the vault."""
        hook = self.world.put(f"webhooks/{self.mark}-{name}")
        self.secret(name, url=hook["url"])
        asked = {"target": f"vault:channels/{self.tenant}/{name}#url", "messages": ["deploy_success", "deploy_failed"]}
        made: Channel = self.channels.put(self.tenant, name, **{"kind": "slack", "enabled": True, **asked, **wanted})
        return made

    def mail(self, name: str = "mail", **wanted: Any) -> Channel:
        asked = {"target": f"{self.mark}@example.com", "messages": ["deploy_success", "deploy_failed"]}
        made: Channel = self.channels.put(self.tenant, name, **{"kind": "email", "enabled": True, **asked, **wanted})
        return made

    def secret(self, name: str, **values: str) -> None:
        write_secret(self.world.openbao.url, self.world.openbao.token, f"channels/{self.tenant}/{name}", values)

    def answers(self, word: str | None, name: str = "team") -> None:
        self.world.put(f"webhooks/{self.mark}-{name}", answer=word)

    def digests(self) -> int:
        return self.flows.send_digests(lambda: 60_000)

    def result(self, status: str = "failed", **fields: Any) -> Message:
        number = next(NUMBERS)
        error = {"code": "IMPORT_REFUSED", "detail": "no paths", "hint": "add one", "file": "api.yaml", "line": 3}
        value = {
            "trace_id": f"trc-{number:032x}",
            "deployment_id": f"dep-{number}",
            "tenant": self.tenant,
            "api_id": "orders",
            "environment": "dev",
            "action": "deploy",
            "triggered_by": "gitlab-push",
            "requested_by": "gitlab:1",
            "generation": number,
            "status": status,
            "duration_ms": 65_000,
            "commit": "0123456789" * 4,
            "api_version": "1.2.0",
            "error": error if status == "failed" else None,
            "finished_at": iso(now()),
            **fields,
        }
        at = Position("deploy-results", 0, number)
        return Message(
            at, f"{self.tenant}/orders", ids.event_id(), "t", "s", self.tenant, "a", value["trace_id"], number, value
        )

    def told(self, *results: Message) -> list[Message]:
        """The messages that the flow wrote for these results, as their consumer gets them."""
        return [decode(record) for record in self.records(*results)]

    def records(self, *results: Message) -> list[dict[str, Any]]:
        for each in results or (self.result(),):
            self.flows.tell_of_result(each)
        with self.database.transaction() as connection:
            rows = list(
                connection.execute(
                    "SELECT * FROM outbox WHERE seq > %s AND headers->>'ce_tenant' = %s"
                    " AND topic = 'notifications' ORDER BY seq",
                    (self._read, self.tenant),
                )
            )
        self._read = rows[-1]["seq"] if rows else self._read
        return [
            lambda_record(Row(row["seq"], row["topic"], row["key"], row["headers"], bytes(row["value"])), row["seq"])
            for row in rows
        ]

    def arrived(self, name: str = "team") -> list[dict[str, Any]]:
        """What one channel got, the oldest first."""
        found = self.world.session.get(f"{self.world.url}/_emulator/messages", timeout=5).json()["messages"]
        if name == "mail":
            return [m for m in found if f"{self.mark}@example.com" in m.get("to", ())]
        return [m["payload"] for m in found if m.get("webhook") == f"{self.mark}-{name}"]

    def states(self) -> dict[str, str]:
        with self.database.transaction(self.tenant) as connection:
            rows = connection.execute("SELECT event_id, state FROM notifications ORDER BY position")
            return {row["event_id"]: row["state"] for row in rows}

    def age(self, seconds: float) -> None:
        """As if everything that was tried, or taken, were so much longer ago; nobody rests any more."""
        older = timedelta(seconds=seconds)
        with self.database.transaction(self.tenant) as connection:
            connection.execute(
                "UPDATE notifications SET tried_at = tried_at - %s, taken_at = taken_at - %s", (older,) * 2
            )
            connection.execute("UPDATE notification_channels SET rests_until = rests_until - %s", (older,))


@pytest.fixture(scope="session")
def world(run_folder: Path) -> Iterator[World]:
    folder = run_folder / "notifications"
    folder.mkdir()
    made = World(folder)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def migrated(module_database: Callable[[], str]) -> str:
    return module_database()


@pytest.fixture
def desk(world: World, migrated: str) -> Iterator[Desk]:
    database = Database(Secret(migrated), "stoa_worker")
    yield Desk(world, database, migrated)
    database.close()
    world.put("variants", rate_limit=False, retry_after_s=1, answer_after_s=0)
    world.put("smtp")
    world.put("faults", mode="ok")
