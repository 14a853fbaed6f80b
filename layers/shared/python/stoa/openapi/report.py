"""The loss report: what a conversion changed, in the form that is stored with the deployment."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from stoa.openapi.document import Document

CONVERTER_VERSION = "1.0.0"

Effect: TypeAlias = Literal["none", "annotation", "widened", "tightened", "security-weakened"]


class Entry(NamedTuple):
    """One construct that was lost, changed in meaning, or kept although it has no effect."""

    pointer: str
    construct: str
    action: str
    effect: Effect
    detail: str


@dataclass(frozen=True)
class Report:
    """What one stage did; `counts` also has the constructs that were translated without loss.

    `sha256_in` is the hash of the file for the first stage, `sha256_out` that of `to_bytes` of the result.
    """

    stage: Literal["standards", "gateway"]
    source_version: str
    target_version: str
    sha256_in: str
    sha256_out: str
    counts: dict[str, int]
    entries: tuple[Entry, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values; an entry of the gateway stage says so in `stage`."""
        mark = {"stage": "gateway"} if self.stage == "gateway" else {}
        return {
            "source_version": self.source_version,
            "target_version": self.target_version,
            "converter": CONVERTER_VERSION,
            "sha256_in": self.sha256_in,
            "sha256_out": self.sha256_out,
            "counts": self.counts,
            "entries": [{**entry._asdict(), **mark} for entry in self.entries],
        }


@dataclass(frozen=True)
class Converted:
    """A document of the next stage and the report of how it came about."""

    document: Document
    report: Report


class Ledger:
    """Collects counts and entries while a document is rebuilt; the same entry is kept once.

    `counting` is switched off while a part is built again in a second place.
    """

    def __init__(self) -> None:
        self.counting = True
        self._counts: Counter[str] = Counter()
        self._entries: dict[Entry, None] = {}

    def count(self, construct: str) -> None:
        """A construct was translated without loss."""
        self._counts[construct] += self.counting

    def add(self, pointer: str, construct: str, action: str, effect: Effect, detail: str) -> None:
        """A construct was lost, changed in meaning, or deserves a notice."""
        entry = Entry(pointer, construct, action, effect, detail)
        if entry not in self._entries:
            self._entries[entry] = None
            self._counts[construct] += 1

    def pointers(self, effect: Effect) -> list[str]:
        """Where entries of this effect are, in order."""
        return [entry.pointer for entry in self._entries if entry.effect == effect]

    def report(self, stage: Literal["standards", "gateway"], source: Document, target: Document) -> Report:
        """The finished report."""
        return Report(
            stage,
            source.version,
            target.version,
            source.sha256 if stage == "standards" else source.bytes_sha256,
            target.bytes_sha256,
            dict(sorted(self._counts.items())),
            tuple(self._entries),
        )
