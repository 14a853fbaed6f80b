import json
import sqlite3
import threading
from pathlib import Path

from local.emulators.thin_gitlab.answers import Json

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS documents (
  kind TEXT NOT NULL, id INTEGER NOT NULL, parent INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id));
CREATE INDEX IF NOT EXISTS documents_by_parent ON documents (kind, parent, id);
"""


class Store:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(folder / "gitlab.sqlite", check_same_thread=False, isolation_level=None)
        self._db.executescript(SCHEMA)

    def add(self, kind, parent, body):
        with self._lock:
            (number,) = self._db.execute("SELECT coalesce(max(id), 0) + 1 FROM documents WHERE kind = ?", (kind,)).fetchone()
            made = {"id": number, **body}
            self._db.execute("INSERT INTO documents VALUES (?, ?, ?, ?)", (kind, number, parent, json.dumps(made)))
        return made

    def put(self, kind, body):
        with self._lock:
            self._db.execute("UPDATE documents SET body = ? WHERE kind = ? AND id = ?", (json.dumps(body), kind, body["id"]))
        return body

    def get(self, kind, number):
        with self._lock:
            row = self._db.execute("SELECT body FROM documents WHERE kind = ? AND id = ?", (kind, number)).fetchone()
        return json.loads(row[0]) if row else None

    def all(self, kind, parent=None):
        where, values = (" AND parent = ?", (kind, parent)) if parent is not None else ("", (kind,))
        with self._lock:
            rows = self._db.execute(f"SELECT body FROM documents WHERE kind = ?{where} ORDER BY id", values).fetchall()
        return [json.loads(row[0]) for row in rows]

    def delete(self, kind, number):
        with self._lock:
            self._db.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, number))
