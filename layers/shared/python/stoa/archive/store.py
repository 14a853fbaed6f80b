"""The SQL of the archive's ledger: one row per partition, moved only from where one saw it."""

from stoa.archive.model import Ledger
from stoa.kernel.database import Connection

_AT = "topic = %(topic)s AND partition = %(partition)s AND (history, next_offset) = (%(history)s, %(next)s)"


def ledger(connection: Connection, topic: str, partition: int) -> Ledger:
    """Made when it does not exist yet."""
    place = {"topic": topic, "partition": partition}
    connection.execute(
        "INSERT INTO archive_ledger (topic, partition, next_offset) VALUES (%(topic)s, %(partition)s, 0)"
        " ON CONFLICT DO NOTHING",
        place,
    )
    row = connection.execute(
        "SELECT next_offset, object_name, history FROM archive_ledger"
        " WHERE topic = %(topic)s AND partition = %(partition)s",
        place,
    ).fetchone()
    assert row is not None  # noqa: S101  the INSERT above made it
    return Ledger(**row)


def announce(connection: Connection, topic: str, partition: int, seen: Ledger, name: str) -> None:
    """Says which object begins at the ledger's offset, unless somebody did or the ledger has moved."""
    connection.execute(
        f"UPDATE archive_ledger SET object_name = %(name)s WHERE {_AT} AND object_name IS NULL",
        {**_at(topic, partition, seen), "name": name},
    )


def advance(connection: Connection, topic: str, partition: int, seen: Ledger, next_offset: int) -> bool:
    """Moves on behind the object that was announced; False when somebody did."""
    moved = connection.execute(
        f"UPDATE archive_ledger SET next_offset = %(further)s, object_name = NULL, updated_at = now() WHERE {_AT}",
        {**_at(topic, partition, seen), "further": next_offset},
    )
    return moved.rowcount == 1


def _at(topic: str, partition: int, seen: Ledger) -> dict[str, object]:
    return {"topic": topic, "partition": partition, "history": seen.history, "next": seen.next_offset}
