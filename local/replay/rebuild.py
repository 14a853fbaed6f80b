"""Projections filled again from their events, in a schema of their own.

One thread reads and checks events, another hands them to PostgreSQL a batch at a time, where a few statements fold the
batch into the tables. So memory does not grow with the history: at most three batches are under way.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from local.replay.intake import Intake, Row
from local.replay.tables import FOLDS, staged
from stoa.archive.model import Line
from stoa.kernel.tables import Projection

Connection = psycopg.Connection[Any]

BATCH = 5_000
SWITCH_S = 0.001  # the loading thread mostly waits for PostgreSQL, and must not wait for the other thread as well
# around cells, rows and nulls on their way to PostgreSQL: what no text of ours holds
CELL, ROW, NULL = "\x1f", "\x1e", "\x1d"


@dataclass
class Count:
    """`records` were read; `refused` are those that no consumer takes, `later` those after the time asked for."""

    records: int = 0
    refused: int = 0
    later: int = 0


class Rebuild:
    """`connection` commits by itself. `as_of` is a time as events carry it: what was committed later is left out."""

    def __init__(self, connection: Connection, schema: str, wanted: Sequence[Projection], as_of: str | None) -> None:
        self._connection = connection
        self._schema = schema
        self._folds = [fold for fold in FOLDS if fold.projection in wanted]
        self._as_of = as_of
        self.count = Count()

    @property
    def topics(self) -> tuple[str, ...]:
        """In the order in which they are to be folded."""
        return tuple(dict.fromkeys(fold.intake.topic for fold in self._folds))

    def fold(self, topic: str, blocks: Iterable[Sequence[Line]]) -> None:
        """All of a topic. Raises psycopg.Error, and what `blocks` raises."""
        folds = [fold for fold in self._folds if fold.intake.topic == topic]
        intake = folds[0].intake
        table = staged(intake)
        self._connection.execute(f"CREATE TEMP TABLE {table} ({intake.columns}) ON COMMIT DELETE ROWS")
        counted = f"INSERT INTO {self._schema}.event_ids SELECT event_id FROM {table}"
        load = Load(self._connection, table, [counted, *(fold.sql(self._schema) for fold in folds)])
        with ThreadPoolExecutor(1, "loading") as pool, _switching_often():
            under_way: Future[None] | None = None
            for batch in self._batches(intake, blocks):
                text = packed(batch)
                if under_way is not None:
                    under_way.result()
                under_way = pool.submit(load, batch, text)
            if under_way is not None:
                under_way.result()
        self.count.refused += load.refused
        self._connection.execute(f"DROP TABLE {table}")

    def events(self) -> int:
        """How many distinct events were folded."""
        row = self._connection.execute(
            f"SELECT count(*) FROM (SELECT DISTINCT id FROM {self._schema}.event_ids) AS ids"
        ).fetchone()
        return int(row[0]) if row else 0

    def _batches(self, intake: Intake, blocks: Iterable[Sequence[Line]]) -> Iterator[list[Row]]:
        read, batch = intake.reader(), list[Row]()
        for lines in blocks:
            self.count.records += len(lines)
            rows = [row for line in self._in_time(lines) if (row := read(line)) is not None]
            batch += rows
            self.count.refused += len(lines) - len(rows)
            if len(batch) >= BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def _in_time(self, lines: Sequence[Line]) -> Sequence[Line]:
        if self._as_of is None:
            return lines
        found = [line for line in lines if str(line["headers"].get("ce_time")) <= self._as_of]
        self.count.later += len(lines) - len(found)
        self.count.refused -= len(lines) - len(found)
        return found


class Load:
    """Folds a batch in one transaction. A row that the tables do not take is refused, and holds up no other."""

    def __init__(self, connection: Connection, table: str, statements: Sequence[str]) -> None:
        self._connection = connection
        self._copy = f"COPY {table} FROM STDIN"  # as psycopg writes rows
        self._copy_packed = f"{self._copy} WITH (DELIMITER E'\\x1f', NULL E'\\x1d')"
        self._statements = statements
        self.refused = 0

    def __call__(self, rows: Sequence[Row], text: str | None) -> None:
        """`text` is that of `packed`; without it the rows are sent one by one."""
        try:
            with self._connection.transaction():
                how = self._copy if text is None else self._copy_packed
                with self._connection.cursor() as cursor, cursor.copy(how) as copy:
                    if text is not None:
                        copy.write(text)
                    else:
                        for row in rows:
                            copy.write_row(row)
                for statement in self._statements:
                    self._connection.execute(statement)
        except (psycopg.DataError, psycopg.IntegrityError, UnicodeError):
            if len(rows) == 1:
                self.refused += 1
                return
            half = len(rows) // 2
            for part in (rows[:half], rows[half:]):
                self(part, packed(part))


def packed(rows: Sequence[Row]) -> str | None:
    """The rows as COPY reads them, escaped all at once; None when they hold one of our separators."""
    text = "".join(
        [CELL.join([NULL if c is None else c if type(c) is str else str(c) for c in row]) + ROW for row in rows]
    )
    cells, nulls = sum(map(len, rows)), sum(row.count(None) for row in rows)
    if (text.count(CELL), text.count(ROW), text.count(NULL)) != (cells - len(rows), len(rows), nulls):
        return None
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace(ROW, "\n")


@contextmanager
def _switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
