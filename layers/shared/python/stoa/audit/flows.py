"""What makes the audit log provable: a chain over what the archive keeps, signed checkpoints of it, a heartbeat."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from stoa.adapters.s3 import Bucket
from stoa.audit import model, store
from stoa.audit.events import AUDIT_LOG, HEARTBEAT, PLATFORM, acted, kind
from stoa.audit.model import Checkpoint, Line, Place, Signer, State
from stoa.kernel import ids, metrics, outbox
from stoa.kernel.clock import iso, now
from stoa.kernel.database import Connection, Database
from stoa.kernel.errors import Transient
from stoa.kernel.identity import SYSTEM
from stoa.kernel.log import log

RESERVE_MS = 20_000  # longer than a call to S3 that fails


@dataclass(frozen=True)
class AuditChain:
    """The chain is a function of the archive's objects alone, so whoever adopts one after a crash goes on with the same
    chain. No lock is held over a call to S3: a checkpoint has one name, S3 takes it once, the chain moves after it."""

    database: Database
    bucket: Bucket
    signer: Signer

    def extend(self, connection: Connection, partition: int, history: int, lines: Sequence[Line]) -> None:
        """lines of audit-log that the archive kept -> their links, in the transaction that moves its ledger."""
        place, ordered = Place(partition, history), sorted(lines, key=lambda line: int(line["offset"]))
        if not ordered:
            return
        contents = {said for line in ordered if (said := model.digests(line)[1]) is not None}
        links = list(model.linked(ordered, store.known(connection, place, contents)))
        store.add(connection, place, model.beginning(AUDIT_LOG, place, links[0].offset), links)
        for line in ordered:
            metrics.AUDITED.add(kind=kind(model.action(line)))

    def checkpoint(self, remaining_ms: Callable[[], int]) -> int:
        """every minute -> a signed checkpoint of each chain that has grown; returns how many.

        Raises Transient, with an alarm for a key that is missing, after the other chains.
        """
        with self.database.transaction() as connection:
            places = store.unsigned_places(connection)
        made, failed = 0, list[Transient]()
        for place in places:
            try:
                while remaining_ms() > RESERVE_MS and self._sign(place):
                    made += 1
            except Transient as error:
                log.error("audit.checkpoint_missing", partition=str(place), system=error.system, detail=error.detail)
                failed.append(error)
        if failed:
            raise failed[0]
        return made

    def _sign(self, place: Place) -> bool:
        """False when nothing is left to be signed. Raises Transient."""
        with self.database.transaction() as connection:
            chains = store.signed(connection)
            first_offset, before = chains[place]
            links = store.links_after(connection, place, before.offset, model.MOST_LINKS)
        if not links:
            return False
        at, state = now(), model.further(before, links)
        others = {other: signed for other, (_, signed) in chains.items() if other != place and signed.records}
        made = Checkpoint(place, first_offset, before.offset, state, links, others, iso(at), self.signer.key_id)
        name = model.checkpoint_name(AUDIT_LOG, place, state.offset)
        if not self.bucket.put_if_absent(name, model.sealed(AUDIT_LOG, made, self.signer)):
            _check_same(name, self.bucket.get(name), state)
        with self.database.transaction() as connection:
            store.sign(connection, place, before, state, at)
        metrics.CHECKPOINTS.add()
        # what is logged is kept elsewhere than the archive
        log.info("audit.checkpoint", object=name, records=state.records, head=state.head.hex())
        return True


@dataclass(frozen=True)
class Heartbeat:
    database: Database
    publish: Callable[[Iterable[str]], None]

    def beat(self) -> None:
        """every minute -> an audit event of our own on audit-log, one per minute however often this is called."""
        at = now()
        event_id = f"heartbeat-{at:%Y%m%dT%H%M}Z"
        beat = acted(
            HEARTBEAT, AUDIT_LOG, actor=SYSTEM, tenant=PLATFORM, trace_id=ids.trace_id(), at=at, event_id=event_id
        )
        with self.database.transaction() as connection:
            keys = outbox.add_once(connection, beat)
        self.publish(keys)


def _check_same(name: str, there: bytes, state: State) -> None:
    """Ours, of somebody who died before the chain moved, or lives. Raises Transient."""
    if not model.says(there, state):
        raise Transient("audit-chain", f"{name} is signed for another history than the one that is kept", alarm=True)
