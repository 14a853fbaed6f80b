"""All objects of the gateway: in memory for reading, written through to SQLite, loaded again at the start.

An object handed out is never changed in place: a change is a `put` of a new dictionary. Nothing is durable before
`commit`; handlers write without waiting in between and the caller commits once per request.
"""

import json
import sqlite3
from collections import defaultdict
from pathlib import Path
from typing import Any

from local.emulators.webmethods.answers import Json

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (kind TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, id));
CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY AUTOINCREMENT, entry TEXT NOT NULL);
"""
WRITE = "INSERT INTO objects VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body"
KEPT_AS_TEXT = frozenset({"definition"})


def api_key_of(application: Json) -> str | None:
    """The key in force of an application record, if it has one."""
    credentials = application.get("accessTokens", {}).get("apiAccessKey_credentials", {})
    key = credentials.get("apiAccessKey")
    return key if isinstance(key, str) else None


def actions_used(policy: Json) -> list[str]:
    """The ids of the policy actions that a policy refers to."""
    return [entry["enforcementObjectId"] for stage in policy["policyEnforcements"] for entry in stage["enforcements"]]


def _index_values(kind: str, body: Json | None) -> list[str]:
    """What an object is found by, besides its id."""
    if body is None:
        return []
    if kind == "api":
        return [body["apiName"], *(f"policy {policy_id}" for policy_id in body["policies"])]
    if kind == "policy":
        return ["global"] * bool(body["global"]) + [f"action {action_id}" for action_id in actions_used(body)]
    if kind == "application":
        return [f"api {api_id}" for api_id in body["consumingAPIs"]] + [f"key {api_key_of(body)}", body["name"]]
    return [body["name"]] if "name" in body else []


class Store:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.database = sqlite3.connect(folder / "gateway.sqlite", check_same_thread=False)
        # a killed process loses nothing with these two; only a power cut would
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = OFF")
        self.database.executescript(SCHEMA)
        self.objects: dict[str, dict[str, Json]] = defaultdict(dict)
        self.texts: dict[tuple[str, str], str] = {}
        self.index: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        for kind, object_id, body in self.database.execute("SELECT kind, id, body FROM objects ORDER BY rowid"):
            self._remember(kind, object_id, json.loads(body))
            if kind in KEPT_AS_TEXT:
                self.texts[kind, object_id] = body

    def _remember(self, kind: str, object_id: str, body: Json) -> None:
        self._forget(kind, object_id)
        self.objects[kind][object_id] = body
        for value in _index_values(kind, body):
            self.index[kind, value][object_id] = None

    def _forget(self, kind: str, object_id: str) -> None:
        for value in _index_values(kind, self.objects[kind].get(object_id)):
            place = self.index.get((kind, value), {})
            place.pop(object_id, None)
            if not place:
                self.index.pop((kind, value), None)

    def get(self, kind: str, object_id: str) -> Json | None:
        return self.objects[kind].get(object_id)

    def all(self, kind: str) -> list[Json]:
        return list(self.objects[kind].values())

    def found(self, kind: str, value: str) -> list[Json]:
        """APIs, aliases, applications ... by name; APIs by `policy <id>`, policies by `global` and `action <id>`,
        applications by `key <API key>` and `api <id>`."""
        return [self.objects[kind][object_id] for object_id in self.index.get((kind, value), ())]

    def put(self, kind: str, object_id: str, body: Json) -> Json:
        self._remember(kind, object_id, body)
        text = json.dumps(body, separators=(",", ":"))
        if kind in KEPT_AS_TEXT:
            self.texts[kind, object_id] = text
        self.database.execute(WRITE, (kind, object_id, text))
        return body

    def text(self, kind: str, object_id: str) -> str | None:
        """A large object as JSON text, rendered once."""
        return self.texts.get((kind, object_id))

    def drop(self, kind: str, object_id: str) -> None:
        self._forget(kind, object_id)
        self.objects[kind].pop(object_id, None)
        self.texts.pop((kind, object_id), None)
        self.database.execute("DELETE FROM objects WHERE kind = ? AND id = ?", (kind, object_id))

    def journal_add(self, entry: Json) -> None:
        self.database.execute("INSERT INTO journal (entry) VALUES (?)", (json.dumps(entry, separators=(",", ":")),))

    def journal(self, after: int, limit: int) -> list[dict[str, Any]]:
        query = "SELECT seq, entry FROM journal WHERE seq > ? ORDER BY seq LIMIT ?"
        return [{"seq": seq, **json.loads(entry)} for seq, entry in self.database.execute(query, (after, limit))]

    def commit(self) -> None:
        if self.database.in_transaction:
            self.database.commit()

    def close(self) -> None:
        self.commit()
        self.database.close()
