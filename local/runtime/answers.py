"""What an answer of the function says about each record of the batch.

The rules are those of "Configuring error handling controls for Kafka event sources" in the AWS Lambda guide.
"""

from collections.abc import Iterable
from typing import Any

from local.runtime.mapping import Record

Identifier = tuple[str, int]


def identifier(record: Record) -> Identifier:
    """How a function names a record in `batchItemFailures`."""
    return f"{record.topic}-{record.partition}", record.offset


def reported(answer: object, records: Iterable[Record]) -> frozenset[Identifier] | None:
    """The records that the function wants again; None when the whole batch has failed.

    Null, `{}` and an absent, null or empty list mean success. Anything that cannot be read, and an
    identifier of a record that was not sent, fails the whole batch.
    """
    if not answer:
        return frozenset()
    failures = answer.get("batchItemFailures") if isinstance(answer, dict) else answer
    if failures is None:
        return frozenset()
    if not isinstance(failures, list):
        return None
    named = {_named(item) for item in failures}
    sent = {identifier(record) for record in records}
    known = frozenset(name for name in named if name in sent)
    return known if len(known) == len(named) else None


def _named(item: Any) -> Identifier | None:
    name = item.get("itemIdentifier") if isinstance(item, dict) else None
    if not isinstance(name, dict):
        return None
    partition, offset = name.get("partition"), name.get("offset")
    if not isinstance(partition, str) or not isinstance(offset, int) or isinstance(offset, bool):
        return None
    return partition, offset
