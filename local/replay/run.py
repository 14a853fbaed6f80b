"""One replay: the history into a fresh schema, and its hashes beside those of the live tables."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import psycopg

from local.replay.hashes import Hash, hashed
from local.replay.history import History
from local.replay.live import moment
from local.replay.rebuild import Count, Rebuild
from local.replay.schema import fresh_schema
from local.topics import reader
from stoa.archive.model import Line
from stoa.archive.queries import Archived
from stoa.kernel.clock import iso
from stoa.kernel.settings import Secret
from stoa.kernel.tables import Projection

OPTIONS = "-c timezone=UTC -c synchronous_commit=off"
CONNECT_S = 5

# told how many records were read of how many there are
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Sources:
    """Where everything is. The database's user may make schemas there, and enter the role that reads every tenant."""

    database_url: Secret
    bootstrap: str
    archived: Archived


@dataclass(frozen=True)
class Wanted:
    """What to rebuild; up to `as_of`, and then compared with `expected` by table instead of with the live tables.

    `patience_s` is how long to wait for what is under way between tables and topics.
    """

    projections: Sequence[Projection]
    as_of: datetime | None = None
    expected: Mapping[str, Hash] | None = None
    keep: bool = False
    patience_s: float = 30.0


@dataclass(frozen=True)
class Compared:
    """`expected` is None where there is nothing to compare with."""

    table: str
    rebuilt: Hash
    expected: Hash | None

    @property
    def equal(self) -> bool | None:
        return None if self.expected is None else self.rebuilt == self.expected


@dataclass(frozen=True)
class Outcome:
    """`events` counts distinct ids; `lost` offsets that neither the archive nor Kafka has any more."""

    projections: tuple[Compared, ...]
    count: Count
    events: int
    lost: int
    schema: str

    @property
    def equal(self) -> bool:
        return all(one.equal is not False for one in self.projections)

    def as_json(self) -> dict[str, Any]:
        said = [{**asdict(one), "equal": one.equal} for one in self.projections]
        counts = {**asdict(self.count), "events": self.events, "lost": self.lost}
        return {"projections": said, **counts, "schema": self.schema}


def replay(sources: Sources, wanted: Wanted, progress: Progress) -> Outcome:
    """Raises Unsettled, NoSuchTopic, Transient, KafkaError and psycopg.Error."""
    with ExitStack() as stack:
        url = sources.database_url.reveal()
        connection = stack.enter_context(
            psycopg.connect(url, autocommit=True, options=OPTIONS, connect_timeout=CONNECT_S)
        )
        consumer = reader(sources.bootstrap)
        stack.enter_context(closing(consumer))
        compare = wanted.as_of is None
        at = moment(connection, sources.bootstrap, wanted.projections, compare=compare, patience_s=wanted.patience_s)
        schema = stack.enter_context(fresh_schema(connection, wanted.projections, keep=wanted.keep))
        history = History(sources.archived, consumer, at.ends)
        rebuild = Rebuild(connection, schema, wanted.projections, iso(wanted.as_of) if wanted.as_of else None)
        total = sum(at.ends.values())
        for topic in rebuild.topics:
            rebuild.fold(topic, _told(history.blocks(topic), rebuild.count, total, progress))
        beside = at.hashes if compare else wanted.expected or {}
        found = [Compared(p.table, hashed(connection, schema, p), beside.get(p.table)) for p in wanted.projections]
        return Outcome(tuple(found), rebuild.count, rebuild.events(), history.lost, schema)


def _told(
    blocks: Iterable[Sequence[Line]], count: Count, total: int, progress: Progress
) -> Iterator[Sequence[Line]]:  # fmt: skip
    for block in blocks:
        yield block
        progress(count.records, total)
