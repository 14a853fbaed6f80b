"""What one invocation finds out about its records while it goes through them. No I/O."""

import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stoa.kernel.errors import Transient

# for flows that call nothing but the database, which a killed process leaves as it was
RESERVE_MS = 5_000
SYSTEM_IS_DOWN_AFTER = 2

Record = Mapping[str, Any]
Lane = tuple[str, int, str]  # topic, partition, key: what is kept in order


@dataclass
class Batch:
    """What one invocation learned: which keys wait, which systems do not answer.

    When a system failed several keys, one key more is tried, a different one each time: if that one goes on, the
    others were at fault and not the system. With less than `reserve_ms` left, nothing is begun: it could be killed in
    the middle of a call.
    """

    remaining_ms: Callable[[], int]
    ahead: list[Lane] = field(default_factory=list)
    failed: list[Record] = field(default_factory=list)
    blocked: set[Lane] = field(default_factory=set)
    down: Counter[str] = field(default_factory=Counter)
    probe: Lane | None = None
    reserve_ms: int = RESERVE_MS
    rest_s: float = 0.0  # what a system that fails everybody asked for

    @property
    def out_of_time(self) -> bool:
        return self.remaining_ms() < self.reserve_ms

    @property
    def no_use(self) -> bool:
        return any(times >= SYSTEM_IS_DOWN_AFTER for times in self.down.values())

    def must_wait(self, lane: Lane) -> bool:
        return lane in self.blocked or self.out_of_time or (self.no_use and lane != self.probe)

    def waits(self, lane: Lane, record: Record) -> None:
        self.blocked.add(lane)
        self.failed.append(record)

    def met(self, error: Transient) -> None:
        self.down[error.system] += 1
        if self.no_use:
            self.rest_s = max(self.rest_s, error.retry_after_s or 0.0)
        if self.no_use and self.probe is None:
            untried = sorted(set(self.ahead) - self.blocked)
            self.probe = secrets.choice(untried) if untried else None

    def went_on(self, lane: Lane) -> None:
        if lane == self.probe:
            self.down.clear()
            self.probe = None


def lane_of(record: Record) -> Lane:
    return record["topic"], record["partition"], str(record.get("key") or "")
