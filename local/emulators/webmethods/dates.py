"""Dates as the gateway writes them: `2018-09-03 11:56:21 GMT`."""

from datetime import UTC, datetime

FORMAT = "%Y-%m-%d %H:%M:%S GMT"


def now() -> datetime:
    return datetime.now(UTC)


def text(moment: datetime | None = None) -> str:
    return (moment or now()).strftime(FORMAT)
