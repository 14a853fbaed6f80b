"""From the topics to the archive. Every offset is written once, whoever dies in between."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stoa.adapters.s3 import Bucket
from stoa.archive import model, store
from stoa.archive.model import Ledger, Line, Record
from stoa.kernel.database import Connection, Database
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.log import log

# partition, history and lines of an object, once for each, in the transaction that moves the ledger behind it
Kept = Callable[[Connection, int, int, Sequence[Line]], None]


class AnotherHistory(Transient):
    """A record whose offset was passed already, and that is not in the archive: the topic was made anew or restored, or
    an older group came back. It waits for a person: to drop it would lose it, and to guess might double it."""


@dataclass(frozen=True)
class Archive:
    """No lock is held over a call to S3: the name of the next object is announced in the ledger first, S3 takes it
    once, and the ledger moves only from where it was seen. Whoever loses a step goes on from what it finds."""

    database: Database
    bucket: Bucket
    kept: Mapping[str, Kept] = field(default_factory=dict)  # by topic

    def keep(self, records: Sequence[Record]) -> Iterable[tuple[Record, Refused]]:
        """every record of every topic -> one line in S3, also of what nobody can read. Refuses none.

        Raises AnotherHistory when a partition cannot go on, after the others have.
        """
        partitions: dict[tuple[str, int], list[Record]] = {}
        for record in records:
            partitions.setdefault((record["topic"], int(record["partition"])), []).append(record)
        stopped: list[AnotherHistory] = []
        for (topic, partition), found in partitions.items():
            try:
                self._keep(topic, partition, found)
            except AnotherHistory as error:
                stopped.append(error)
        if stopped:
            raise stopped[0]
        return ()

    def _keep(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        with self.database.transaction() as connection:
            at = store.ledger(connection, topic, partition)
        kept = 0  # what is below it is in the archive as it came
        while rest := [record for record in records if int(record["offset"]) >= kept]:
            if int(rest[0]["offset"]) < at.next_offset:
                self._recognise([record for record in rest if int(record["offset"]) < at.next_offset], at)
                kept = at.next_offset
            elif at.object_name is None:
                at = self._announced(topic, partition, at, rest[0])
            else:
                lines = self._written(str(at.object_name), at, model.of_one_hour(rest))
                kept = 1 + max(int(line["offset"]) for line in lines)
                with self.database.transaction() as connection:
                    if store.advance(connection, topic, partition, at, kept) and topic in self.kept:
                        self.kept[topic](connection, partition, at.history, lines)
                    at = store.ledger(connection, topic, partition)

    def _recognise(self, records: Sequence[Record], at: Ledger) -> None:
        """Somebody kept these offsets; usually these very records, which came again. Raises AnotherHistory."""
        while records:
            found, names = model.of_one_hour(records), self.bucket.names(model.hour_folder(records[0], at.history))
            kept = (line for name in model.holders(names, found) for line in self._lines(name))
            _check(model.first_unknown(found, kept), at)
            records = records[len(found) :]

    def _announced(self, topic: str, partition: int, at: Ledger, first: Record) -> Ledger:
        missing = int(first["offset"]) - at.next_offset
        if missing:  # compacted, or older than the topic's retention
            log.warning("archive.gap", topic=topic, partition=partition, offset=at.next_offset, records=missing)
        with self.database.transaction() as connection:
            store.announce(connection, topic, partition, at, model.object_name(first, at.history))
            return store.ledger(connection, topic, partition)

    def _written(self, name: str, at: Ledger, records: Sequence[Record]) -> list[Line]:
        """The object at the ledger's offset is ours, or of somebody who died before the ledger moved, or lives. Returns
        its lines. Raises AnotherHistory."""
        if self.bucket.put_if_absent(name, model.packed(records)):
            return model.of_records(records)
        kept = self._lines(name)
        last = max(int(line["offset"]) for line in kept)
        if last < at.next_offset:
            raise RuntimeError(f"{name} holds nothing of what is to be kept there: it is not ours")
        _check(model.first_unknown((r for r in records if int(r["offset"]) <= last), kept), at)
        log.info("archive.adopted", object=name, last_offset=last)
        return kept

    def _lines(self, name: str) -> list[Line]:
        return model.lines(model.unzipped(self.bucket.get(name)))


def _check(unknown: Record | None, at: Ledger) -> None:
    if unknown is None:
        return
    topic, partition, offset = unknown["topic"], unknown["partition"], unknown["offset"]
    log.error(
        "archive.another_history", topic=topic, partition=partition, offset=offset, next_offset=at.next_offset,
        history=at.history, runbook="docs/runbooks.md#the-archive-stands-still",
    )  # fmt: skip
    raise AnotherHistory("archive", f"{topic}/{partition} at {offset} is not what was kept of that offset", alarm=True)
