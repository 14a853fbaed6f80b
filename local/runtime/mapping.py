"""The settings of one Kafka event source mapping, and the record that goes through it."""

from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

HIDDEN_RETRIES = 10
PAYLOAD_LIMIT = 6 * 1024 * 1024
Partition = tuple[str, int]


@dataclass(frozen=True)
class Mapping:
    """One event source mapping; durations in seconds before scaling.

    `retries` and `record_age_s`: -1 and None mean for ever. `on_failure` is a topic of the same cluster.
    `resume` chooses the reading of a partial answer: only the reported records come again, or all from the
    lowest reported offset. `start` may also be a time in epoch milliseconds. `concurrency` is how many
    invocations one member runs at once, never more than one per partition.
    """

    function: str
    topic: str
    group: str
    batch_size: int = 10
    window_s: float = 0.0
    retries: int = -1
    record_age_s: float | None = None
    bisect: bool = False
    on_failure: str | None = None
    partial_batch: bool = True
    resume: Literal["reported", "lowest"] = "reported"
    start: Literal["TRIM_HORIZON", "LATEST"] | int = "TRIM_HORIZON"
    backoff_s: tuple[float, float] = (0.2, 5.0)
    filters: tuple[ReadOnly[str, Any], ...] = ()
    concurrency: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= 10_000:
            raise ValueError("batch_size is 1 to 10,000")
        if self.on_failure == self.topic:
            raise ValueError("a topic cannot be its own on-failure target")

    @property
    def effective_retries(self) -> int:
        """Unlimited retries and a target silently become ten, as in Lambda."""
        return HIDDEN_RETRIES if self.retries < 0 and self.on_failure else self.retries


@dataclass(frozen=True)
class Record:
    """A Kafka record. `timestamp` in epoch milliseconds; no key or no value (a tombstone) is None."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_type: int = 0

    @cached_property
    def payload_bytes(self) -> int:
        """About what it takes in the payload: base64, byte arrays, and the names around them."""
        data = len(self.key or b"") + len(self.value or b"")
        headers = sum(len(name) + 5 * len(value or b"") for name, value in self.headers)
        return data * 4 // 3 + headers + len(self.topic) + 200
