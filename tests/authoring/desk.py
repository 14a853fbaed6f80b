"""A person who changes APIs through the platform, over a real database and the GitLab emulator."""

import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import requests

from stoa.authoring import store
from stoa.authoring.flows_by_hand import Authors
from stoa.authoring.model import Action, Asker, Change, Order
from stoa.authoring.queries import ChangeQueries
from stoa.gitops.queries import PushQueries
from stoa.kernel.clock import now
from stoa.kernel.database import Database
from stoa.kernel.errors import Refused
from tests.authoring.killing import ADA, API, TENANT, message
from tests.gitops.desk import Desk, Server

BOB = "sub-bob"
FOLDER = f"tenants/{TENANT}/apis/{API}"
SPEC = {
    "displayName": "Orders",
    "version": "1.0.0",
    "backend": {"url": "${BACKEND_URL}"},
    "security": {"type": "api-key"},
}
DOCUMENT = """\
openapi: 3.0.3
info: {title: Orders, version: 1.0.0}
paths:
  /orders:
    get:
      responses:
        "200": {description: all of them}
"""


def wanted(version: str = "1.0.0", names: Iterable[str] = ("dev",), **more: Any) -> dict[str, Any]:
    url = {"BACKEND_URL": "http://orders.internal:8080"}
    return {
        "spec": {**SPEC, "version": version},
        "document": {"name": "openapi.yaml", "content": DOCUMENT},
        "environments": dict.fromkeys(names, url),
        **more,
    }


class Author(Desk):
    """`people` are those for whom deployments were asked, in order."""

    def __init__(self, database: Database, server: Server) -> None:
        super().__init__(database, server)
        self.server = server
        self.authors = Authors(database, lambda _keys: None)
        self.queries = ChangeQueries(database)
        self.people: list[str] = []
        self.commit({"README.md": "ours\n"})
        self.plan()

    def request(self, _connection: Any, cause: Any, wanted: Any) -> Any:
        self.people += [cause["actor"]] * len(wanted)
        return super().request(_connection, cause, wanted)

    def ask(self, action: Action = "create", asked: dict[str, Any] | None = None, *, seen: int | None = None,
            who: str = ADA, key: str | None = None, api: str = API, tenant: str = TENANT) -> str:  # fmt: skip
        if asked is None:
            asked = wanted() if action in ("create", "replace") else {}
        if action == "deprecate" and not asked:
            asked = {"sunset": now() + timedelta(days=90)}
        order = Order(tenant, api, action, asked, None if seen is None else frozenset({seen}))
        return self.authors.ask(order, Asker(who, "192.0.2.1", uuid.uuid4().hex, key))

    def write(self, change_id: str) -> None:
        self.authoring.write(message(change_id))

    def plan(self) -> None:
        """Every push, ours too, as often as its webhook comes."""
        self.gitops.catch_up()
        self.work()

    def done(self, *asked: Any, **more: Any) -> Change:
        """Asked for, written, planned."""
        change_id = self.ask(*asked, **more)
        try:
            self.write(change_id)
        except Refused as error:
            self.authoring.give_up(message(change_id), error)
        self.plan()
        return self.change(change_id)

    def refused(self, *asked: Any, **more: Any) -> str | None:
        """The code, whether it is said at once or by the row later; None when it was done."""
        try:
            found = self.done(*asked, **more)
        except Refused as error:
            return error.code
        return str(found.error["code"]) if found.state == "refused" and found.error else None

    def change(self, change_id: str) -> Change:
        with self.database.transaction(TENANT) as connection:
            found = store.get(connection, change_id)
        assert found is not None
        return found

    def commit(self, written: dict[str, str], removed: Iterable[str] = (), said: str = "by hand") -> str:
        """A person's commit, beside the platform; no webhook comes."""
        there = set(self.files)
        actions = [
            {"action": "update" if path in there else "create", "file_path": path, "content": text}
            for path, text in written.items()
        ]
        actions += [{"action": "delete", "file_path": path} for path in removed]
        where = f"/projects/{self.project}/repository/commits"
        made = self.server.ask("POST", where, branch="main", commit_message=said, actions=actions)  # type: ignore[arg-type]
        return str(made["id"])

    @contextmanager
    def variant(self, **status: int) -> Iterator[None]:
        """As other versions of GitLab answer."""
        where = f"{self.server.url}/_emulator/variants"
        usual = requests.get(where, timeout=5).json()
        requests.put(where, json=status, timeout=5).raise_for_status()
        yield
        requests.put(where, json={name: usual[name] for name in status}, timeout=5).raise_for_status()

    @property
    def files(self) -> dict[str, str]:
        """The files at the branch's head, by path."""
        at = self.history.at
        if at is None:
            return {}
        paths = self.server.client.tree(self.project, at)
        return {path: data.decode() for path, data in self.server.client.files(self.project, paths, at).items()}

    @property
    def commits(self) -> dict[str, str]:
        """With their messages, the newest first."""
        return self.server.client.commits(self.project, "main", "")

    @property
    def api(self) -> dict[str, Any] | None:
        with self.database.transaction(TENANT) as connection:
            return connection.execute("SELECT * FROM apis WHERE api = %s", (API,)).fetchone()

    @property
    def pushes(self) -> list[dict[str, Any]]:
        """The oldest first."""
        return PushQueries(self.database).recent(None, None, 100)[::-1]

    def events(self, topic: str) -> list[dict[str, Any]]:
        with self.database.transaction() as connection:
            rows = connection.execute("SELECT value FROM outbox WHERE topic = %s ORDER BY seq", (topic,)).fetchall()
        return [json.loads(bytes(row["value"])) for row in rows]
