"""From the topics to the archive. Every offset is written once, whoever dies in between."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stoa.adapters.s3 import Bucket
from stoa.archive import model, store
from stoa.archive.model import Ledger, Record
from stoa.kernel.database import Database
from stoa.kernel.errors import Refused
from stoa.kernel.log import log


@dataclass(frozen=True)
class Archive:
    """No lock is held over a call to S3: the name of the next object is announced in the ledger first, S3 takes it
    once, and the ledger moves only from where it was seen. Whoever loses a step goes on from what it finds."""

    database: Database
    bucket: Bucket

    def keep(self, records: Sequence[Record]) -> Iterable[tuple[Record, Refused]]:
        """every record of every topic -> one line in S3, also of what nobody can read. Refuses none."""
        partitions: dict[tuple[str, int], list[Record]] = {}
        for record in records:
            partitions.setdefault((record["topic"], int(record["partition"])), []).append(record)
        for (topic, partition), found in partitions.items():
            self._keep(topic, partition, found)
        return ()

    def _keep(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        with self.database.transaction() as connection:
            at = store.ledger(connection, topic, partition)
        while rest := [record for record in records if int(record["offset"]) >= at.next_offset]:
            if at.object_name is None:
                at = self._announced(topic, partition, at, rest[0])
            else:
                at = self._written(topic, partition, at, model.of_one_hour(rest))

    def _announced(self, topic: str, partition: int, at: Ledger, first: Record) -> Ledger:
        missing = int(first["offset"]) - at.next_offset
        if missing:  # compacted, or older than the topic's retention
            log.warning("archive.gap", topic=topic, partition=partition, offset=at.next_offset, records=missing)
        with self.database.transaction() as connection:
            store.announce(connection, topic, partition, at, model.object_name(first))
            return store.ledger(connection, topic, partition)

    def _written(self, topic: str, partition: int, at: Ledger, records: Sequence[Record]) -> Ledger:
        """The object at the ledger's offset is ours, or of somebody who died before the ledger moved, or lives."""
        name = str(at.object_name)
        if self.bucket.put_if_absent(name, model.packed(records)):
            last = int(records[-1]["offset"])
        else:
            last = model.last_offset(self.bucket.get(name))
            log.info("archive.adopted", topic=topic, partition=partition, object=name, last_offset=last)
        if last < at.next_offset:
            raise RuntimeError(f"{name} holds nothing of what is to be kept there: it is not ours")
        with self.database.transaction() as connection:
            store.advance(connection, topic, partition, at, last + 1)
            return store.ledger(connection, topic, partition)
