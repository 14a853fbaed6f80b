"""What stands around the pipeline: the search index killed and filled again; what archive, search, people and
Argo CD have.

An archive object is gzip or plain text, one JSON object per record, which names topic, partition and offset; objects
are in the order of their keys. A document of the index is named by its event's id, a mail by the header below.
"""

import gzip
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import requests
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from psycopg.rows import dict_row

from cdk.wiring import EVENTS
from local.chaos.evidence import Memory, Notice, People, Rollouts
from local.memories import ARCHIVE, forget, s3_of
from local.parts.process import DiedEarly
from local.stack import Stack
from local.topics import records

SEARCH = "events_to_search"
INDEXES = "stoa-events-*,audit-*"
MOST = 10_000
FORGET_S = 60.0
MAIL_HEADER = "X-Stoa-Event-Id"
EVENT_OBJECTS = "events/"  # beside them lie checkpoints of the audit log
GZIP = b"\x1f\x8b"


@contextmanager
def opensearch_killed(stack: Stack, _: random.Random) -> Iterator[str]:
    """Its documents are gone with it: whoever runs it reads the log again from the first record, and so do we."""
    if stack.platform is None:
        raise RuntimeError("the platform was not started")
    stack.emulators["opensearch"].kill()
    yield ""
    try:
        stack.start_emulator("opensearch")
    except DiedEarly:
        stack.start_emulator("opensearch")
    stack.platform.kill(SEARCH)
    _forget(stack.kafka.bootstrap)
    stack.platform.restart(SEARCH)


def _forget(bootstrap: str) -> None:
    """Kafka itself may be away just now."""
    deadline = time.monotonic() + FORGET_S
    while True:
        try:
            return forget(bootstrap, (SEARCH,))
        except (KafkaError, DiedEarly):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def memory(stack: Stack) -> Memory:
    """Raises requests.RequestException, or ValueError for what is not in the shape that is written above."""
    return Memory(
        ends=_ends(stack.kafka.bootstrap),
        archived=_archived(stack),
        events=frozenset(_event_ids(stack.kafka.bootstrap)),
        found=tuple(_found(stack.url("opensearch"))),
    )


def _ends(bootstrap: str) -> dict[tuple[str, int], tuple[int, int]]:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    try:
        partitions = [TopicPartition(t, n) for t in EVENTS for n in sorted(consumer.partitions_for_topic(t) or ())]
        firsts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        return {(at.topic, at.partition): (firsts[at], ends[at]) for at in partitions}
    finally:
        consumer.close()


def _event_ids(bootstrap: str) -> Iterator[str]:
    for topic in EVENTS:
        for record in records(bootstrap, topic):
            yield dict(record.headers)["ce_id"].decode()


def _archived(stack: Stack) -> dict[tuple[str, int], tuple[int, ...]]:
    s3 = s3_of(stack.environment())
    found: dict[tuple[str, int], list[int]] = defaultdict(list)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=ARCHIVE, Prefix=EVENT_OBJECTS):
        for entry in page.get("Contents", ()):
            for record in _records(s3.get_object(Bucket=ARCHIVE, Key=entry["Key"])["Body"].read()):
                found[record["topic"], record["partition"]].append(record["offset"])
    return {at: tuple(offsets) for at, offsets in found.items()}


def _records(body: bytes) -> Iterator[dict[str, Any]]:
    text = gzip.decompress(body) if body.startswith(GZIP) else body
    for line in text.splitlines():
        record = json.loads(line)
        if not {"topic", "partition", "offset"} <= record.keys():
            raise ValueError(f"an archived record names {', '.join(record)}, and not topic, partition and offset")
        yield record


def _found(url: str) -> Iterator[str]:
    requests.post(f"{url}/{INDEXES}/_refresh", timeout=30).raise_for_status()
    asked = {"size": MOST, "query": {"match_all": {}}, "_source": False, "track_total_hits": True}
    answer = requests.post(f"{url}/{INDEXES}/_search", json=asked, timeout=60)
    answer.raise_for_status()
    hits = answer.json()["hits"]
    if hits["total"]["value"] > MOST:
        raise ValueError(f"the index holds {hits['total']['value']} documents, and {MOST} can be read at once")
    yield from (hit["_id"] for hit in hits["hits"])


def people(stack: Stack) -> People:
    """Raises requests.RequestException."""
    with psycopg.connect(stack.postgres.url, row_factory=dict_row) as connection:
        connection.read_only = True
        channels = connection.execute("SELECT name, kind, messages FROM notification_channels").fetchall()
        rows = connection.execute("SELECT event_id, state, tries FROM notifications").fetchall()
    by_mail = {channel["name"] for channel in channels if channel["kind"] == "email"}
    wanted = {c["name"]: frozenset(kind.removeprefix("deploy_") for kind in c["messages"]) for c in channels}
    known = {row["event_id"]: (row["state"], row["tries"]) for row in rows}
    mails = Counter(_mails(stack.url("people")))
    notices = {}
    for record in records(stack.kafka.bootstrap, "notifications"):
        event_id, said = dict(record.headers)["ce_id"].decode(), json.loads(record.value)
        channel = said["recipients"][0]
        came = mails[event_id] if channel in by_mail else None
        notices[event_id] = Notice(event_id, said["caused_by"], channel, *known.get(event_id, ("", 0)), came)
    return People(wanted, tuple(notices.values()))


def rollouts(stack: Stack) -> Rollouts:
    newest: dict[str, int] = defaultdict(int)
    for topic in ("api-created", "api-updated", "api-deleted"):
        for record in records(stack.kafka.bootstrap, topic):
            said = json.loads(record.value)
            newest[said["api_id"]] = max(newest[said["api_id"]], said["generation"])
    with psycopg.connect(stack.postgres.url) as connection:
        connection.read_only = True
        rows = connection.execute("SELECT api, generation, state FROM rollouts").fetchall()
    return Rollouts(dict(newest), {api: (generation, state) for api, generation, state in rows})


def _mails(url: str) -> Iterator[str]:
    """The event of each mail; a digest has one that no topic knows."""
    answer = requests.get(f"{url}/_emulator/messages", params={"kind": "mail"}, timeout=30)
    answer.raise_for_status()
    for mail in answer.json()["messages"]:
        yield dict(mail["headers"])[MAIL_HEADER]
