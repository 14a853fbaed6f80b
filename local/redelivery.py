"""Dead letters sent back to the topic they came from, as they were: remembered, audited, and never faster than asked.

A replay reaches every consumer of the topic, also those that were done with the record: the same event id and the same
generation let them pass it over, and an older request end superseded.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge

from local.dead_letters import DeadLetter
from stoa.adapters.kafka import CUT, DEAD_LETTERS, Producer
from stoa.audit.events import PLATFORM, acted
from stoa.kernel import clock, ids, inbox, outbox
from stoa.kernel.database import Database
from stoa.kernel.envelope import Event
from stoa.kernel.errors import Transient
from stoa.kernel.outbox import Row

MEMORY = "dlq-replay"  # the consumer under which the inbox knows which letters were sent back
REPLAYED = "DEAD_LETTER_REPLAYED"
LOST = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Plan:
    """One letter and what is to become of it: `why_not` is empty for one that is sent, and `twins` are then the places
    of the letters of the same event that other consumers wrote: they are done with it."""

    letter: DeadLetter
    topic: str
    why_not: str
    twins: list[str] = field(default_factory=list)


def plan(letters: Iterable[DeadLetter], replayed: frozenset[str], *, limit: int) -> list[Plan]:
    """The oldest first, as their consumer met them; at most `limit` that are sent. `replayed` holds the places of those
    that were sent back before: an event that came back as another letter since is sent again."""
    made: list[Plan] = []
    sent: dict[tuple[str, str], Plan] = {}
    for letter in _in_order(letters):
        event = (letter.topic, letter.headers.get("ce_id") or letter.place)
        first = sent.get(event)
        if first is None and len(sent) == limit:
            continue
        why_not = _why_not(letter, replayed) or ("the same event is sent already" if first else "")
        made.append(Plan(letter, letter.topic.removesuffix(DEAD_LETTERS), why_not))
        if first:
            first.twins.append(letter.place)
        elif not why_not:
            sent[event] = made[-1]
    return made


def remembered(database: Database) -> frozenset[str]:
    """The places of all letters that were sent back. Raises Transient."""
    with database.transaction() as connection:
        rows = connection.execute("SELECT event_id FROM inbox WHERE consumer = %s", (MEMORY,))
        return frozenset(row["event_id"] for row in rows)


@dataclass(frozen=True)
class Replay:
    """Sends first and remembers after that: what dies in between sends a record again, and never forgets one."""

    database: Database
    producer: Producer
    actor: str
    rate: float
    again: bool
    sleep: Callable[[float], None] = time.sleep

    def run(self, plans: Sequence[Plan]) -> Iterator[Plan]:
        """Yields each that was sent, with its audit event written. Raises Transient, or Refused for a record that
        the broker does not take (any more)."""
        due = time.monotonic()
        for one in plans:
            if one.why_not:
                continue
            self.sleep(max(0.0, due - time.monotonic()))
            due = max(due, time.monotonic() - 1 / self.rate) + 1 / self.rate
            if self._send(one):
                yield one

    def _send(self, one: Plan) -> bool:
        """False when somebody else sent it since it was planned: that one's claim is waited for."""
        letter = one.letter
        with self.database.transaction() as connection:
            if not inbox.claim(connection, MEMORY, letter.place) and not self.again:
                return False
            self.producer.send([Row(0, one.topic, letter.key, original_headers(letter), letter.value)])
            for twin in one.twins:
                inbox.claim(connection, MEMORY, twin)
            keys = outbox.add(connection, [self._audit(one)])
        try:
            outbox.publish(self.database, self.producer.send, keys)
        except Transient:
            pass  # the audit event is written; the relay publishes it
        return True

    def _audit(self, one: Plan) -> Event:
        headers = one.letter.headers
        parent = headers.get("ce_traceparent", "").split("-")
        said = {name: headers.get(name, "") for name in ("dlq_code", "dlq_consumer", "dlq_at")}
        return acted(
            REPLAYED,
            f"dead-letters/{one.letter.place}",
            actor=self.actor,
            tenant=PLATFORM,
            trace_id=f"trc-{parent[1]}" if len(parent) == 4 else ids.trace_id(),
            at=clock.now(),
            before=said,
            after={"topic": one.topic, "key": one.letter.key, "event_id": headers.get("ce_id", "")},
        )


def original_headers(letter: DeadLetter) -> dict[str, str]:
    return {name: value for name, value in letter.headers.items() if not name.startswith("dlq_")}


def _why_not(letter: DeadLetter, replayed: frozenset[str]) -> str:
    if f"{letter.headers.get('dlq_topic')}{DEAD_LETTERS}" != letter.topic:
        return "it does not say where it came from"
    if CUT in letter.headers:
        return "its value was cut; the original is where dlq_partition and dlq_offset point"
    if LOST in letter.key or any(LOST in value for value in original_headers(letter).values()):
        return "its key or a header was no text and is not as it was"
    return "it was sent back before; --again sends it once more" if letter.place in replayed else ""


def _in_order(letters: Iterable[DeadLetter]) -> Iterator[DeadLetter]:
    """By when they were given up, but never against their offsets: consumers' clocks differ, and the records of a key,
    which are in one partition, must keep their order."""
    partitions: dict[tuple[str, int], list[DeadLetter]] = {}
    for letter in sorted(letters, key=lambda letter: letter.offset):
        partitions.setdefault((letter.topic, letter.partition), []).append(letter)
    return merge(*partitions.values(), key=lambda letter: letter.headers.get("dlq_at", ""))
