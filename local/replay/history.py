"""The whole history of a topic: what the archive holds and, from Kafka, what it does not hold yet."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from cdk.wiring import TOPICS
from local.topics import NoSuchTopic
from stoa.archive import model
from stoa.archive.model import Line
from stoa.archive.queries import Archived

PATIENCE_S = 15.0
# of an event that is there twice compaction takes the first, and its offset is a hole where nothing is lost
COMPACTED = frozenset(topic.name for topic in TOPICS if "compact" in topic.cleanup)
Ends = Mapping[tuple[str, int], int]


@dataclass
class Span:
    """Which offsets of a partition were read: a few ranges [first, behind the last), in order."""

    ranges: list[tuple[int, int]] = field(default_factory=list)

    def add(self, first: int, behind: int) -> None:
        found: list[tuple[int, int]] = []
        for one in sorted([*self.ranges, (first, behind)]):
            if found and one[0] <= found[-1][1]:
                found[-1] = (found[-1][0], max(found[-1][1], one[1]))
            else:
                found.append(one)
        self.ranges = found

    def missing(self, end: int) -> list[tuple[int, int]]:
        borders = [0, *(border for one in self.ranges for border in one), end]
        pairs = zip(borders[::2], borders[1::2], strict=True)
        return [(first, min(behind, end)) for first, behind in pairs if first < min(behind, end)]

    def between(self) -> int:
        """How many offsets are missing between the first that was read and the last."""
        return sum(after[0] - before[1] for before, after in pairwise(self.ranges))


@dataclass
class History:
    """`ends` says up to where, by topic and partition; `lost` counts offsets below it that nobody has any more.

    Where the offsets of a partition began again, what was before is in the archive alone: all of it, up to nobody knows
    where, so that of it only what is missing in between is lost.
    """

    archived: Archived
    consumer: KafkaConsumer
    ends: Ends
    lost: int = 0

    def blocks(self, topic: str) -> Iterator[Sequence[Line]]:
        """Lines of one partition at a time; over all, in no certain order. Raises KafkaError, Transient."""
        spans = {partition: Span() for name, partition in self.ends if name == topic}
        older: defaultdict[tuple[int, int], Span] = defaultdict(Span)
        newest = self.archived.newest(topic)
        for history, lines in self.archived.by_history(topic):
            partition, first, last = lines[0]["partition"], lines[0]["offset"], lines[-1]["offset"]
            goes_on = history >= newest.get(partition, 0)  # a higher one began while this reads
            end = self.ends.get((topic, partition), 0) if goes_on else last + 1
            if first < end:
                (spans[partition] if goes_on else older[partition, history]).add(first, last + 1)
                self._miss(topic, last + 1 - first - len(lines))
                yield lines if last < end else [line for line in lines if line["offset"] < end]
        self._miss(topic, sum(span.between() for span in older.values()))
        for partition, span in spans.items():
            for first, behind in span.missing(self.ends[topic, partition]):
                yield from self._from_kafka(TopicPartition(topic, partition), first, behind)

    def _miss(self, topic: str, count: int) -> None:
        if topic not in COMPACTED:
            self.lost += count

    def _from_kafka(self, at: TopicPartition, first: int, behind: int) -> Iterator[Sequence[Line]]:
        start = max(first, self.consumer.beginning_offsets([at])[at])
        self.lost += min(start, behind) - first
        if start >= behind:
            return
        self._miss(at.topic, behind - start)
        self.consumer.assign([at])
        self.consumer.seek(at, start)
        until = time.monotonic() + PATIENCE_S
        while self.consumer.position(at) < behind:
            for records in self.consumer.poll(timeout_ms=500).values():
                lines = [_line(record) for record in records if record.offset < behind]
                self._miss(at.topic, -len(lines))
                until = time.monotonic() + PATIENCE_S
                if lines:
                    yield lines
            if time.monotonic() > until:
                raise KafkaTimeoutError(f"{at.topic}/{at.partition} was not read in time")


def ends_of(consumer: KafkaConsumer, topics: Iterable[str]) -> dict[tuple[str, int], int]:
    """The offsets that come next, of every partition. Raises KafkaError, and NoSuchTopic where history cannot be."""
    numbers = {topic: sorted(consumer.partitions_for_topic(topic) or ()) for topic in topics}
    if missing := [topic for topic, found in numbers.items() if not found]:
        raise NoSuchTopic(missing[0])
    places = [TopicPartition(topic, number) for topic, found in numbers.items() for number in found]
    return {(at.topic, at.partition): end for at, end in consumer.end_offsets(places).items()}


def _line(record: Any) -> Line:
    place = (record.topic, record.partition, record.offset)
    return model.line(place, record.timestamp, record.key, record.value, record.headers)
