"""Every offset is kept once, in the order of its partition, whoever dies where and however often it comes."""

import base64
import gzip
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stoa.adapters.s3 import Bucket
from stoa.archive import model
from stoa.archive.flows import AnotherHistory, Archive
from stoa.kernel.database import Database
from stoa.kernel.errors import Transient
from stoa.kernel.settings import Secret
from tests.archive.killing import killed_before_the_ledger_moves

TOPIC = "deploy-results"
HOUR_MS = 3_600_000
TEN = 1_767_348_000_000  # 2026-01-02T10:00:00Z


def record(offset: int, timestamp: int = TEN, partition: int = 0, **more: Any) -> dict[str, Any]:
    value = base64.b64encode(json.dumps({"n": offset}).encode()).decode()
    return {"topic": TOPIC, "partition": partition, "offset": offset, "timestamp": timestamp, "value": value, **more}


def lines(bucket: Bucket) -> list[dict[str, Any]]:
    """With standard tools: gzip and a JSON reader."""
    return [
        json.loads(line) for name in bucket.names("events/") for line in gzip.decompress(bucket.get(name)).splitlines()
    ]


def offsets(bucket: Bucket) -> list[int]:
    return [line["offset"] for line in lines(bucket)]


@pytest.fixture
def new_worker(database_url: str, new_bucket: Callable[[], Bucket]) -> Iterator[Callable[[], Archive]]:
    made: list[Database] = []

    def make() -> Archive:
        made.append(Database(Secret(database_url), "stoa_worker"))
        return Archive(made[-1], new_bucket())

    yield make
    for database in made:
        database.close()


@pytest.fixture
def worker(new_worker: Callable[[], Archive]) -> Archive:
    return new_worker()


def test_objects_are_named_by_topic_hour_partition_and_first_offset(worker: Archive) -> None:
    late = TEN + HOUR_MS
    batch = [record(7, late - 1), record(8, late), record(9, late - 1), record(3, partition=4)]
    assert list(worker.keep(batch)) == []
    assert list(worker.bucket.names("events/")) == [
        "events/deploy-results/2026/01/02/10/0/00000000000000000007.jsonl.gz",
        "events/deploy-results/2026/01/02/10/0/00000000000000000009.jsonl.gz",
        "events/deploy-results/2026/01/02/10/4/00000000000000000003.jsonl.gz",
        "events/deploy-results/2026/01/02/11/0/00000000000000000008.jsonl.gz",
    ]
    assert lines(worker.bucket)[0] == {
        "topic": TOPIC, "partition": 0, "offset": 7, "timestamp": late - 1, "key": None, "headers": {},
        "value": '{"n": 7}',
    }  # fmt: skip


@pytest.mark.parametrize("timestamp", [-1, None, 10**18])
def test_a_record_without_a_usable_time_or_base64_is_kept_all_the_same(worker: Archive, timestamp: Any) -> None:
    worker.keep([record(0, timestamp, value="no base64!"), record(1)])
    assert [line["value"] for line in lines(worker.bucket) if line["offset"] == 0] == ["no base64!"]
    assert sorted(offsets(worker.bucket)) == [0, 1]


def test_a_redelivery_with_other_borders_adds_only_what_is_new(worker: Archive) -> None:
    for first, last in ((0, 9), (0, 4), (5, 12), (3, 30), (31, 31)):
        worker.keep([record(n) for n in range(first, last + 1)])
    assert offsets(worker.bucket) == list(range(32))


def test_a_gap_that_compaction_left_is_no_error(worker: Archive) -> None:
    worker.keep([record(5), record(9)])
    worker.keep([record(12)])
    assert offsets(worker.bucket) == [5, 9, 12]


def event(offset: int, ce_id: str, **more: Any) -> dict[str, Any]:
    return record(offset, headers=[{"ce_id": list(ce_id.encode())}], **more)


@pytest.mark.parametrize(
    "again",
    [
        [event(n, f"new-{n}", timestamp=TEN + HOUR_MS) for n in range(5)],
        [event(n, f"new-{n}") for n in range(5)],
        [event(n, f"old-{n}", timestamp=TEN + 1) for n in range(5)],
        [event(n, f"new-{n}") for n in range(8, 12)],
    ],
)
def test_a_topic_that_begins_again_stops_its_partition_until_a_person_says_so(
    worker: Archive, database_url: str, again: list[dict[str, Any]]
) -> None:
    worker.keep([event(n, f"old-{n}") for n in range(10)])
    for _ in range(2):
        with pytest.raises(AnotherHistory, match=f"deploy-results/0 at {again[0]['offset']}") as stopped:
            worker.keep([*again, record(0, partition=3)])
        assert stopped.value.alarm
        assert offsets(worker.bucket) == [*range(10), 0], "the other partition goes on"
    with psycopg.connect(database_url) as admin:
        admin.execute(begin_again(), {"topic": TOPIC, "partition": 0})
    worker.keep(again)
    worker.keep(again)
    kept = [line["headers"].get("ce_id") for line in lines(worker.bucket) if line["partition"] == 0]
    told = [bytes(one["headers"][0]["ce_id"]).decode() for one in again]
    assert sorted(kept) == sorted([f"old-{n}" for n in range(10)] + told)


def test_offsets_that_come_after_later_ones_are_not_taken_for_kept(worker: Archive) -> None:
    worker.keep([record(n) for n in range(50, 60)])
    for first in (0, 49):
        with pytest.raises(AnotherHistory):
            worker.keep([record(n) for n in range(first, 60)])


def begin_again() -> str:
    """The statement of the runbook."""
    page = (Path(__file__).resolve().parents[2] / "docs/runbooks.md").read_text()
    found = re.search(r"`(UPDATE archive_ledger [^`]*)`", page)
    assert found
    return found[1].replace("'TOPIC'", "%(topic)s").replace("partition = N", "partition = %(partition)s")


def crash_at(bucket: Bucket, event: str) -> None:
    """The client of this worker dies once, before or after its next call got through."""
    events = bucket._connected().meta.events

    def die(**_: Any) -> None:
        events.unregister(event, die)
        raise ConnectionAbortedError(event)

    events.register(event, die)


def work(worker: Archive, chance: random.Random, end: int) -> None:
    """Delivers what is not committed yet, in batches of any size, until all is; a crash brings the batch again."""
    at = 0
    while at < end:
        until = min(end, at + chance.randint(1, 8))
        if chance.random() < 0.3:
            crash_at(worker.bucket, chance.choice(["before-send.s3.PutObject", "after-call.s3.PutObject"]))
        try:
            worker.keep([record(n, TEN + (n // 7) * HOUR_MS) for n in range(at, until)])
        except (ConnectionAbortedError, Transient):
            continue
        at = until


@pytest.mark.parametrize("seed", range(3))
def test_racing_workers_that_crash_before_and_after_the_put_keep_each_offset_once(
    new_worker: Callable[[], Archive], seed: int
) -> None:
    workers = [new_worker() for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(work, w, random.Random(f"{seed} {n}"), 60) for n, w in enumerate(workers)]:
            done.result()
    assert sorted(offsets(workers[0].bucket)) == list(range(60))


DYING = """\
import json, sys
from stoa.adapters.s3 import Bucket
from stoa.archive.flows import Archive
from stoa.kernel.database import Database
from stoa.kernel.settings import Secret
url, name, endpoint, records = json.loads(sys.stdin.read())
Archive(Database(Secret(url), "stoa_worker"), Bucket(name, endpoint)).keep(records)
"""


def test_what_a_killed_worker_wrote_before_the_ledger_moved_is_adopted(
    database_url: str, worker: Archive, s3: str
) -> None:
    given_to_it = [database_url, worker.bucket._name, s3, [record(n) for n in range(5)]]
    with killed_before_the_ledger_moves(database_url, worker.bucket, DYING, given_to_it) as admin:
        ledger = admin.execute("SELECT next_offset, object_name IS NULL FROM archive_ledger").fetchone()
        assert ledger == (0, False), "it died in between"
    # the redelivered batch ends elsewhere, and compaction took its first record meanwhile
    worker.keep([record(n) for n in range(1, 9)])
    assert offsets(worker.bucket) == list(range(9))


def test_an_object_that_is_not_of_the_archive_stops_its_partition_and_loses_nothing(worker: Archive) -> None:
    name = model.object_name(record(0))
    worker.bucket.put_if_absent(name, model.packed([]))
    with pytest.raises(ValueError):
        worker.keep([record(0)])
    worker.bucket.put_if_absent(model.object_name(record(0, partition=1)), b"no gzip")
    with pytest.raises(gzip.BadGzipFile):
        worker.keep([record(0, partition=1)])
    worker.keep([record(0, partition=2)])
    assert worker.database.ready()


def test_s3_that_is_away_or_refuses_is_waited_for(worker: Archive, s3: str) -> None:
    for away in (Bucket("archive-of-nobody", s3), Bucket("archive", "http://127.0.0.1:9")):
        with pytest.raises(Transient, match="s3"):
            Archive(worker.database, away).keep([record(0)])
    worker.keep([record(0)])
    assert offsets(worker.bucket) == [0]


HEADERS = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=10)), max_size=5)


def as_event(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]) -> dict[str, Any]:
    """As Lambda writes it: bytes of headers may be signed."""
    made: dict[str, Any] = {
        "topic": TOPIC, "partition": 0, "offset": 1, "timestamp": TEN,
        "headers": [{n: None if v is None else [b - 256 if b > 127 else b for b in v]} for n, v in headers],
    }  # fmt: skip
    for name, data in (("key", key), ("value", value)):
        if data is not None:
            made[name] = base64.b64encode(data).decode()
    return made


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.none() | st.binary(), st.none() | st.binary(), HEADERS)
def test_any_bytes_come_back_as_they_were(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    packed = model.packed([as_event(key, value, headers)] * 2)
    assert packed == model.packed([as_event(key, value, headers)] * 2)
    first, second = (json.loads(line) for line in gzip.decompress(packed).decode("ascii").splitlines())
    assert first == second
    assert (model.raw(first["key"]), model.raw(first["value"])) == (key, value)
    read = {n: v if isinstance(v, list) else [v] for n, v in first["headers"].items()}
    expected: dict[str, list[bytes | None]] = {}
    for name, data in headers:
        expected.setdefault(name, []).append(data)
    assert {n: [model.raw(v) for v in vs] for n, vs in read.items()} == expected
