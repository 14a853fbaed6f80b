"""What the archive holds, to a reader.

A topic may hold an event twice under two offsets, as its producer's retries left it: who counts, counts distinct ce_id.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from stoa.archive import model

AHEAD = 4


class Store(Protocol):
    """What is read of a bucket."""

    def names(self, prefix: str) -> Iterator[str]: ...

    def get(self, name: str) -> bytes: ...


@dataclass(frozen=True)
class Archived:
    store: Store

    def objects(self, topic: str) -> Iterator[list[model.Line]]:
        """The lines of each object of a topic: in the order of offsets in an object, and of hours over all of them.

        Timestamps may go back, so an object may come before one of the same partition with lower offsets. A few are
        fetched ahead; otherwise nothing is kept.
        """
        return (lines for _, lines in self.by_history(topic))

    def by_history(self, topic: str) -> Iterator[tuple[int, list[model.Line]]]:
        """The same, each with the number of its history: how often the offsets of its partition had begun again."""
        waiting: deque[tuple[int, Future[bytes]]] = deque()
        with ThreadPoolExecutor(AHEAD, "archive") as pool:
            for name in self.store.names(model.folder(topic)):
                waiting.append((model.partition_of(name)[1], pool.submit(self._fetched, name)))
                if len(waiting) > AHEAD:
                    yield _taken(*waiting.popleft())
            while waiting:
                yield _taken(*waiting.popleft())

    def newest(self, topic: str) -> dict[int, int]:
        """The history that goes on in the topic, by partition."""
        found: dict[int, int] = {}
        for partition, history in map(model.partition_of, self.store.names(model.folder(topic))):
            found[partition] = max(history, found.get(partition, 0))
        return found

    def _fetched(self, name: str) -> bytes:
        return model.unzipped(self.store.get(name))


def _taken(history: int, fetched: Future[bytes]) -> tuple[int, list[model.Line]]:
    return history, model.lines(fetched.result())
