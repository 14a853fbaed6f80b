"""Time enters here. Everything else gets it as an argument."""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

# how long the function may still run
RemainingMs = Callable[[], int]
T = TypeVar("T")


def now() -> datetime:
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with `Z` and milliseconds. Raises ValueError on a naive value."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def no_end() -> int:
    """The RemainingMs of who is no function."""
    return 86_400_000


def in_time(wanted: Iterable[T], remaining_ms: RemainingMs, reserve_ms: int) -> Iterator[T]:
    """Those that can be begun with `reserve_ms` left, which is what one of them may take: a function that its timeout
    ends is in the middle of a call. The others have the next tick."""
    for one in wanted:
        if remaining_ms() < reserve_ms:
            return
        yield one
