"""Histories of audit-log as the archive writes them, with checkpoints, in a folder; and ways to tamper with one."""

import base64
import gzip
import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stoa.adapters.signing import PublicKeys, SigningKey
from stoa.archive import model as archive
from stoa.audit import model
from stoa.audit.events import AUDIT_LOG
from stoa.audit.model import Checkpoint, Place, State
from stoa.kernel.settings import Secret

TEN = 1_767_348_000_000  # 2026-01-02T10:00:00Z
SIGNER = SigningKey(Secret(secrets.token_urlsafe(32)))
KEYS = PublicKeys.read(SIGNER.public_pem())


def record(offset: int, event_id: str | None = None, partition: int = 0, at: int = TEN, **said: Any) -> dict[str, Any]:
    """As Lambda hands it out."""
    value = {"event_id": event_id or f"e-{partition}-{offset}", "action": "DONE", "actor": "zoë", **said}
    headers = {"ce_id": value["event_id"], "ce_time": "2026-01-02T10:00:00.000Z", "ce_tenant": "acme"}
    return {
        "topic": AUDIT_LOG,
        "partition": partition,
        "offset": offset,
        "timestamp": at + offset,
        "key": base64.b64encode(value["event_id"].encode()).decode(),
        "value": base64.b64encode(json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")).decode(),
        "headers": [{name: list(text.encode())} for name, text in headers.items()],
    }


@dataclass
class History:
    """Of one chain, in a folder: `objects` are the names of its objects in order, `checkpoints` those of these."""

    root: Path
    place: Place = Place(0)
    objects: list[str] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    state: State | None = None
    known: set[bytes] = field(default_factory=set)
    pending: list[model.Link] = field(default_factory=list)

    def keep(self, records: Sequence[dict[str, Any]]) -> None:
        """One object."""
        name = archive.object_name(records[0], self.place.history)
        write(self.root / name, archive.packed(records))
        self.objects.append(name)
        links = list(model.linked(archive.of_records(records), self.known))
        self.state = self.state or model.beginning(AUDIT_LOG, self.place, links[0].offset)
        self.pending += links

    def sign(self, others: dict[Place, State] | None = None, signer: SigningKey = SIGNER) -> None:
        assert self.state
        after, self.state = self.state.offset, model.further(self.state, self.pending)
        made = Checkpoint(self.place, self.first, after, self.state, self.pending, others or {}, "now", signer.key_id)
        self.checkpoints.append(model.checkpoint_name(AUDIT_LOG, self.place, self.state.offset))
        write(self.root / self.checkpoints[-1], model.sealed(AUDIT_LOG, made, signer))
        self.pending = []

    @property
    def first(self) -> int:
        return int(self.lines(self.objects[0])[0]["offset"])

    def lines(self, name: str) -> list[dict[str, Any]]:
        return archive.lines(gzip.decompress((self.root / name).read_bytes()))

    def all_lines(self) -> list[dict[str, Any]]:
        return [line for name in self.objects for line in self.lines(name)]

    def rewrite(self, name: str, lines: Iterable[dict[str, Any]]) -> None:
        self.rewrite_text(name, "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode())

    def rewrite_text(self, name: str, text: bytes) -> None:
        """The whole object, and none without a line, as who tampers would do."""
        if text:
            write(self.root / name, gzip.compress(text))
        else:
            (self.root / name).unlink()


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
