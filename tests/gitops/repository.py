"""A project that is written to file by file, and what it tells of its APIs."""

import json
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

from local.contracts import schema
from stoa.kernel.database import Database
from stoa.kernel.outbox import Row
from tests.gitops.desk import Desk, Server
from tests.lambda_records import lambda_record


class Repository(Desk):
    """A desk whose project is written to file by file; `told` are the events about APIs, the oldest first."""

    def __init__(self, database: Database, server: Server) -> None:
        super().__init__(database, server)
        self._server = server
        self._files: set[str] = set()

    def push(self, *written: str, removed: tuple[str, ...] = (), said: Mapping[str, str] | None = None) -> str:
        """One commit, planned at once; its id. `said` is what files say, by path; it does not matter of the others."""
        said = said or {}
        contents = {path: said.get(path, f"{path} {n}") for n, path in enumerate((*written, *said), len(self.asked))}
        actions = [
            {"action": "update" if path in self._files else "create", "file_path": path, "content": content}
            for path, content in contents.items()
        ]
        actions += [{"action": "delete", "file_path": path} for path in removed]
        self._files = (self._files | set(written) | set(said)) - set(removed)
        where = f"/projects/{self.project}/repository/commits"
        made = self._server.ask("POST", where, branch="main", commit_message="x", actions=actions)
        self.gitops.catch_up()
        self.work()
        return str(made["id"])

    @property
    def told(self) -> list[tuple[str, dict[str, Any]]]:
        with self.database.transaction() as connection:
            rows = connection.execute("SELECT topic, headers, value FROM outbox WHERE starts_with(topic, 'api-')"
                                      " ORDER BY seq").fetchall()  # fmt: skip
        found = []
        for row in rows:
            value = json.loads(bytes(row["value"]))
            Draft202012Validator(schema(row["topic"])).validate(value)
            assert row["headers"]["ce_subject"] == f"{value['tenant']}/{value['api_id']}"
            assert row["headers"]["ce_generation"] == str(value["generation"])
            found.append((row["topic"], value))
        return found

    @property
    def records(self) -> list[dict[str, Any]]:
        """The same as Lambda hands them out."""
        with self.database.transaction() as connection:
            rows = connection.execute("SELECT seq, topic, key, headers, value FROM outbox"
                                      " WHERE starts_with(topic, 'api-') ORDER BY seq").fetchall()  # fmt: skip
        return [
            lambda_record(Row(row["seq"], row["topic"], row["key"], row["headers"], bytes(row["value"])), row["seq"])
            for row in rows
        ]

    @property
    def last(self) -> list[tuple[str, str, int]]:
        """Topic, API and generation of each event since it was last asked."""
        told, self.seen = self.told[getattr(self, "seen", 0) :], len(self.told)
        return [(topic, value["api_id"], value["generation"]) for topic, value in told]
