"""The SQL of the chain: links are added as the archive keeps their records, and never changed."""

from collections.abc import Collection, Iterable
from datetime import datetime

from stoa.audit.model import Link, Place, State
from stoa.kernel.database import Connection, Row

_OF = "partition = %(partition)s AND history = %(history)s"


def known(connection: Connection, place: Place, contents: Collection[bytes]) -> set[bytes]:
    """Which of them the chain has already."""
    rows = connection.execute(
        f"SELECT DISTINCT content FROM audit_links WHERE {_OF} AND content = ANY(%(contents)s)",
        {**_of(place), "contents": list(contents)},
    )
    return {bytes(row["content"]) for row in rows}


def add(connection: Connection, place: Place, start: State, links: Iterable[Link]) -> None:
    """`start` is where the chain begins when it does not exist yet."""
    rows = [
        {**_of(place), "offset": link.offset, "digest": link.digest, "content": link.content, "again": link.repeated}
        for link in links
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO audit_links (partition, history, record_offset, digest, content, repeated)"
            " VALUES (%(partition)s, %(history)s, %(offset)s, %(digest)s, %(content)s, %(again)s)",
            rows,
        )
    connection.execute(
        "INSERT INTO audit_chains AS known (partition, history, first_offset, kept_offset, signed_offset, head)"
        " VALUES (%(partition)s, %(history)s, %(before)s + 1, %(kept)s, %(before)s, %(head)s)"
        " ON CONFLICT (partition, history) DO UPDATE SET kept_offset = EXCLUDED.kept_offset",
        {**_of(place), "before": start.offset, "kept": rows[-1]["offset"], "head": start.head},
    )


def unsigned_places(connection: Connection) -> list[Place]:
    rows = connection.execute(
        "SELECT partition, history FROM audit_chains WHERE kept_offset > signed_offset ORDER BY partition, history"
    )
    return [Place(row["partition"], row["history"]) for row in rows]


def signed(connection: Connection) -> dict[Place, tuple[int, State]]:
    """The first offset of every chain, and its state at its last checkpoint."""
    rows = connection.execute("SELECT partition, history, first_offset, signed_offset, records, head FROM audit_chains")
    return {Place(row["partition"], row["history"]): (row["first_offset"], _state(row)) for row in rows}


def links_after(connection: Connection, place: Place, offset: int, limit: int) -> list[Link]:
    rows = connection.execute(
        f"SELECT record_offset, digest, content, repeated FROM audit_links WHERE {_OF} AND record_offset > %(after)s"
        " ORDER BY record_offset LIMIT %(limit)s",
        {**_of(place), "after": offset, "limit": limit},
    )
    return [Link(row["record_offset"], bytes(row["digest"]), None, row["repeated"]) for row in rows]


def sign(connection: Connection, place: Place, seen: State, now: State, at: datetime) -> None:
    """Moves the chain on to its new checkpoint, unless somebody did."""
    connection.execute(
        "UPDATE audit_chains SET signed_offset = %(offset)s, records = %(records)s, head = %(head)s, signed_at = %(at)s"
        f" WHERE {_OF} AND signed_offset = %(seen)s",
        {**_of(place), "offset": now.offset, "records": now.records, "head": now.head, "at": at, "seen": seen.offset},
    )


def _of(place: Place) -> dict[str, object]:
    return {"partition": place.partition, "history": place.history}


def _state(row: Row) -> State:
    return State(row["signed_offset"], row["records"], bytes(row["head"]))
