"""The search index made anew: every record of every topic, from the archive and what it does not hold yet."""

from collections.abc import Iterator
from contextlib import closing

from kafka import KafkaConsumer

from cdk.wiring import EVENTS
from local.reindex import Record, Reindexed, reindex
from local.replay.history import History, ends_of
from local.replay.run import Progress, Sources
from stoa.adapters.opensearch import OpenSearch
from stoa.archive.model import as_record


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
