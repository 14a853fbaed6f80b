"""The hash chain over audit-log as the archive holds it, and its signed checkpoints. Pure.

A record's digest is SHA-256 over the canonical JSON of its whole line: place, timestamp, key, headers, and the value as
the text that it came as. A link is SHA-256 over the head before it and the digest. There is one chain per partition and
history, in the order of offsets. A repetition (an event id again, with the same key, headers and value: the outbox may
publish twice) is no link; the same id that says something else is one.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from stoa.kernel.canonical import canonical

CHAIN = "stoa-audit-chain/1"
FORMAT = "stoa-audit-checkpoint/1"
PREFIX = "checkpoints"
MOST_LINKS = 5_000  # of one checkpoint: half a megabyte
PLACE = b'"offset":%b,"partition":%b,"timestamp":%b,"topic":%b'  # what stands between the key and the value

Line = Mapping[str, Any]


class Signer(Protocol):
    """Whoever holds the private key: a setting here, KMS where the key never leaves it."""

    @property
    def key_id(self) -> str: ...

    def sign(self, data: bytes) -> bytes: ...


class Verifier(Protocol):
    def verify(self, key_id: str, signature: bytes, data: bytes) -> bool: ...


@dataclass(frozen=True, order=True)
class Place:
    """Of a chain: a partition of audit-log and which history of it."""

    partition: int
    history: int = 0

    def __str__(self) -> str:
        return f"{self.partition}.{self.history}" if self.history else str(self.partition)


class Link(NamedTuple):
    offset: int
    digest: bytes
    content: bytes | None = None
    repeated: bool = False


class State(NamedTuple):
    """Of a chain behind `offset`, which is one before its first record when it has none."""

    offset: int
    records: int
    head: bytes


@dataclass(frozen=True)
class Checkpoint:
    """What was signed: the state of the chain at `time`, every link since `after`, and where other chains stood."""

    place: Place
    first_offset: int
    after: int
    state: State
    links: Sequence[Link]
    others: Mapping[Place, State]
    time: str
    key_id: str


def beginning(topic: str, place: Place, first_offset: int) -> State:
    """Of a chain without a record: its head says whose it is, so that no chain can stand for another."""
    whose = {"chain": CHAIN, "topic": topic, "partition": place.partition, "history": place.history}
    return State(first_offset - 1, 0, hashlib.sha256(canonical({**whose, "first_offset": first_offset})).digest())


def further(state: State, links: Iterable[Link]) -> State:
    offset, records, head = state.offset, state.records, state.head
    for link in links:
        offset = link.offset
        if not link.repeated:
            records, head = records + 1, hashlib.sha256(head + link.digest).digest()
    return State(offset, records, head)


def linked(lines: Iterable[Line], known: set[bytes]) -> Iterator[Link]:
    """`known` are the contents of the records before, and those of these are added. Raises ValueError."""
    for line in lines:
        digest, said = digests(line)
        yield Link(int(line["offset"]), digest, said, said in known)
        if said is not None:
            known.add(said)


def digests(line: Line) -> tuple[bytes, bytes | None]:
    """SHA-256 over the canonical line, and over its key, headers and value alone; None instead of the latter for a
    record without an event id, which repeats nothing. Most of both is the same text, which is made once."""
    headers, key, value = (canonical(line[name]) for name in ("headers", "key", "value"))
    place = PLACE % tuple(map(canonical, (line["offset"], line["partition"], line["timestamp"], line["topic"])))
    whole = hashlib.sha256(b'{"headers":%b,"key":%b,%b,"value":%b}' % (headers, key, place, value)).digest()
    if line["headers"].get("ce_id") is None:
        return whole, None
    return whole, hashlib.sha256(b'{"headers":%b,"key":%b,"value":%b}' % (headers, key, value)).digest()


def action(line: Line) -> object:
    """None where the value of the record does not say one."""
    try:
        return json.loads(line["value"] or "")["action"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def checkpoint_name(topic: str, place: Place, offset: int) -> str:
    return f"{PREFIX}/{topic}/{place}/{offset:020d}.json"


def sealed(topic: str, checkpoint: Checkpoint, signer: Signer) -> bytes:
    """One line of JSON. The signature is over the canonical form of everything else in it."""
    said = _said(topic, checkpoint)
    signature = base64.b64encode(signer.sign(canonical(said))).decode()
    return (json.dumps({**said, "signature": signature}, separators=(",", ":")) + "\n").encode()


def opened(topic: str, text: bytes, verifier: Verifier) -> Checkpoint:
    """Raises ValueError, which says why, for what none of the verifier's keys signed as a checkpoint of the topic."""
    try:
        said = json.loads(text)
        signature = base64.b64decode(said.pop("signature"), validate=True)
        signed, key_id = canonical(said), str(said["key_id"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, binascii.Error):
        raise ValueError("it is no checkpoint") from None
    if not verifier.verify(key_id, signature, signed):
        raise ValueError(f"it is not signed by a key that was given (its key id is {key_id[:16]!r})")
    if (said["format"], said["topic"]) != (FORMAT, topic):
        raise ValueError(f"it is signed, but no checkpoint of {topic} in the form {FORMAT}")
    return _read(said)


def says(text: bytes, state: State) -> bool:
    """Whether a checkpoint says this of its chain; nothing else of it is looked at."""
    try:
        said = json.loads(text)
        return bool((said["offset"], said["records"], said["head"]) == _state(state))
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def _said(topic: str, of: Checkpoint) -> dict[str, Any]:
    others = [[place.partition, place.history, *_state(state)] for place, state in sorted(of.others.items())]
    return {
        "format": FORMAT,
        "topic": topic,
        "partition": of.place.partition,
        "history": of.place.history,
        "first_offset": of.first_offset,
        "after": of.after,
        "offset": of.state.offset,
        "records": of.state.records,
        "head": of.state.head.hex(),
        "links": [[link.offset, link.digest.hex()] for link in of.links if not link.repeated],
        "repeated": [[link.offset, link.digest.hex()] for link in of.links if link.repeated],
        "others": others,
        "time": of.time,
        "key_id": of.key_id,
    }


def _state(state: State) -> tuple[int, int, str]:
    return state.offset, state.records, state.head.hex()


def _read(said: Mapping[str, Any]) -> Checkpoint:
    """What was signed is what we wrote."""
    links = [Link(n, bytes.fromhex(digest), repeated=again)
             for name, again in (("links", False), ("repeated", True)) for n, digest in said[name]]  # fmt: skip
    others = {
        Place(p, h): State(offset, records, bytes.fromhex(head)) for p, h, offset, records, head in said["others"]
    }
    return Checkpoint(
        place=Place(said["partition"], said["history"]),
        first_offset=said["first_offset"],
        after=said["after"],
        state=State(said["offset"], said["records"], bytes.fromhex(said["head"])),
        links=sorted(links, key=lambda link: link.offset),
        others=others,
        time=said["time"],
        key_id=said["key_id"],
    )
