"""A batch of Kafka records -> one flow per record, in order per key.

Permanent errors go to `<topic>.dlq` and are acknowledged; transient ones leave the record and every
later one of its key where they are; unknown ones are counted before the work and parked after five
tries. See docs/adr/0004-errors-decide-where-a-record-goes.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from stoa.bootstrap import App, app
from stoa.entrypoints import dead_letters
from stoa.entrypoints.batch import RESERVE_MS, Batch, Record, lane_of
from stoa.entrypoints.parking import GAVE_UP, Patience
from stoa.entrypoints.schedule import Tick, run_tick
from stoa.kernel import clock, inbox, metrics
from stoa.kernel.database import Database
from stoa.kernel.envelope import Message, decode, position
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.log import bind, log, unbind
from stoa.kernel.outbox import Send

MAX_TRIES = 5
WAIT_S = 2.0
PARKED_AT_ONCE = 100

Handle = Callable[[Message], None]
GiveUp = Callable[[Message, Refused], None]


@dataclass(frozen=True)
class Consumer:
    """One function's way through its records. `partial` says whether its mapping takes partial answers; `reserve_ms`
    is at least as long as the calls that one record may make."""

    function: str
    database: Database
    send: Send
    handle: Handle
    give_up: GiveUp | None
    partial: bool
    time_scale: float = 1.0
    reserve_ms: int = RESERVE_MS

    def process(self, event: Record, remaining_ms: Callable[[], int]) -> dict[str, Any]:
        """Answers with `batchItemFailures`; raises RuntimeError instead where that is not understood."""
        ordered = [r for rs in event["records"].values() for r in sorted(rs, key=lambda r: int(r["offset"]))]
        batch = Batch(remaining_ms, [lane_of(record) for record in ordered], reserve_ms=self.reserve_ms)
        for record in ordered:
            del batch.ahead[0]
            self._one(record, batch)
        for record in batch.failed:
            metrics.WAITING.add(topic=record["topic"])
        if batch.failed:
            self._wait(batch)
            if not self.partial:
                raise RuntimeError(f"{len(batch.failed)} records are to be tried again")
        return {"batchItemFailures": [_identifier(record) for record in batch.failed]}

    def retry_parked(self, remaining_ms: Callable[[], int]) -> int:
        """Goes on with what was parked for its key, in order; returns how many records were done."""
        batch, done = Batch(remaining_ms, reserve_ms=self.reserve_ms), 0
        with self.database.transaction() as connection:
            heads = inbox.parked_heads(connection, f"{self.function}.", PARKED_AT_ONCE)
        for first in heads:
            head: inbox.Parked | None = first
            while head is not None and not batch.out_of_time and not batch.no_use and self._release(head, batch):
                done += 1
                with self.database.transaction() as connection:
                    head = inbox.next_parked(connection, self._group(head.record), head.key)
        return done

    def _one(self, record: Record, batch: Batch) -> None:
        key, lane = str(record.get("key") or ""), lane_of(record)
        unbind()
        if batch.must_wait(lane):
            batch.waits(lane, record)
            return
        try:
            self._try(record, key)
            batch.went_on(lane)
        except Transient as error:
            log.warning("record.waits", system=error.system, detail=error.detail, alarm=error.alarm)
            if not self._park_key(record, key):
                batch.waits(lane, record)
            batch.met(error)
        except Exception:  # noqa: BLE001  the shell: a bug is counted, and parked after five tries
            log.exception("record.failed")
            batch.waits(lane, record)

    def _try(self, record: Record, key: str) -> None:
        consumer, at = self._group(record), position(record)
        tries = inbox.begin(self.database, consumer, key, at)
        if tries is not None:
            self._carry_out(record, key, tries)
            return
        with self.database.transaction() as connection:
            inbox.park(connection, consumer, key, at, dict(record))
        metrics.PARKED.add(topic=at.topic)

    def _carry_out(self, record: Record, key: str, tries: int) -> None:
        """Raises Transient, and whatever a bug raises; a refused record is dead-lettered and done."""
        consumer, at = self._group(record), position(record)
        try:
            done = self._handled(record, key, tries)
        except Transient:
            with self.database.transaction() as connection:
                inbox.forget_attempts(connection, consumer, at)
            raise
        if done:
            self._patience(record).went_on(self.database, key, at)
            metrics.PROCESSED.add(topic=at.topic)
            return
        with self.database.transaction() as connection:  # which says nothing of the systems outside
            inbox.forget_attempts(connection, consumer, at)
            inbox.waits_no_longer(connection, consumer, key)

    def _handled(self, record: Record, key: str, tries: int) -> bool:
        """False for a record that was refused: its end was told and it is in the dead-letter topic."""
        message: Message | None = None
        try:
            message = decode(record)
            bind(trace_id=message.trace_id, event_id=message.id)
            if tries > MAX_TRIES:
                raise Refused(GAVE_UP, f"the record was tried {MAX_TRIES} times and never came to an end")
            self._ask(message, record, key)
        except Refused as error:
            self._dead_letter(record, message, error, tries)
            return False
        return True

    def _ask(self, message: Message, record: Record, key: str) -> None:
        """Raises Refused instead of Transient when nobody need wait any longer."""
        try:
            self.handle(message)
        except Transient as error:
            with self.database.transaction() as connection:
                ended = self._patience(record).end(connection, key, error)
            raise ended or error from error

    def _dead_letter(self, record: Record, message: Message | None, error: Refused, tries: int) -> None:
        """The result first, then the record: a crash in between brings the record back."""
        log.error("record.refused", code=error.code, detail=error.where())
        if message is not None and self.give_up is not None:
            self._give_up(self.give_up, message, error, tries)
        dead_letters.send(self.send, record, self._group(record), error, tries)
        counter = metrics.GIVEN_UP if error.code == GAVE_UP else metrics.REFUSED
        counter.add(topic=record["topic"])

    def _give_up(self, give_up: GiveUp, message: Message, error: Refused, tries: int) -> None:
        """A record of which not even the end can be told must not block its partition."""
        try:
            give_up(message, error)
        except Exception as untold:  # the shell: see _one
            permanent = isinstance(untold, Refused) or tries > MAX_TRIES
            if isinstance(untold, Transient) or not permanent:
                raise
            log.exception("record.end_untold")

    def _park_key(self, record: Record, key: str) -> bool:
        """Parks a key that waited too long."""
        try:
            with self.database.transaction() as connection:
                since = self._patience(record).park(connection, key, position(record), dict(record))
        except Transient:
            return False
        if since is not None:
            log.error("record.parked", since=clock.iso(since))
            metrics.PARKED.add(topic=record["topic"])
        return since is not None

    def _release(self, head: inbox.Parked, batch: Batch) -> bool:
        unbind()
        try:
            with self.database.transaction() as connection:
                inbox.tried_parked(connection, head.id, clock.now())
                tries = inbox.attempt(connection, self._group(head.record), position(head.record))
            self._carry_out(head.record, head.key, tries)
        except Transient as error:
            log.warning("record.still_parked", system=error.system, detail=error.detail)
            batch.met(error)
            return False
        except Exception:  # noqa: BLE001  the shell: see _one
            log.exception("record.failed")
            return False
        with self.database.transaction() as connection:
            inbox.unpark(connection, head.id)
        return True

    def _patience(self, record: Record) -> Patience:
        return Patience(self._group(record), self.time_scale)

    def _group(self, record: Record) -> str:
        return f"{self.function}.{record['topic']}"

    def _wait(self, batch: Batch) -> None:
        """Lambda's own retry comes back at an undocumented pace; this keeps it from spinning."""
        spare_s = (batch.remaining_ms() - self.reserve_ms) / 1000
        clock.sleep(max(0.0, min(max(WAIT_S / self.time_scale, batch.rest_s), spare_s)))


def _identifier(record: Record) -> dict[str, Any]:
    return {
        "itemIdentifier": {"partition": f"{record['topic']}-{record['partition']}", "offset": int(record["offset"])}
    }


def kafka_consumer(
    function: str,
    flow: Callable[[App], Handle],
    give_up: Callable[[App], GiveUp] | None = None,
    *,
    partial: bool = True,
    tick: Callable[[App], Tick] | None = None,
    reserve_ms: int = RESERVE_MS,
) -> Callable[[Record, Any], dict[str, Any]]:
    """The handler of a function: a Kafka batch is processed, a scheduled event retries what is parked, then ticks."""

    @cache
    def consumer() -> Consumer:
        built = app()
        return Consumer(
            function=function,
            database=built.database,
            send=lambda rows: built.producer.send(rows),
            handle=flow(built),
            give_up=give_up(built) if give_up else None,
            partial=partial,
            time_scale=built.settings.time_scale,
            reserve_ms=reserve_ms,
        )

    def handler(event: Record, context: Any) -> dict[str, Any]:
        try:
            if "records" in event:
                return consumer().process(event, context.get_remaining_time_in_millis)
            released = consumer().retry_parked(context.get_remaining_time_in_millis)
            if tick is not None:
                run_tick(function, tick(app()), context.get_remaining_time_in_millis)
            return {"released": released}
        finally:
            metrics.flush()

    return handler
