"""How long 100,000 audit records take to be verified, on all processors, beside reading the same objects in one process
with gzip and a JSON reader."""

import base64
import gzip
import json
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from local.audit.verify import verify
from local.bench.rows import Row, row
from stoa.adapters.signing import PublicKeys, SigningKey
from stoa.archive import model as archive
from stoa.audit import model
from stoa.audit.events import AUDIT_LOG, acted
from stoa.audit.model import Checkpoint, Place
from stoa.kernel.clock import iso, now
from stoa.kernel.settings import Secret

RECORDS, PARTITIONS, AT_ONCE = 100_000, 6, 50  # of an object, each with a checkpoint: 2,000 of both
ROUNDS = 3
AT_MOST_S = 10.0


def measure(console: Console, here: Path) -> list[Row]:
    """Raises RuntimeError when what was written is not found whole."""
    console.print(f"verifying {RECORDS:,} audit records in {RECORDS // AT_ONCE:,} objects with as many checkpoints")
    signer = SigningKey(Secret(secrets.token_urlsafe(32)))
    _write(here, signer)
    keys, ours, bare = PublicKeys.read(signer.public_pem()), list[float](), list[float]()
    for _ in range(ROUNDS):
        begun = time.monotonic()
        for path in sorted(here.rglob("*.gz")):
            [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
        read = time.monotonic()
        report = verify(here, keys, [], lambda *_: None, processes=os.cpu_count() or 1)
        bare.append(read - begun)
        ours.append(time.monotonic() - read)
        if not report.whole or sum(chain.records for chain in report.chains) != RECORDS:
            raise RuntimeError("the audit log of the benchmark is not whole")
    return [row("audit verify, 100,000 records", ours, bare, unit="s", at_most=AT_MOST_S)]


def _write(here: Path, signer: SigningKey) -> None:
    for partition in range(PARTITIONS):
        place, state, first = Place(partition), None, 0
        for records in _objects(partition):
            lines = archive.of_records(records)
            _put(here / archive.object_name(records[0]), archive.packed(records))
            links = list(model.linked(lines, set()))
            before = state or model.beginning(AUDIT_LOG, place, first)
            state = model.further(before, links)
            made = Checkpoint(place, first, before.offset, state, links, {}, iso(now()), signer.key_id)
            _put(here / model.checkpoint_name(AUDIT_LOG, place, state.offset), model.sealed(AUDIT_LOG, made, signer))


def _objects(partition: int) -> Iterator[list[dict[str, Any]]]:
    last = RECORDS // PARTITIONS + (RECORDS % PARTITIONS if partition == 0 else 0)
    for first in range(0, last, AT_ONCE):
        yield [_record(partition, offset) for offset in range(first, min(first + AT_ONCE, last))]


def _record(partition: int, offset: int) -> dict[str, Any]:
    event = acted(
        "DEPLOYMENT_CANCELLED", f"deployments/dep-{offset}", actor=f"sub-{offset % 50}", tenant=f"tenant-{partition}",
        trace_id=f"trc-{offset:032x}", at=now(), ip="192.0.2.1", before={"state": "running"},
        after={"state": "cancelled"},
    )  # fmt: skip
    return {
        "topic": AUDIT_LOG,
        "partition": partition,
        "offset": offset,
        "timestamp": 1_767_348_000_000 + offset,
        "key": base64.b64encode(event.key.encode()).decode(),
        "value": base64.b64encode(event.value()).decode(),
        "headers": [{name: list(text.encode())} for name, text in event.headers().items()],
    }


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
