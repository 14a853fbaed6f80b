"""How fast the read model is rebuilt from its history, beside reading, unzipping and parsing the same archive.

Each round is a process of its own, `python -m local.bench.rebuild`, so that its memory is its own as well. The objects
lie in a folder: the store is not what is measured.
"""

import gzip
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console

from local.bench import history
from local.bench.history import PARTITIONS, PER_OBJECT, Folder
from local.bench.rows import Row, row
from local.home import ROOT
from local.replay.hashes import hashed
from local.replay.history import History
from local.replay.live import LIVE
from local.replay.rebuild import Rebuild
from local.replay.run import OPTIONS
from local.replay.schema import fresh_schema
from stoa.archive import model
from stoa.archive.queries import Archived
from stoa.deployments.events import REQUESTS, RESULTS
from stoa.kernel.tables import API_STATUS, DEPLOYMENTS

EVENTS, FEWER = 1_000_000, 100_000
ROUNDS = 3
RATIO, GROWTH = 0.5, 1.2
TOPICS = (RESULTS, REQUESTS)
WANTED = (DEPLOYMENTS, API_STATUS)


def measure(console: Console, folder: Path, database_url: str, count: int = EVENTS) -> list[Row]:
    """The database is empty before. Raises RuntimeError when the hashes are not those of the live tables."""
    console.print(f"making a history of {count:,} events", highlight=False)
    history.archive(folder / "archive", count)
    history.live(database_url, count)
    with psycopg.connect(database_url, options=OPTIONS) as connection:
        live = [hashed(connection, LIVE, one).sha256 for one in WANTED]
    ours, bare, memory = [], [], []
    for number in range(ROUNDS):
        console.print(f"round {number + 1} of {ROUNDS}: read and parsed, then rebuilt", highlight=False)
        bare.append(count / _round("bare", folder, database_url, count)["seconds"])
        found = _round("ours", folder, database_url, count)
        if found["hashes"] != live:
            raise RuntimeError("the rebuilt tables are not the live ones")
        ours.append(count / found["seconds"])
        memory.append(found["mb"])
    few = [_round("ours", folder, database_url, min(count, FEWER))["mb"] for _ in range(ROUNDS)]
    return [
        row(f"rebuilt, of {count:,} events", ours, bare, unit="events/s", at_least_ratio=RATIO),
        row(f"rebuilt, memory, beside {FEWER:,} events", memory, few, unit="MB", at_most_ratio=GROWTH),
    ]


def _round(which: str, folder: Path, database_url: str, count: int) -> dict[str, Any]:
    environment = {**os.environ, "STOA_DATABASE_URL": database_url}
    command = [sys.executable, "-m", "local.bench.rebuild", which, str(folder / "archive"), str(count)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=ROOT)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _bare(store: Folder, _count: int) -> dict[str, Any]:
    for topic in TOPICS:
        for name in store.names(model.folder(topic)):
            for line in gzip.decompress(store.get(name)).splitlines():
                json.loads(json.loads(line)["value"])
    return {}


def _ours(store: Folder, count: int) -> dict[str, Any]:
    ends = {(topic, p): sum(PER_OBJECT for n in range(count // 2 // PER_OBJECT) if n % PARTITIONS == p)
            for topic in TOPICS for p in range(PARTITIONS)}  # fmt: skip
    nobody: Any = None  # all of it is archived: Kafka is not asked
    past = History(Archived(store), nobody, ends)
    with (
        psycopg.connect(os.environ["STOA_DATABASE_URL"], autocommit=True, options=OPTIONS) as connection,
        fresh_schema(connection, WANTED, keep=False) as schema,
    ):
        rebuild = Rebuild(connection, schema, WANTED, None)
        for topic in rebuild.topics:
            rebuild.fold(topic, past.blocks(topic))
        if rebuild.events() != count:
            raise RuntimeError("not every event was folded")
        return {"hashes": [hashed(connection, schema, one).sha256 for one in WANTED]}


def main() -> None:
    """Prints seconds, peak memory of this process in MB and, of a rebuild, its hashes."""
    which, folder, count = sys.argv[1:]
    run: dict[str, Callable[[Folder, int], dict[str, Any]]] = {"bare": _bare, "ours": _ours}
    begun = time.perf_counter()
    found = run[which](Folder(Path(folder), int(count) // 2 // PER_OBJECT), int(count))
    mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.perf_counter() - begun, "mb": mb, **found}))


if __name__ == "__main__":
    main()
