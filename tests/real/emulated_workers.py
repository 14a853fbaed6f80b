"""Invocations of the deployed workers, as their mappings and schedules would make them.

The emulator does not poll Kafka, so the events are made here, one mapping's at a time, in the shape of local/runtime/
payload.py. What a worker calls is away, but for the database, S3 and Secrets Manager.
"""

import base64
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from cdk.wiring import FUNCTIONS, Function, Source
from local.runtime.mapping import Record
from local.runtime.payload import encoded, event

# keys and offsets of the two records of an invocation
BEHIND, UNREADABLE = (b"behind", 7), (b"unreadable", 8)
SCHEDULED = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
AT_ONCE = 4  # most of them wait for somebody who is away


def record(topic: str, key: bytes, offset: int) -> Record:
    return Record(topic, 0, offset, 1_700_000_000_000, key, b"no JSON", (("ce_id", b"one"),))


def park_one(database: str) -> None:
    """For each group of the functions that go on record by record: what comes with the same key goes behind it."""
    with psycopg.connect(database) as connection:
        for function in FUNCTIONS:
            for source in (one for one in function.sources if one.partial_batch):
                parked = encoded(record(source.topic, BEHIND[0], 1))
                connection.execute(
                    "INSERT INTO parked (consumer, key, topic, partition, record_offset, record)"
                    " VALUES (%s, %s, %s, 0, 1, %s)",
                    (f"{function.name}.{source.topic}", parked["key"], source.topic, Jsonb(parked)),
                )


def parked_behind(database: str) -> list[str]:
    """The groups whose function set the record with that key aside, in the database."""
    with psycopg.connect(database) as connection:
        key = base64.b64encode(BEHIND[0]).decode()
        found = connection.execute(
            "SELECT consumer FROM parked WHERE record_offset = %s AND key = %s ORDER BY 1", (BEHIND[1], key)
        )
        return [str(row[0]) for row in found]


def answers(functions: Any, names: Mapping[str, str]) -> dict[str, Any]:
    """By function, what it says to a batch and to its tick. `functions` is a client of Lambda, `names` are those that
    the stacks gave them."""

    def invoked(function: Function, sent: dict[str, Any]) -> dict[str, Any]:
        answer = functions.invoke(FunctionName=names[function.name], Payload=json.dumps(sent))
        return {"failed": answer.get("FunctionError"), "said": json.loads(answer["Payload"].read())}

    def asked(function: Function) -> dict[str, Any]:
        # one after the other: for two at once the emulator would unpack and start it twice
        found = {}
        for source in function.sources[-1:]:  # its mappings differ in their topics only
            found["batch"] = invoked(function, batch(source))
        if function.ticks:
            found["tick"] = invoked(function, SCHEDULED)
        return found

    workers = [function for function in FUNCTIONS if not function.http]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip((one.name for one in workers), pool.map(asked, workers), strict=True))


def batch(source: Source) -> dict[str, Any]:
    return event([record(source.topic, *one) for one in (BEHIND, UNREADABLE)], "b-0.kafka.stoa.internal:9094")
