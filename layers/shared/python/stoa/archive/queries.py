"""What the archive holds, to a reader: objects in the order of their names, lines in the order of offsets.

A topic may hold an event twice under two offsets, as its producer's retries left it: who counts, counts distinct ce_id.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from stoa.archive import model


class Store(Protocol):
    """What is read of the bucket."""

    def names(self, prefix: str) -> Iterator[str]: ...

    def get(self, name: str) -> bytes: ...


@dataclass(frozen=True)
class Archived:
    store: Store

    def objects(self, topic: str) -> Iterator[bytes]:
        """Each object of a topic, unpacked to its lines: one JSON object each, see model.py."""
        for name in self.store.names(model.folder(topic)):
            yield self.store.get(name)
