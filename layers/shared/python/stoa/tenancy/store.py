"""The SQL of sessions that have ended."""

from collections.abc import Collection
from datetime import datetime, timedelta

from stoa.kernel.database import Connection, Database


def end(connection: Connection, subject: str, at: datetime, keep: timedelta) -> None:
    """Of two ends the later one counts. What nobody needs any more goes with it."""
    connection.execute(
        "INSERT INTO ended_sessions AS known (subject, ended_at, kept_until) VALUES (%s, %s, %s)"
        " ON CONFLICT (subject) DO UPDATE SET ended_at = greatest(known.ended_at, excluded.ended_at),"
        " kept_until = greatest(known.kept_until, excluded.kept_until)",
        (subject, at, at + keep),
    )
    connection.execute("DELETE FROM ended_sessions WHERE kept_until < %s", (at,))


def is_ended(database: Database, subjects: Collection[str], made: datetime) -> bool:
    """Whether one of them ended at or after the time at which a token was made. Raises Transient."""
    text = "SELECT 1 FROM ended_sessions WHERE subject = ANY(%s) AND ended_at >= %s LIMIT 1"
    return bool(database.statement(text, (list(subjects), made)))
