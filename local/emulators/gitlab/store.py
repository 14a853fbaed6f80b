"""Projects, hooks and delivery logs in one SQLite file; written through, read from it directly."""

import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

Json = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
  kind TEXT, id INTEGER, parent INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id));
CREATE INDEX IF NOT EXISTS by_parent ON documents (kind, parent, id);
CREATE TABLE IF NOT EXISTS counters (kind TEXT PRIMARY KEY, last INTEGER NOT NULL);
"""
NEXT = "INSERT INTO counters VALUES (?, 1) ON CONFLICT (kind) DO UPDATE SET last = last + 1 RETURNING last"
WRITE = "INSERT INTO documents VALUES (?, ?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body"


class Store:
    """Documents by kind and id; `parent` is the project (or the hook of a delivery) that they belong to."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._database = sqlite3.connect(folder / "instance.sqlite", check_same_thread=False, isolation_level=None)
        # a killed process loses nothing with these two; only a power cut would
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(SCHEMA)

    def number(self, kind: str) -> int:
        """The next number of a sequence, never given twice."""
        with self._lock:
            return int(self._database.execute(NEXT, (kind,)).fetchone()[0])

    def add(self, kind: str, parent: int, body: Json) -> Json:
        """Stores a new document and gives it back with its `id`."""
        document = {"id": self.number(kind), **body}
        self.put(kind, parent, document)
        return document

    def put(self, kind: str, parent: int, document: Json) -> None:
        with self._lock:
            row = (kind, document["id"], parent, json.dumps(document, separators=(",", ":")))
            self._database.execute(WRITE, row)

    def get(self, kind: str, document_id: int) -> Json | None:
        query = "SELECT body FROM documents WHERE kind = ? AND id = ?"
        with self._lock:
            row = self._database.execute(query, (kind, document_id)).fetchone()
        return json.loads(row[0]) if row else None

    def all(self, kind: str, parent: int | None = None) -> list[Json]:
        """In the order of their ids; of one parent, or of every one."""
        query = "SELECT body FROM documents WHERE kind = ? AND (? IS NULL OR parent = ?) ORDER BY id"
        with self._lock:
            rows = self._database.execute(query, (kind, parent, parent)).fetchall()
        return [json.loads(row[0]) for row in rows]

    def drop(self, kind: str, document_id: int) -> None:
        with self._lock:
            self._database.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, document_id))

    def drop_all(self, kind: str, parent: int) -> None:
        with self._lock:
            self._database.execute("DELETE FROM documents WHERE kind = ? AND parent = ?", (kind, parent))

    def close(self) -> None:
        with self._lock:
            self._database.close()
