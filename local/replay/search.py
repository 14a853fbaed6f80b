"""The search index made anew: what it held is deleted, and every record is indexed as if it came first now.

The records come from the archive, and from Kafka what it does not hold yet. All of them are read once before anything
is deleted: what cannot be read, or is nowhere any more, would be in no index afterwards.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

from cdk.wiring import EVENTS
from local.replay.history import History, ends_of
from local.replay.run import Progress, Sources
from local.topics import reader
from stoa.adapters.opensearch import OpenSearch
from stoa.archive.model import as_record
from stoa.kernel.envelope import position
from stoa.search.flows import Search
from stoa.search.templates import PATTERNS

BATCH = 200

Record = Mapping[str, Any]


class Lossy(Exception):
    """That many records are in neither the archive nor Kafka; the index is as it was."""

    def __init__(self, lost: int) -> None:
        super().__init__(f"{lost} records are in neither the archive nor Kafka")


class NotWhole(Exception):
    """It ended, by its cause, after the deletion had begun. It can be started again."""


@dataclass
class Reindexed:
    """`refused` says of each record that is in the log and not in the index where it stands, and why; `lost` counts
    those that neither the archive nor Kafka has any more."""

    deleted_indices: int
    records: int
    refused: list[str]
    lost: int = 0


def reindex(records: Iterable[Record], opensearch: OpenSearch, progress: Callable[[int], None]) -> Reindexed:
    """Takes records as Lambda hands them out, in any order and as often as they come; `progress` gets their number so
    far. Raises Transient before it has deleted anything, and NotWhole for whatever ends it after that.

    What the records leave out is in the index no more: they must reach to the end of the topics. The function may go
    on meanwhile, what both write is written once.
    """
    indices = opensearch.indices(PATTERNS)
    done, search = Reindexed(len(indices), 0, []), Search(opensearch)
    try:
        for name in indices:
            opensearch.delete_index(name)
        for batch in _batches(records):
            for record, error in search.index(batch):
                at = position(record)
                done.refused.append(f"{at.topic}/{at.partition}/{at.offset}: {error.code}: {error.where()}")
            done.records += len(batch)
            progress(done.records)
    except BaseException as error:  # Ctrl-C as well: whoever pressed it must know
        raise NotWhole(str(error) or type(error).__name__) from error
    return done


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    rest = iter(records)
    while batch := list(islice(rest, BATCH)):
        yield batch


def replay_search(sources: Sources, opensearch: OpenSearch, progress: Progress, *, force: bool = False) -> Reindexed:
    """Raises Transient, KafkaError, NoSuchTopic, and Lossy unless `force`, all with the index as it was; and
    NotWhole."""
    with closing(reader(sources.bootstrap)) as consumer:
        ends, read = ends_of(consumer, EVENTS), 0
        total = 2 * sum(ends.values())
        history = History(sources.archived, consumer, ends)
        for batch in _batches(_records(history)):
            read += len(batch)
            progress(read, total)
        if history.lost and not force:
            raise Lossy(history.lost)
        again = History(sources.archived, consumer, ends)
        done = reindex(_records(again), opensearch, lambda records: progress(read + records, total))
        done.lost = again.lost
        return done


def _records(history: History) -> Iterator[Record]:
    for topic in EVENTS:
        for block in history.blocks(topic):
            yield from map(as_record, block)
