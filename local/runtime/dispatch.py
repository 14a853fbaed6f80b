"""Which records travel in the next payload. Pure: queues and a time in, records out."""

from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass

from local.runtime.mapping import PAYLOAD_LIMIT, Mapping, Partition, Record
from local.runtime.partition_queue import PartitionQueue

Queues = ReadOnly[Partition, PartitionQueue]


@dataclass(frozen=True)
class Payload:
    """The records of one invocation and the queues they came from."""

    records: tuple[Record, ...]
    queues: Queues


def next_due(queues: Queues, mapping: Mapping, scale: float) -> float | None:
    """When the next payload may leave; None when nothing waits. A time in the past means now."""
    waits = [due for queue in queues.values() if (due := queue.retry_due()) is not None]
    fresh = _fresh_due(queues, mapping, scale)
    return min(waits if fresh is None else [*waits, fresh], default=None)


def compose(queues: Queues, mapping: Mapping, now: float, now_ms: float, scale: float) -> Payload | None:
    """The next payload; what waits longest comes first. None when nothing may leave yet.

    A failed batch travels alone, so that it can neither delay nor break another partition's records.
    Fresh records of several partitions share a payload up to the size of a batch or 6 MB.
    """
    retries = [(due, key) for key, queue in queues.items() if (due := queue.retry_due()) is not None and due <= now]
    fresh = _fresh_due(queues, mapping, scale)
    if retries and (fresh is None or min(retries)[0] <= fresh):
        key = min(retries)[1]
        return _payload(queues[key].take_again(now_ms), queues)
    if fresh is None or fresh > now:
        return None
    return _payload(_take_fresh(queues, mapping, now_ms), queues)


def _payload(records: tuple[Record, ...], queues: Queues) -> Payload:
    sources = {(record.topic, record.partition) for record in records}
    return Payload(records, {key: queues[key] for key in sources})


def _fresh_due(queues: Queues, mapping: Mapping, scale: float) -> float | None:
    since = [at for queue in queues.values() if (at := queue.fresh_since()) is not None]
    if not since:
        return None
    sizes = [queue.fresh_size() for queue in queues.values()]
    full = sum(n for n, _ in sizes) >= mapping.batch_size or sum(size for _, size in sizes) >= PAYLOAD_LIMIT
    return min(since) + (0.0 if full else mapping.window_s / scale)


def _take_fresh(queues: Queues, mapping: Mapping, now_ms: float) -> tuple[Record, ...]:
    waiting = [(at, key) for key, queue in queues.items() if (at := queue.fresh_since()) is not None]
    taken: list[Record] = []
    room_bytes = PAYLOAD_LIMIT
    for _, key in sorted(waiting):
        more = queues[key].take_fresh(mapping.batch_size - len(taken), room_bytes, now_ms)
        taken.extend(more)
        room_bytes -= sum(record.payload_bytes for record in more)
        if len(taken) >= mapping.batch_size:
            break
    return tuple(taken)
