"""Documents by kind and name in one SQLite file; written through, read from it directly."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Json = dict[str, Any]
SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
  kind TEXT, name TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, name));
"""
WRITE = "INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body"


class DocumentStore:
    """Hold `lock` from reading a document to writing it back, or `transaction` for several that go together."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self._database = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        # a killed process loses nothing with these two; only a power cut would
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A process that is killed has done all of it or nothing."""
        with self.lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def put(self, kind: str, name: str, body: Json) -> None:
        with self.lock:
            self._database.execute(WRITE, (kind, name, json.dumps(body, separators=(",", ":"))))

    def get(self, kind: str, name: str) -> Json | None:
        query = "SELECT body FROM documents WHERE kind = ? AND name = ?"
        with self.lock:
            row = self._database.execute(query, (kind, name)).fetchone()
        return json.loads(row[0]) if row else None

    def all(self, kind: str) -> list[Json]:
        with self.lock:
            rows = self._database.execute("SELECT body FROM documents WHERE kind = ? ORDER BY name", (kind,)).fetchall()
        return [json.loads(row[0]) for row in rows]

    def drop(self, kind: str, name: str) -> None:
        with self.lock:
            self._database.execute("DELETE FROM documents WHERE kind = ? AND name = ?", (kind, name))

    def close(self) -> None:
        with self.lock:
            self._database.close()
