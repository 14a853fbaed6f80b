"""The search index made anew: what it held is deleted, and every record is indexed as if it came first now.

The records come from the archive, and from Kafka what it does not hold yet.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

from kafka import KafkaConsumer

from cdk.wiring import EVENTS
from local.replay.history import History, ends_of
from local.replay.run import Progress, Sources
from stoa.adapters.opensearch import OpenSearch
from stoa.archive.model import as_record
from stoa.kernel.envelope import position
from stoa.search.flows import Search
from stoa.search.templates import PATTERNS

BATCH = 200

Record = Mapping[str, Any]


@dataclass
class Reindexed:
    """`refused` says of each record that is in the log and not in the index where it stands, and why."""

    deleted_indices: int
    records: int
    refused: list[str]


def reindex(records: Iterable[Record], opensearch: OpenSearch, progress: Callable[[int], None]) -> Reindexed:
    """Takes records as Lambda hands them out, in any order and as often as they come; `progress` gets their number so
    far. Raises Transient; it can then be started again.

    What the records leave out is in the index no more: they must reach to the end of the topics. The function may go
    on meanwhile, what both write is written once.
    """
    indices = opensearch.indices(PATTERNS)
    for name in indices:
        opensearch.delete_index(name)
    done, search = Reindexed(len(indices), 0, []), Search(opensearch)
    for batch in _batches(records):
        for record, error in search.index(batch):
            at = position(record)
            done.refused.append(f"{at.topic}/{at.partition}/{at.offset}: {error.code}: {error.where()}")
        done.records += len(batch)
        progress(done.records)
    return done


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    rest = iter(records)
    while batch := list(islice(rest, BATCH)):
        yield batch


def replay_search(sources: Sources, opensearch: OpenSearch, progress: Progress) -> Reindexed:
    """Raises Transient and KafkaError; then it can be started again."""
    with closing(KafkaConsumer(bootstrap_servers=sources.bootstrap, enable_auto_commit=False)) as consumer:
        history = History(sources.archived, consumer, ends_of(consumer, EVENTS))
        total = sum(history.ends.values())
        return reindex(_records(history), opensearch, lambda done: progress(done, total))


def _records(history: History) -> Iterator[Record]:
    for topic in EVENTS:
        for block in history.blocks(topic):
            yield from map(as_record, block)
