"""One chain, computed again from its records and compared with what was signed of it, in one pass."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from local.audit.folder import Read
from stoa.audit.model import Checkpoint, Link, Place, State, beginning, further

UNPROTECTED_S = 300  # a checkpoint comes every minute while records do: behind this, some are missing


@dataclass(frozen=True)
class Finding:
    """`offset` is that of the bad record, or where it should be; `where` its object and line, if it is there."""

    offset: int
    says: str
    where: str = ""
    event_id: str = ""


class Expected:
    """What was signed of a chain: by its own checkpoints in order, and `told` by those of other chains."""

    def __init__(self, own: Sequence[Checkpoint], told: Sequence[State]) -> None:
        self.own = own
        self.links = {link.offset: link for one in own for link in one.links}
        self.offsets = sorted(self.links)
        self.states = sorted({*(one.state for one in own), *told}, key=lambda state: (state.offset, state.records))
        self.first_offset = min((one.first_offset for one in own), default=None)
        self._covered = _merged([(one.after, one.state.offset) for one in own])

    @property
    def last(self) -> int:
        """The last offset that is protected; -1 without any."""
        return self.states[-1].offset if self.states else -1

    def after(self, offset: int) -> int:
        """The next offset that a record has, as far as that was signed."""
        at = bisect_right(self.offsets, offset)
        return self.offsets[at] if at < len(self.offsets) else offset + 1

    def covers(self, offset: int) -> bool:
        """Whether a checkpoint tells every record around this offset."""
        at = bisect_left(self._covered, (offset, -1)) - 1
        return at >= 0 and offset <= self._covered[at][1]


class Walk:
    """Takes the lines of a chain's objects in the order of their names."""

    def __init__(self, topic: str, place: Place, expected: Expected) -> None:
        self._topic, self._place, self._expected = topic, place, expected
        self._first = expected.first_offset
        self.state = State(-1, 0, b"") if self._first is None else beginning(topic, place, self._first)
        self._found: dict[int, Finding] = {}
        self._known: set[bytes] = set()
        self._last = -1  # offset of the line before
        self._next_link, self._next_state = 0, 0
        self._name, self._least = "", 0  # of the object, and the least offset that its name allows
        self.repeated = self.unprotected = self.before_chain = 0
        self._unprotected_since: int | None = None
        self._unprotected_ms = 0

    def begin(self, name: str, least: int) -> None:
        """An object, with the first offset that is in its name."""
        self._name, self._least = name, least

    def take(self, read: Read) -> None:
        offset = read.offset
        if read.wrong:
            self._report(Finding(self._expected.after(self._last), read.wrong, self._where(read)))
            return
        if offset <= self._last or offset < self._least:
            self._report(Finding(offset, "stands out of order, or is there twice", self._where(read), read.event_id))
            return
        self._last = offset
        if self._first is None:
            self._first, self.state = offset, beginning(self._topic, self._place, offset)
        if offset < self._first:
            self.before_chain += 1
            return
        link = Link(offset, read.digest, read.content, read.content in self._known)
        if read.content is not None:
            self._known.add(read.content)
        self._compare(link, read)
        self._pass_states(offset - 1)
        self.state = further(self.state, [link])
        self.repeated += link.repeated
        if offset > self._expected.last:
            self._count_unprotected(read.timestamp)

    def end(self) -> None:
        following = max(self._last + 1, self._first or 0)
        if following <= self._expected.last and not self._expected.covers(following):
            says = (
                f"or a record after it is the first that is missing: the chain was signed until {self._expected.last}"
            )
            self._report(Finding(following, says))
        self._miss_until(None)
        self._pass_states(None)
        if self._unprotected_ms > UNPROTECTED_S * 1000:
            says = f"{self.unprotected} records from {self._unprotected_ms // 1000} s have no checkpoint"
            self._report(Finding(self._expected.last + 1, f"{says}: none was signed, or some were taken away"))

    def findings(self) -> list[Finding]:
        """The first bad record first."""
        return [self._found[offset] for offset in sorted(self._found)]

    def _report(self, found: Finding) -> None:
        """One for each record; a line that is there says more than that it is missing elsewhere."""
        known = self._found.get(found.offset)
        if known is None or (found.where and not known.where):
            self._found[found.offset] = found

    def _where(self, read: Read) -> str:
        return f"{self._name} line {read.number}" if read.number else self._name

    def _compare(self, link: Link, read: Read) -> None:
        self._miss_until(link.offset)
        signed = self._expected.links.get(link.offset)
        if signed is not None:
            self._next_link += 1
            if (signed.digest, signed.repeated) != (link.digest, link.repeated):
                says = "is not the record that was signed"
                self._report(Finding(link.offset, says, self._where(read), read.event_id))
        elif self._expected.covers(link.offset):
            says = "was inserted: nothing was signed there"
            self._report(Finding(link.offset, says, self._where(read), read.event_id))

    def _miss_until(self, offset: int | None) -> None:
        offsets = self._expected.offsets
        while self._next_link < len(offsets) and (offset is None or offsets[self._next_link] < offset):
            self._report(Finding(offsets[self._next_link], "is missing: it was signed, and is not there"))
            self._next_link += 1

    def _pass_states(self, offset: int | None) -> None:
        """Compares the chain with what was signed of it, up to this offset. Once a record is bad, all after it is."""
        states, before = self._expected.states, -1
        while self._next_state < len(states) and (offset is None or states[self._next_state].offset <= offset):
            signed = states[self._next_state]
            self._next_state += 1
            before = states[self._next_state - 2].offset if self._next_state > 1 else -1
            if (self.state.records, self.state.head) == (signed.records, signed.head):
                continue
            if not any(bad <= signed.offset for bad in self._found):
                says = f"or a record after it, until {signed.offset}, is not what was signed; the checkpoint that tells"
                self._report(Finding(before + 1, f"{says} which one is not here"))

    def _count_unprotected(self, timestamp: Any) -> None:
        self.unprotected += 1
        if isinstance(timestamp, int):
            if self._unprotected_since is None:
                self._unprotected_since = timestamp
            self._unprotected_ms = max(self._unprotected_ms, timestamp - self._unprotected_since)


def _merged(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Of (after, last) pairs."""
    found: list[tuple[int, int]] = []
    for after, last in sorted(ranges):
        if found and after <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((after, last))
    return found
