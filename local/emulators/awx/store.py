"""All objects of the emulator in SQLite: one table for each kind of object, its fields as one JSON text.

Handlers write without waiting in between, and the caller commits once. Nothing is durable before `commit`.
"""

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from local.emulators.awx.answers import Json

TABLES = (
    "organizations",
    "projects",
    "inventories",
    "job_templates",
    "jobs",
    "job_events",
    "labels",
    "notification_templates",
    "notifications",
    "tokens",
    "users",
)
INDEXES = {"jobs": ("skip_tags", "status", "webhook_guid", "job_template"), "notifications": ("job",)}
SCHEMA = """
CREATE TABLE IF NOT EXISTS links (owner_kind TEXT, owner INTEGER, name TEXT, target INTEGER,
  PRIMARY KEY (owner_kind, owner, name, target)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


def _schema() -> str:
    lines = [SCHEMA]
    for table in TABLES:
        lines.append(f"CREATE TABLE IF NOT EXISTS {table} (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL);")
        for name in INDEXES.get(table, ()):
            lines.append(f"CREATE INDEX IF NOT EXISTS {table}_{name} ON {table} (json_extract(body, '$.{name}'), id);")
    counter = "json_extract(body, '$.job'), json_extract(body, '$.counter')"
    lines.append(f"CREATE INDEX IF NOT EXISTS job_events_order ON job_events ({counter});")
    return "\n".join(lines)


class Store:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.database = sqlite3.connect(folder / "awx.sqlite", check_same_thread=False)
        # a killed process loses nothing with these two; only a power cut would
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = OFF")
        self.database.create_function("REGEXP", 2, _matches, deterministic=True)
        self.database.executescript(_schema())

    def add(self, table: str, body: Json) -> Json:
        cursor = self.database.execute(f"INSERT INTO {table} (body) VALUES (?)", (json.dumps(body),))
        return {"id": cursor.lastrowid, **body}

    def get(self, table: str, object_id: int) -> Json | None:
        row = self.database.execute(f"SELECT id, body FROM {table} WHERE id = ?", (object_id,)).fetchone()
        return _object(row) if row else None

    def change(self, table: str, object_id: int, **fields: Any) -> Json:
        """The object as it is after the change. Raises KeyError when it does not exist."""
        found = self.get(table, object_id)
        if found is None:
            raise KeyError(f"{table} {object_id}")
        changed = {**found, **fields}
        body = {name: value for name, value in changed.items() if name != "id"}
        self.database.execute(f"UPDATE {table} SET body = ? WHERE id = ?", (json.dumps(body), object_id))
        return changed

    def delete(self, table: str, object_id: int) -> None:
        self.database.execute(f"DELETE FROM {table} WHERE id = ?", (object_id,))
        self.database.execute("DELETE FROM links WHERE owner_kind = ? AND owner = ?", (table, object_id))

    def where(self, table: str, **fields: Any) -> Iterator[Json]:
        """Objects with exactly these values, by id."""
        conditions = " AND ".join(f"json_extract(body, '$.{name}') = ?" for name in fields) or "1"
        yield from self.select(f"SELECT id, body FROM {table} WHERE {conditions} ORDER BY id", list(fields.values()))

    def select(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Json]:
        """Rows of (id, body) as objects."""
        for row in self.database.execute(sql, values):
            yield _object(row)

    def count(self, sql: str, values: Sequence[Any] = ()) -> int:
        found: int = self.database.execute(sql, values).fetchone()[0]
        return found

    def link(self, kind: str, owner: int, name: str, target: int) -> None:
        self.database.execute("INSERT OR IGNORE INTO links VALUES (?, ?, ?, ?)", (kind, owner, name, target))

    def unlink(self, kind: str, owner: int, name: str, target: int) -> None:
        sql = "DELETE FROM links WHERE owner_kind = ? AND owner = ? AND name = ? AND target = ?"
        self.database.execute(sql, (kind, owner, name, target))

    def linked(self, kind: str, owner: int, name: str) -> list[int]:
        sql = "SELECT target FROM links WHERE owner_kind = ? AND owner = ? AND name = ? ORDER BY target"
        return [row[0] for row in self.database.execute(sql, (kind, owner, name))]

    def setting(self, name: str) -> Any:
        row = self.database.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def set_setting(self, name: str, value: Any) -> None:
        self.database.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, json.dumps(value)))

    def commit(self) -> None:
        self.database.commit()

    def close(self) -> None:
        self.database.commit()
        self.database.close()


def _object(row: tuple[int, str]) -> Json:
    return {"id": row[0], **json.loads(row[1])}


def _matches(pattern: str, value: Any) -> bool:
    return value is not None and re.search(pattern, str(value)) is not None
