"""Times as AWX writes them."""

from datetime import UTC, datetime


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds_since(moment: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()


def offset_form(moment: str | None) -> str | None:
    """With +00:00 for Z, as the body of a notification has it."""
    return moment.replace("Z", "+00:00") if moment else None
