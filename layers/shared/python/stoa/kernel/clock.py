"""Time enters here. Everything else gets it as an argument."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with `Z` and milliseconds. Raises ValueError on a naive value."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sleep(seconds: float) -> None:
    time.sleep(seconds)
