"""Each way to tamper with an archive is found, and the first bad record is named."""

import json
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from local.audit.chain import Finding
from local.audit.verify import Report, verify
from stoa.audit import model
from stoa.audit.events import AUDIT_LOG
from stoa.audit.model import Place
from tests.audit.history import KEYS, SIGNER, History, record

MANY = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEED = st.integers(0, 2**32)


def checked(root: Path, *heads: bytes, processes: int = 1) -> Report:
    known = [model.opened(AUDIT_LOG, head, KEYS) for head in heads]
    return verify(root, KEYS, known, lambda *_: None, processes=processes)


def first_bad(report: Report) -> Finding:
    (chain,) = report.chains
    assert not report.whole
    assert report.strange == []
    return chain.findings[0]


@contextmanager
def some_history(chance: random.Random, partition: int = 0, again: int = 0) -> Iterator[History]:
    """Objects of one to six records over some hours, with gaps, repeated ids, and a checkpoint now and then."""
    with tempfile.TemporaryDirectory() as folder:
        made, offset = History(Path(folder), Place(partition, again)), chance.choice([0, 0, 7])
        ids: list[str] = []
        for number in range(chance.randint(1, 6)):
            records = []
            for _ in range(chance.randint(1, 6)):
                known = chance.choice(ids) if ids and chance.random() < 0.15 else f"e-{offset}"
                ids.append(known)
                records.append(record(offset, known, partition, at=1_767_348_000_000 + number * 3_000_000))
                offset += chance.choice([1, 1, 1, 2])
            made.keep(records)
            if chance.random() < 0.5:
                made.sign()
        if made.pending:
            made.sign()
        yield made


@MANY
@given(SEED)
def test_what_nobody_touched_is_whole(seed: int) -> None:
    with some_history(random.Random(seed), 3, seed % 2) as history:
        report = checked(history.root)
        (chain,) = report.chains
        distinct = len({line["headers"]["ce_id"] for line in history.all_lines()})
        assert report.whole, report
        assert (chain.records, chain.unprotected) == (distinct, 0)
        assert chain.records + chain.repeated == len(history.all_lines())


@MANY
@given(SEED)
def test_a_byte_that_changes_what_a_record_says_is_found_in_that_record(seed: int) -> None:
    chance = random.Random(seed)
    with some_history(chance) as history:
        name = chance.choice(history.objects)
        before = history.lines(name)
        rows = [json.dumps(line, separators=(",", ":")).encode() for line in before]
        number = chance.randrange(len(rows))
        at = chance.randrange(len(rows[number]))
        changed = bytearray(rows[number])
        changed[at] ^= 1 << chance.randrange(8)
        try:  # an escape in other letters says the same
            assume(json.loads(changed) != before[number])
        except ValueError:
            assume(b"\n" not in changed)
        rows[number] = bytes(changed)
        history.rewrite_text(name, b"".join(row + b"\n" for row in rows))
        bad = first_bad(checked(history.root))
        assert bad.offset == before[number]["offset"]
        assert bad.where == f"{name} line {number + 1}" or "missing" in bad.says


@MANY
@given(SEED)
def test_a_byte_of_an_object_as_it_is_stored_is_found(seed: int) -> None:
    """Unless it is one that gzip itself gives no meaning: when it was made, and on which system."""
    chance = random.Random(seed)
    with some_history(chance) as history:
        name = chance.choice(history.objects)
        lines, data = history.lines(name), bytearray((history.root / name).read_bytes())
        data[chance.randrange(10, len(data))] ^= 1 << chance.randrange(8)
        (history.root / name).write_bytes(data)
        assert name in str(bad := first_bad(checked(history.root))) or bad.offset >= lines[0]["offset"]


@MANY
@given(SEED)
def test_a_record_that_was_dropped_is_missing(seed: int) -> None:
    chance = random.Random(seed)
    with some_history(chance) as history:
        name = chance.choice(history.objects)
        lines = history.lines(name)
        gone = lines.pop(chance.randrange(len(lines)))
        history.rewrite(name, lines)
        bad = first_bad(checked(history.root))
        assert (bad.offset, "missing" in bad.says) == (gone["offset"], True)


@MANY
@given(SEED, st.sampled_from(["lines", "bodies", "ids"]))
def test_two_records_that_were_swapped_are_found_at_the_first(seed: int, how: str) -> None:
    """Their lines, also into other objects; all but their places; or nothing but their ids."""
    chance = random.Random(seed)
    with some_history(chance) as history:
        objects = {name: history.lines(name) for name in history.objects}
        places = [(name, n) for name, lines in objects.items() for n in range(len(lines))]
        assume(len(places) > 1)
        (one, i), (two, j) = sorted(chance.sample(places, 2), key=places.index)
        a, b = objects[one][i], objects[two][j]
        assume(a["headers"]["ce_id"] != b["headers"]["ce_id"])
        if how == "lines":
            objects[one][i], objects[two][j] = b, a
        else:
            swapped = ("headers",) if how == "ids" else ("key", "headers", "value", "timestamp")
            objects[one][i] = {**a, **{field: b[field] for field in swapped}}
            objects[two][j] = {**b, **{field: a[field] for field in swapped}}
        for name in {one, two}:
            history.rewrite(name, objects[name])
        assert first_bad(checked(history.root)).offset == a["offset"]


@MANY
@given(SEED, st.sampled_from(["new", "copied", "same offset"]))
def test_a_record_that_was_inserted_is_found(seed: int, how: str) -> None:
    chance = random.Random(seed)
    with some_history(chance) as history:
        lines = history.all_lines()
        free = sorted(set(range(lines[0]["offset"], lines[-1]["offset"])) - {line["offset"] for line in lines})
        offset = lines[chance.randrange(len(lines))]["offset"] if how == "same offset" else chance.choice(free or [-1])
        assume(offset >= 0)
        told = chance.choice(lines) if how == "copied" else {**lines[0], "value": '{"event_id":"forged"}'}
        name = max(n for n in history.objects if history.lines(n)[0]["offset"] <= offset)
        there = history.lines(name)
        at = sum(line["offset"] <= offset for line in there) - (how == "same offset" and chance.random() < 0.5)
        there.insert(at, {**told, "offset": offset})
        history.rewrite(name, there)
        assert first_bad(checked(history.root)).offset == offset


@MANY
@given(SEED)
def test_an_end_that_was_cut_off_is_found_by_a_checkpoint_from_elsewhere(seed: int) -> None:
    """With its checkpoints, so that nothing in the folder tells of it."""
    chance = random.Random(seed)
    with some_history(chance) as history:
        assume(len(history.objects) > 1)
        head = (history.root / history.checkpoints[-1]).read_bytes()
        cut = chance.randrange(1, len(history.objects))
        last = history.lines(history.objects[cut - 1])[-1]["offset"]
        gone = history.lines(history.objects[cut])[0]["offset"]
        for name in history.objects[cut:]:
            (history.root / name).unlink()
        assert "missing" in first_bad(checked(history.root)).says, "the newest checkpoint of the folder tells it"
        for name in history.checkpoints:
            if int(Path(name).stem) >= gone:
                (history.root / name).unlink()
        rest = checked(history.root)
        assert rest.whole or any("no checkpoint" in f.says for chain in rest.chains for f in chain.findings)
        assert last < first_bad(checked(history.root, head)).offset <= gone


@pytest.fixture
def two(tmp_path: Path) -> tuple[History, History]:
    """Partition 1, and partition 4 whose checkpoint says where partition 1 stood."""
    one, four = (History(tmp_path, Place(number)) for number in (1, 4))
    for history in (one, four):
        for first in (0, 5):
            history.keep([record(n, partition=history.place.partition) for n in range(first, first + 5)])
            history.sign()
    assert one.state
    four.keep([record(n, partition=4) for n in range(10, 12)])
    four.sign({one.place: one.state})
    assert checked(tmp_path).whole
    return one, four


def test_a_partition_that_is_gone_with_its_checkpoints_is_told_by_another_one(two: Any) -> None:
    one, four = two
    for name in [*one.objects, *one.checkpoints]:
        (one.root / name).unlink()
    lost, kept = checked(one.root).chains
    assert (lost.place, lost.records, len(lost.findings), kept.findings) == (one.place, 0, 1, [])
    head = (four.root / four.checkpoints[-1]).read_bytes()
    for name in [*four.objects, *four.checkpoints]:
        (four.root / name).unlink()
    assert [len(chain.findings) for chain in checked(one.root, head).chains] == [1, 3]


def test_records_after_the_last_checkpoint_are_unprotected_and_five_minutes_of_them_are_an_alarm(two: Any) -> None:
    one, four = two
    one.keep([record(n, partition=1) for n in range(10, 13)])
    report = checked(one.root)
    assert report.whole
    assert [chain.unprotected for chain in report.chains] == [3, 0]
    one.keep([record(13, partition=1, at=1_767_348_000_000 + 400_000)])
    (bad,) = checked(one.root).chains[0].findings
    assert (bad.offset, "no checkpoint" in bad.says) == (10, True)


def test_without_the_checkpoint_that_tells_which_record_the_range_is_named(two: Any) -> None:
    one, _ = two
    (one.root / one.checkpoints[0]).unlink()
    assert checked(one.root).whole, "the next one is over everything before it as well"
    lines = one.lines(one.objects[0])
    one.rewrite(one.objects[0], [*lines[:2], {**lines[2], "value": "{}"}, *lines[3:]])
    (bad,) = checked(one.root).chains[0].findings
    assert (bad.offset, "until 9" in bad.says) == (0, True)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda said: {**said, "records": 9}, "not signed by a key"),
        (lambda said: {**said, "time": "later"}, "not signed by a key"),
        (lambda said: {**said, "links": said["links"][:-1]}, "not signed by a key"),
        (lambda said: {**said, "key_id": "0" * 16}, "not signed by a key"),
        (lambda said: {**said, "signature": "A" * 88}, "not signed by a key"),
        (lambda said: {name: said[name] for name in said if name != "signature"}, "is no checkpoint"),
        (lambda said: [said], "is no checkpoint"),
    ],
)
def test_a_checkpoint_that_was_changed_proves_nothing_and_is_told(two: Any, change: Any, says: str) -> None:
    one, _ = two
    path = one.root / one.checkpoints[0]
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    (strange,) = checked(one.root).strange
    assert strange.startswith(one.checkpoints[0])
    assert says in strange


def test_the_same_checkpoint_in_other_letters_is_the_same(two: Any) -> None:
    one, _ = two
    path = one.root / one.checkpoints[0]
    said = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(said.items())), indent=3).replace('"records": 5', '"records": 5.0'))
    assert checked(one.root).whole


def test_a_checkpoint_under_another_name_and_a_file_of_nobody_are_told(two: Any) -> None:
    one, _ = two
    (one.root / one.checkpoints[0]).rename((one.root / one.checkpoints[0]).with_name("0" * 20 + ".json"))
    (one.root / "events/audit-log/notes.txt").write_text("x")
    assert len(checked(one.root).strange) == 2


def test_an_older_key_verifies_what_it_signed() -> None:
    from secrets import token_urlsafe

    from stoa.adapters.signing import PublicKeys, SigningKey
    from stoa.kernel.settings import Secret

    with tempfile.TemporaryDirectory() as folder:
        history, newer = History(Path(folder)), SigningKey(Secret(token_urlsafe(32)))
        for n, signer in enumerate((SIGNER, newer)):
            history.keep([record(n)])
            history.sign(signer=signer)
        both = PublicKeys.read(SIGNER.public_pem() + newer.public_pem())
        assert verify(history.root, both, [], lambda *_: None).whole
        assert not checked(history.root).whole


def test_several_processes_find_the_same(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one, four = two
    monkeypatch.setattr("local.audit.verify.MANY", 1)
    monkeypatch.setattr("local.audit.verify.PORTION", 1)
    assert checked(one.root, processes=2).whole
    one.rewrite(one.objects[1], one.lines(one.objects[1])[1:])
    (four.root / four.objects[0]).write_bytes(b"x")
    assert checked(one.root, processes=2) == checked(one.root)
    assert [chain.findings[0].offset for chain in checked(one.root).chains] == [5, 0]
