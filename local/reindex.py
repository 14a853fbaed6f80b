"""The index made anew from the log: what it held is deleted, and every record is indexed as if it came first now."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from stoa.adapters.opensearch import OpenSearch
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
