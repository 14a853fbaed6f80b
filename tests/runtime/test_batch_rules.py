"""The rules of the event source, without a broker: a simulated partition log, a simulated function."""

from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.runtime import answers, dispatch
from local.runtime.mapping import PAYLOAD_LIMIT, Mapping, Partition, Record
from local.runtime.partition_queue import PartitionQueue

TOPIC = "deploy-requests"
READINGS = ("reported", "lowest")
logs = st.lists(st.lists(st.sampled_from("abcd"), max_size=25), min_size=1, max_size=4)


def record(partition: int, offset: int, key: str = "a", timestamp: int = 0, size: int = 0) -> Record:
    return Record(TOPIC, partition, offset, timestamp, key.encode(), b"x" * size)


def mapping(**changes) -> Mapping:
    return Mapping("f", TOPIC, "f.g", **{"batch_size": 4, **changes})


@dataclass
class World:
    """Partition logs, committed offsets, and what the function did; `now` moves only when nothing is due."""

    mapping: Mapping
    log: list[list[str]]
    now: float = 0.0
    effects: list[tuple[int, int, str]] = field(default_factory=list)
    given_up: list[tuple[int, int]] = field(default_factory=list)
    committed: dict[Partition, int] = field(default_factory=dict)
    queues: dict[Partition, PartitionQueue] = field(default_factory=dict)
    invocations: int = 0

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """A fresh runner: knows only what was committed."""
        self.queues = {(TOPIC, n): PartitionQueue(self.mapping) for n in range(len(self.log))}
        for (_, n), queue in self.queues.items():
            start = self.committed.get((TOPIC, n), 0)
            for offset in range(start, len(self.log[n])):
                queue.add(record(n, offset, self.log[n][offset]), self.now)

    def step(
        self, fails: frozenset[str] = frozenset(), *, raises: bool = False, poison: frozenset = frozenset()
    ) -> bool:
        """One invocation; False when there is nothing left to do."""
        due = dispatch.next_due(self.queues, self.mapping, 1.0)
        if due is None:
            return False
        self.now = max(self.now, due)
        payload = dispatch.compose(self.queues, self.mapping, self.now, 0, 1.0)
        assert payload is not None
        self.invocations += 1
        assert 0 < len(payload.records) <= self.mapping.batch_size
        reply = None if raises else self._function(payload.records, fails, poison)
        reported = None if reply is None else answers.reported(reply, payload.records)
        for (_, n), queue in payload.queues.items():
            offsets = None if reported is None else frozenset(o for name, o in reported if name == f"{TOPIC}-{n}")
            if offsets is None or offsets:
                queue.fail(offsets, self.now, shared=len(payload.queues) > 1)
            else:
                queue.succeed()
            self.given_up += [(n, one.record.offset) for one in queue.dropped]
            queue.dropped.clear()
        self._commit()
        return True

    def _function(self, records, fails, poison) -> dict | None:
        """The processor of entrypoints/kafka.py in short: a failed key blocks the later records of its key."""
        blocked, failures = set(), []
        for one in records:
            name = one.key.decode()
            if (one.partition, one.offset) in poison:
                return None
            if name in fails or (one.partition, name) in blocked:
                blocked.add((one.partition, name))
                failures.append({"itemIdentifier": {"partition": f"{TOPIC}-{one.partition}", "offset": one.offset}})
            else:
                self.effects.append((one.partition, one.offset, name))
        return {"batchItemFailures": failures}

    def _commit(self) -> None:
        done = {(partition, offset) for partition, offset, _ in self.effects} | set(self.given_up)
        for (topic, n), queue in self.queues.items():
            position = queue.commit_position()
            if position is not None:
                assert all((n, offset) in done for offset in range(position)), "committed before it was done"
                assert position >= self.committed.get((topic, n), 0), "committed backwards"
                self.committed[topic, n] = position

    def drain(self, **how) -> None:
        while self.step(**how):
            assert self.invocations < 10_000

    def first_effects(self, partition: int, key: str) -> list[int]:
        offsets = [offset for p, offset, k in self.effects if (p, k) == (partition, key)]
        return list(dict.fromkeys(offsets))

    def everything(self) -> set[tuple[int, int]]:
        return {(n, offset) for n, keys in enumerate(self.log) for offset in range(len(keys))}


troubles = st.lists(
    st.one_of(
        st.just("raise"),
        st.just("crash"),
        st.frozensets(st.sampled_from("abcd"), max_size=4),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(logs, troubles, st.sampled_from(READINGS), st.booleans(), st.integers(1, 7))
def test_loses_nothing_and_keeps_the_order_of_each_key(log, trouble, reading, bisect, batch_size):
    world = World(mapping(resume=reading, bisect=bisect, batch_size=batch_size), log)
    for one in trouble:
        if one == "crash":
            world.restart()
        elif one == "raise":
            world.step(raises=True)
        else:
            world.step(fails=one)
    world.drain()
    assert {(p, offset) for p, offset, _ in world.effects} == world.everything()
    assert world.given_up == []
    assert sum(world.committed.values()) == len(world.everything())
    for partition, keys in enumerate(log):
        for key in set(keys):
            first = world.first_effects(partition, key)
            assert first == sorted(first)


@settings(max_examples=30, deadline=None)
@given(logs, st.integers(0, 300), st.sampled_from(READINGS))
def test_an_outage_of_any_length_ends_with_an_empty_backlog(log, length, reading):
    world = World(mapping(resume=reading), log)
    for _ in range(length):
        world.step(raises=True)
    world.drain()
    assert sorted((p, offset) for p, offset, _ in world.effects) == sorted(world.everything())


@settings(max_examples=80, deadline=None)
@given(logs, st.data(), st.integers(0, 3))
def test_bisecting_drops_the_poison_and_nothing_else(log, data, retries):
    records = sorted((n, offset) for n, keys in enumerate(log) for offset in range(len(keys)))
    poison = data.draw(st.frozensets(st.sampled_from(records), max_size=3)) if records else frozenset()
    world = World(mapping(retries=retries, bisect=True), log)
    world.drain(poison=poison)
    assert sorted(world.given_up) == sorted(poison)
    assert {(p, offset) for p, offset, _ in world.effects} >= world.everything() - poison


def test_without_bisect_the_whole_batch_is_given_up():
    world = World(mapping(retries=2), [["a"] * 6])
    world.drain(poison=frozenset({(0, 1)}))
    assert world.given_up == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert [offset for _, offset, _ in world.effects if offset > 3] == [4, 5]
    assert world.invocations == 3 + 1


def test_unlimited_retries_with_a_target_end_after_ten():
    world = World(mapping(on_failure="parked"), [["a"]])
    world.drain(raises=True)
    assert world.given_up == [(0, 0)]
    assert world.invocations == 11


@pytest.mark.parametrize(("reading", "again"), [("reported", [1, 3]), ("lowest", [1, 2, 3])])
def test_a_partial_answer_brings_back_what_its_reading_says(reading: Literal["reported", "lowest"], again):
    queue = PartitionQueue(mapping(resume=reading))
    for offset in range(6):
        queue.add(record(0, offset), 0.0)
    queue.take_fresh(4, PAYLOAD_LIMIT, 0)
    queue.fail(frozenset({1, 3}), 0.0)
    assert queue.commit_position() == 1
    assert queue.fresh_since() is None, "nothing newer may overtake"
    assert [one.offset for one in queue.take_again(0)] == again


def test_waits_longer_after_each_failure_up_to_a_limit():
    queue = PartitionQueue(mapping(backoff_s=(1.0, 5.0)), scale=10.0)
    queue.add(record(0, 0), 0.0)
    queue.take_fresh(1, PAYLOAD_LIMIT, 0)
    waits = []
    for _ in range(5):
        queue.fail(None, 0.0)
        waits.append(queue.retry_due())
        queue.take_again(0)
    assert waits == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_a_failed_partition_holds_up_no_other():
    world = World(mapping(backoff_s=(100.0, 100.0), batch_size=2), [["a"] * 2, ["b"] * 6])
    world.step(raises=True)
    while world.now < 100.0 and world.step():
        pass
    assert {(p, offset) for p, offset, _ in world.effects} >= {(1, n) for n in range(6)}


def test_a_failed_batch_travels_alone():
    world = World(mapping(batch_size=10), [["a"], ["b"]])
    world.step(raises=True)
    payloads = [
        dispatch.compose(world.queues, world.mapping, 99.0, 0, 1.0),
        dispatch.compose(world.queues, world.mapping, 99.0, 0, 1.0),
    ]
    assert [len(one.queues) for one in payloads if one] == [1, 1]


def test_old_records_are_given_up_without_an_invocation():
    queue = PartitionQueue(mapping(record_age_s=60.0))
    queue.add(record(0, 0, timestamp=0), 0.0)
    queue.add(record(0, 1, timestamp=50_000), 0.0)
    taken = queue.take_fresh(10, PAYLOAD_LIMIT, 100_000)
    assert [one.offset for one in taken] == [1]
    assert [(one.record.offset, one.condition) for one in queue.dropped] == [(0, "MaximumRecordAgeExceeded")]
    assert queue.commit_position() == 0, "not before the target has it"


def test_a_filtered_record_moves_the_commit_but_never_past_an_unfinished_one():
    queue = PartitionQueue(mapping())
    queue.add(record(0, 0), 0.0, wanted=False)
    assert queue.commit_position() == 1
    queue.add(record(0, 1), 0.0)
    queue.add(record(0, 2), 0.0, wanted=False)
    assert queue.commit_position() == 1
    queue.take_fresh(1, PAYLOAD_LIMIT, 0)
    queue.succeed()
    assert queue.commit_position() == 3


def test_the_window_waits_for_more_until_the_batch_is_full():
    queues = {(TOPIC, n): PartitionQueue(mapping()) for n in range(2)}
    settings_ = mapping(window_s=5.0)
    queues[TOPIC, 0].add(record(0, 0), 1.0)
    assert dispatch.compose(queues, settings_, 5.9, 0, 1.0) is None
    assert dispatch.next_due(queues, settings_, 1.0) == 6.0
    for offset in range(3):
        queues[TOPIC, 1].add(record(1, offset), 2.0)
    payload = dispatch.compose(queues, settings_, 2.0, 0, 1.0)
    assert payload is not None
    assert len(payload.records) == 4


def test_a_payload_stays_below_six_megabytes():
    queues = {(TOPIC, 0): PartitionQueue(mapping(batch_size=100, window_s=60.0))}
    for offset in range(10):
        queues[TOPIC, 0].add(record(0, offset, size=900_000), 0.0)
    payload = dispatch.compose(queues, mapping(batch_size=100, window_s=60.0), 0.0, 0, 1.0)
    assert payload is not None
    assert sum(one.payload_bytes for one in payload.records) <= PAYLOAD_LIMIT
    assert len(payload.records) == 5


def test_a_record_larger_than_a_payload_still_travels():
    queue = PartitionQueue(mapping())
    queue.add(record(0, 0, size=PAYLOAD_LIMIT), 0.0)
    assert len(queue.take_fresh(10, PAYLOAD_LIMIT, 0)) == 1
