"""Webhooks and what arrived, kept in SQLite over a restart."""

import json
import secrets
import sqlite3
from pathlib import Path
from typing import Any

Json = dict[str, Any]

SCHEMA = """\
CREATE TABLE IF NOT EXISTS webhooks (name TEXT PRIMARY KEY, path TEXT NOT NULL UNIQUE, answer TEXT);
CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, body TEXT NOT NULL);
"""


class Store:
    """Used by one thread, the event loop's. `answer` of a webhook is the error that it gives, or null."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(folder / "people.sqlite", isolation_level=None)
        self._database.row_factory = sqlite3.Row
        # a killed process loses nothing with these two; only a power cut would
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(SCHEMA)

    def put_webhook(self, name: str, answer: str | None) -> Json:
        path = f"/services/T{secrets.token_hex(4)}/B{secrets.token_hex(4)}/{secrets.token_urlsafe(18)}".replace(
            "_", "-"
        )
        self._database.execute(
            "INSERT INTO webhooks (name, path, answer) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET answer = excluded.answer",
            (name, path, answer),
        )
        return next(hook for hook in self.webhooks() if hook["name"] == name)

    def webhooks(self) -> list[Json]:
        return [dict(row) for row in self._database.execute("SELECT name, path, answer FROM webhooks ORDER BY name")]

    def keep(self, kind: str, body: Json) -> None:
        self._database.execute("INSERT INTO messages (kind, body) VALUES (?, ?)", (kind, json.dumps(body)))

    def messages(self, after: int, kind: str | None) -> list[Json]:
        rows = self._database.execute(
            "SELECT id, kind, body FROM messages WHERE id > ? AND (? IS NULL OR kind = ?) ORDER BY id",
            (after, kind, kind),
        )
        return [{"id": row["id"], "kind": row["kind"], **json.loads(row["body"])} for row in rows]

    def forget_messages(self) -> None:
        self._database.execute("DELETE FROM messages")

    def close(self) -> None:
        self._database.close()
