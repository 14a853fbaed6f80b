"""Whether a copied archive of audit-log is what was signed. Offline: it needs the copy and public keys.

The chains are computed again from the records alone. Of what is stored beside them only signed checkpoints are
believed: each tells the digest of every record since the one before, so that the first bad record has a name.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from local.audit.chain import Expected, Finding, Walk
from local.audit.folder import Folder, Read, Stored, read
from stoa.audit.events import AUDIT_LOG
from stoa.audit.model import Checkpoint, Place, Verifier, opened

Progress = Callable[[int, int], None]
ReadAll = Callable[[Sequence[Stored]], Iterator[list[Read]]]
MANY, PORTION = 300, 20  # objects: from where on other processes are worth their start, and how many one gets at once


@dataclass(frozen=True)
class Chain:
    """What was found of one chain. `unprotected` counts the records after its last checkpoint, `before_chain` those of
    the time when there was no chain yet."""

    place: Place
    records: int
    repeated: int
    last_checkpoint: str | None
    last_offset: int | None
    unprotected: int
    before_chain: int
    findings: Sequence[Finding]


@dataclass(frozen=True)
class Report:
    """`strange` is what is wrong with files that hold no records."""

    chains: Sequence[Chain]
    strange: Sequence[str]

    @property
    def whole(self) -> bool:
        return not self.strange and not any(chain.findings for chain in self.chains)


@dataclass
class Signed:
    """What the checkpoints say together, theirs and those that were kept elsewhere."""

    checkpoints: dict[Place, list[Checkpoint]] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)

    def add(self, checkpoint: Checkpoint) -> None:
        self.checkpoints.setdefault(checkpoint.place, []).append(checkpoint)

    def expected(self, place: Place) -> Expected:
        """Also what the checkpoints of other chains say of this one."""
        own = sorted(self.checkpoints.get(place, ()), key=lambda one: one.state.offset)
        told = [one.others[place] for listed in self.checkpoints.values() for one in listed if place in one.others]
        return Expected(own, told)

    def places(self) -> set[Place]:
        others = {place for listed in self.checkpoints.values() for one in listed for place in one.others}
        return others | set(self.checkpoints)


def verify(
    root: Path, verifier: Verifier, heads: Iterable[Checkpoint], progress: Progress, *, processes: int = 1
) -> Report:
    """`heads` are checkpoints that were kept elsewhere, already verified. Raises OSError."""
    folder = Folder(root)
    total = sum(map(len, [*folder.objects.values(), *folder.checkpoints.values()]))
    ticks = _counted(total, progress)
    signed = _signed(folder.checkpoints, verifier, ticks)
    for head in heads:
        signed.add(head)
    strange = [*(f"{name} is not of the archive" for name in folder.strangers), *signed.strange]
    places = sorted(signed.places() | set(folder.objects))
    stored = [one for place in places for one in folder.objects.get(place, ())]
    with _reader(processes if len(stored) >= MANY else 1) as read_all:
        found = read_all(stored)
        chains = [
            _chain(place, signed.expected(place), folder.objects.get(place, ()), found, ticks) for place in places
        ]
    return Report(chains, strange)


@contextmanager
def _reader(processes: int) -> Iterator[ReadAll]:
    """Reads objects and computes the digests of their records, which is nearly all of the work; in order."""
    if processes == 1:
        yield lambda stored: map(read, stored)
        return
    # spawned, because a process with threads (the progress bar has one) is not to be forked
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        yield lambda stored: _ahead(pool, stored, processes)


def _ahead(pool: Executor, stored: Sequence[Stored], processes: int) -> Iterator[list[Read]]:
    """A few portions are read ahead, so that a long history never is in memory as a whole."""
    waiting: deque[Future[list[list[Read]]]] = deque()
    for first in range(0, len(stored), PORTION):
        waiting.append(pool.submit(read_some, stored[first : first + PORTION]))
        if len(waiting) > 2 * processes:
            yield from waiting.popleft().result()
    while waiting:
        yield from waiting.popleft().result()


def read_some(stored: Sequence[Stored]) -> list[list[Read]]:
    """In a process of its own."""
    return [read(one) for one in stored]


def _signed(found: Mapping[Place, Iterable[Stored]], verifier: Verifier, ticks: Iterator[int]) -> Signed:
    signed = Signed()
    for stored in (one for listed in found.values() for one in listed):
        next(ticks)
        try:
            checkpoint = opened(AUDIT_LOG, stored.path.read_bytes(), verifier)
        except ValueError as error:
            signed.strange.append(f"{stored.name}: {error}")
            continue
        if (checkpoint.place, checkpoint.state.offset) != (stored.place, stored.number):
            signed.strange.append(f"{stored.name} is a checkpoint with another name")
        signed.add(checkpoint)
    return signed


def _chain(
    place: Place, expected: Expected, objects: Iterable[Stored], found: Iterator[list[Read]], ticks: Iterator[int]
) -> Chain:
    """`found` goes on with the lines of these objects."""
    walk = Walk(AUDIT_LOG, place, expected)
    for stored in objects:
        next(ticks)
        walk.begin(stored.name, stored.number)
        for line in next(found):
            walk.take(line)
    walk.end()
    last = expected.own[-1] if expected.own else None
    return Chain(
        place=place,
        records=walk.state.records,
        repeated=walk.repeated,
        last_checkpoint=last.time if last else None,
        last_offset=last.state.offset if last else None,
        unprotected=walk.unprotected,
        before_chain=walk.before_chain,
        findings=walk.findings(),
    )


def _counted(total: int, progress: Progress) -> Iterator[int]:
    for done in range(total):
        progress(done, total)
        yield done
    while True:
        yield total
