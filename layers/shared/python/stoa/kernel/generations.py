"""Counts of what events are about. A number is never used twice, not even after a deletion."""

from stoa.kernel.database import Connection


def following(connection: Connection, subject: str) -> int:
    """Counts the subject up; its row stays locked until the transaction ends."""
    row = connection.execute(
        "INSERT INTO generations (subject, generation) VALUES (%s, 1)"
        " ON CONFLICT (subject) DO UPDATE SET generation = generations.generation + 1 RETURNING generation",
        (subject,),
    ).fetchone()
    return int(row["generation"]) if row else 1
