"""One partition of a mapping: what waits, what is under way, what may be committed. No clock, no I/O.

Records leave in order and one batch at a time. A batch that failed comes back before anything newer.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from local.runtime.mapping import PAYLOAD_LIMIT, Mapping, Record


@dataclass(frozen=True)
class Batch:
    """Records of one partition that travel together; `failures` counts the invocations that failed."""

    records: tuple[Record, ...]
    failures: int = 0
    due: float = 0.0


@dataclass(frozen=True)
class Dropped:
    """A record that is given up, and why, in the words of Lambda's on-failure message."""

    record: Record
    condition: str
    attempts: int


class PartitionQueue:
    """`now` is a number of seconds that only grows; `now_ms` is epoch milliseconds, for the record age.

    `position` is what may be committed before the first record came.
    """

    def __init__(self, mapping: Mapping, scale: float = 1.0, position: int | None = None) -> None:
        self._mapping = mapping
        self._scale = scale
        self._fresh: deque[tuple[Record, float]] = deque()
        self._fresh_bytes = 0
        self._again: deque[Batch] = deque()
        self._position = position
        self.flying: Batch | None = None
        self.dropped: deque[Dropped] = deque()

    def __len__(self) -> int:
        return len(self._fresh) + sum(len(batch.records) for batch in self._again)

    def add(self, record: Record, now: float, *, wanted: bool = True) -> None:
        """Takes a fetched record; one that the filter does not want only moves the position."""
        self._position = record.offset + 1
        if wanted:
            self._fresh.append((record, now))
            self._fresh_bytes += record.payload_bytes

    def commit_position(self) -> int | None:
        """The offset up to which everything is done; None before the first record."""
        return min(self._unfinished(), default=self._position)

    def _unfinished(self) -> Iterator[int]:
        yield from (dropped.record.offset for dropped in self.dropped)
        batches = [*([self.flying] if self.flying else []), *self._again]
        yield from (batch.records[0].offset for batch in batches)
        if self._fresh:
            yield self._fresh[0][0].offset

    @property
    def idle(self) -> bool:
        """Nothing under way and nothing that waits to be delivered to the on-failure target."""
        return self.flying is None and not self.dropped

    def retry_due(self) -> float | None:
        """When a failed batch comes again; None when no batch waits for that."""
        return self._again[0].due if self.idle and self._again else None

    def fresh_since(self) -> float | None:
        """When the oldest record came that may travel now; None when there is none."""
        return self._fresh[0][1] if self.idle and not self._again and self._fresh else None

    def fresh_size(self) -> tuple[int, int]:
        """Number and payload bytes of the fresh records that may travel now."""
        return (0, 0) if self.fresh_since() is None else (len(self._fresh), self._fresh_bytes)

    def take_again(self, now_ms: float) -> tuple[Record, ...]:
        """The failed batch, now under way; empty when all of it was too old."""
        batch = self._again.popleft()
        kept = self._young(batch.records, now_ms, batch.failures)
        if kept:
            self.flying = Batch(kept, batch.failures)
        return kept

    def take_fresh(self, room: int, room_bytes: int, now_ms: float) -> tuple[Record, ...]:
        """The oldest fresh records that fit, now under way; at least one if `room_bytes` is a whole payload."""
        taken: list[Record] = []
        while self._fresh and len(taken) < room:
            size = self._fresh[0][0].payload_bytes
            if size > room_bytes and (taken or room_bytes < PAYLOAD_LIMIT):
                break
            room_bytes -= size
            self._fresh_bytes -= size
            taken.extend(self._young([self._fresh.popleft()[0]], now_ms, 0))
        if taken:
            self.flying = Batch(tuple(taken))
        return tuple(taken)

    def _young(self, records: Iterable[Record], now_ms: float, attempts: int) -> tuple[Record, ...]:
        age_s = self._mapping.record_age_s
        if age_s is None:
            return tuple(records)
        oldest = now_ms - age_s * 1000 / self._scale
        kept = []
        for record in records:
            if record.timestamp < oldest:
                self.dropped.append(Dropped(record, "MaximumRecordAgeExceeded", attempts))
            else:
                kept.append(record)
        return tuple(kept)

    def succeed(self) -> None:
        """The batch under way is done."""
        self.flying = None

    def fail(self, offsets: frozenset[int] | None, now: float, *, shared: bool = False) -> None:
        """The batch under way failed: only these offsets, or (None) as a whole.

        `shared`: its payload carried records of other partitions too, which may be to blame.
        """
        batch, self.flying = self._under_way(), None
        if offsets is not None:
            rest = tuple(record for record in batch.records if self._comes_again(record.offset, offsets))
            self._retry([rest], batch.failures + 1, now)
        elif self._mapping.bisect and (shared or len(batch.records) > 1):
            # splitting does not count against the retries (AWS, event source mappings for streams)
            middle = len(batch.records) if shared else len(batch.records) // 2
            halves = [batch.records[:middle], batch.records[middle:]]
            self._retry([half for half in halves if half], batch.failures, now)
        else:
            self._retry([batch.records], batch.failures + 1, now)

    def _under_way(self) -> Batch:
        if self.flying is None:
            raise ValueError("no batch is under way")
        return self.flying

    def _comes_again(self, offset: int, reported: frozenset[int]) -> bool:
        return offset in reported if self._mapping.resume == "reported" else offset >= min(reported)

    def _retry(self, parts: list[tuple[Record, ...]], failures: int, now: float) -> None:
        limit = self._mapping.effective_retries
        if 0 <= limit < failures:
            given_up = [record for part in parts for record in part]
            self.dropped.extend(Dropped(record, "RetryAttemptsExhausted", failures) for record in given_up)
            return
        due = now + self._backoff(failures)
        self._again.extendleft(Batch(part, failures, due) for part in reversed(parts))

    def _backoff(self, failures: int) -> float:
        first, longest = self._mapping.backoff_s
        return float(min(longest, first * 2 ** min(max(failures - 1, 0), 30)) / self._scale)
