"""Rollouts over real PostgreSQL and the Argo CD emulator, whose clock the tests move on."""

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stoa.adapters.argocd import ArgoCd
from stoa.gitops.events import API_EVENTS
from stoa.kernel.database import Database
from stoa.kernel.envelope import Message, Position
from stoa.kernel.errors import Transient
from stoa.kernel.settings import Secret
from stoa.rollouts.flows import Rollouts
from tests.emulators.argocd.kit import TOKEN, Kit, kits, sha


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    with kits(tmp_path_factory.mktemp("argocd")) as made:
        made.put("timing", refresh_s=0)
        yield made


@pytest.fixture(scope="module")
def tables(module_database: Callable[[], str]) -> Iterator[Database]:
    """One database for a file of tests: every story has a tenant of its own."""
    made = Database(Secret(module_database()), "stoa_worker")
    yield made
    made.close()


class Story:
    """One API of a new tenant and its application."""

    def __init__(self, database: Database, kit: Kit, **template: Any) -> None:
        self.database, self.kit = database, kit
        self.app = kit.app(**template)
        self.application, self.tenant = self.app
        self.rollouts = Rollouts(database, ArgoCd(kit.url, Secret(TOKEN), timeout_s=2))

    def message(self, topic: str, generation: int, revision: str | None = None, **data: Any) -> Message:
        value = {"tenant": self.tenant, "api_id": "orders", "generation": generation, "commit": revision or sha(),
                 "trace_id": f"trc-{self.tenant}", **data}  # fmt: skip
        subject = f"{self.tenant}/orders"
        return Message(
            position=Position(topic, 0, generation), key=subject, id=uuid.uuid4().hex, type=API_EVENTS[topic],
            subject=subject, tenant=self.tenant, actor="gitlab:1", trace_id="", generation=generation, data=value,
        )  # fmt: skip

    def record(self, message: Message) -> dict[str, Any]:
        """As Lambda hands it out."""
        said = {"ce_id": message.id, "ce_type": message.type, "ce_source": "s", "ce_time": "now",
                "ce_subject": message.subject, "ce_tenant": message.tenant}  # fmt: skip
        return {
            "topic": message.position.topic,
            "partition": 0,
            "offset": int(message.tenant[-4:]),
            "key": base64.b64encode(message.key.encode()).decode(),
            "value": base64.b64encode(json.dumps(message.data).encode()).decode(),
            "headers": [{name: list(value.encode())} for name, value in said.items()],
        }

    def created(self, generation: int = 1, revision: str | None = None) -> Message:
        return self.message("api-created", generation, revision)

    def waits(self, message: Message) -> Transient:
        with pytest.raises(Transient) as caught:
            self.rollouts.sync(message)
        return caught.value

    def follow(self) -> None:
        """A tick that has this API only."""
        with self.database.transaction() as connection:
            connection.execute("UPDATE rollouts SET state = 'failed' WHERE tenant <> %s AND state IN"
                               " ('syncing', 'automatic', 'removing')", (self.tenant,))  # fmt: skip
        self.rollouts.follow(lambda: 60_000)

    def end(self) -> tuple[str, str]:
        """Everything under way is over, and followed."""
        self.kit.later()
        self.follow()
        return self.state

    @property
    def row(self) -> dict[str, Any]:
        with self.database.transaction() as connection:
            found = connection.execute("SELECT * FROM rollouts WHERE tenant = %s", (self.tenant,)).fetchone()
        assert found is not None
        return found

    @property
    def state(self) -> tuple[str, str]:
        return self.row["state"], self.row["detail"]

    @property
    def synced(self) -> list[str]:
        """The revisions that were applied, in order."""
        return [entry["revision"] for entry in self.kit.read(self.app)["status"]["history"]]


@pytest.fixture
def tell(tables: Database, kit: Kit) -> Callable[..., Story]:
    """Begins a story; keywords are the template of its application."""
    return lambda **template: Story(tables, kit, **template)


@pytest.fixture
def story(tell: Callable[..., Story]) -> Story:
    return tell()
