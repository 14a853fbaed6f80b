"""`stoa audit` says what it found, what to do about it, and how it ended."""

import csv
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from local.audit.export import Wanted, export
from local.cli.main import app
from local.cli.replay import moment
from stoa.archive import model as archive
from stoa.audit import model
from stoa.audit.events import COLUMNS, csv_line
from stoa.audit.model import Place
from stoa.kernel.canonical import canonical
from tests.audit.history import KEYS, SIGNER, History, record

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def stoa(tmp_path: Path) -> Run:
    (tmp_path / "audit.pub").write_text(SIGNER.public_pem())

    def run(*arguments: Any, **environment: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, ["audit", *map(str, arguments)], env=environment, catch_exceptions=False)
        return done.exit_code, done.stdout, " ".join(done.stderr.split())

    return run


@pytest.fixture
def history(tmp_path: Path) -> History:
    """Ten signed records, and two after them."""
    made = History(tmp_path / "copy", Place(2))
    made.keep([record(n, partition=2) for n in range(10)])
    made.sign()
    made.keep([record(n, partition=2) for n in range(10, 12)])
    return made


def test_what_is_whole_and_what_is_not_protected_yet_is_said(stoa: Run, history: History, tmp_path: Path) -> None:
    code, said, _ = stoa("verify", history.root, "--key", tmp_path / "audit.pub")
    assert code == 0
    assert "whole: 12 records; 2 came after the last checkpoint and are not protected yet" in said


def test_the_first_bad_record_is_named_with_its_object_line_and_event(
    stoa: Run, history: History, tmp_path: Path
) -> None:
    name = history.objects[0]
    lines = history.lines(name)
    for n in range(3, 10):
        lines[n] = {**lines[n], "value": '{"action":"\x1b[2JFORGED"}'}
    lines[3]["headers"]["ce_id"] = "e\x1b[31m"
    history.rewrite(name, lines)
    code, said, _ = stoa("verify", history.root, "--key", tmp_path / "audit.pub")
    assert code == 1
    assert f"partition 2, first bad record: offset 3 is not the record that was signed ({name} line 4" in said
    assert "NOT WHOLE" in said
    assert "2 more; --json names all" in said
    assert "\x1b" not in said
    code, said, _ = stoa("verify", history.root, "--key", tmp_path / "audit.pub", "--json")
    (chain,) = json.loads(said)["chains"]
    assert (code, [bad["offset"] for bad in chain["findings"]]) == (1, [*range(3, 10)])


def test_a_checkpoint_from_elsewhere_is_taken_and_one_of_nobody_is_refused(
    stoa: Run, history: History, tmp_path: Path
) -> None:
    head, key = tmp_path / "head.json", ("--key", tmp_path / "audit.pub")
    head.write_bytes(2 * (history.root / history.checkpoints[0]).read_bytes())
    assert stoa("verify", history.root, *key, "--head", head)[0] == 0
    for name in history.objects + history.checkpoints:
        (history.root / name).unlink()
    code, said, _ = stoa("verify", history.root, *key, "--head", head)
    assert (code, "first bad record: offset 0 is missing" in said) == (1, True)
    head.write_text(head.read_text().replace('"records":10', '"records":11'))
    code, _, why = stoa("verify", history.root, *key, "--head", head)
    assert (code, "proves nothing: it is not signed" in why) == (2, True)
    head.write_text("\n")
    assert stoa("verify", history.root, *key, "--head", head)[0] == 2


def test_what_cannot_be_verified_is_refused_with_what_to_do(stoa: Run, history: History, tmp_path: Path) -> None:
    code, _, why = stoa("verify", tmp_path, "--key", tmp_path / "audit.pub")
    assert (code, "give the folder that the whole bucket was copied to" in why) == (2, True)
    for text in ("", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "junk"):
        (tmp_path / "bad.pub").write_text(text)
        code, _, why = stoa("verify", history.root, "--key", tmp_path / "bad.pub")
        assert (code, "`stoa audit key` prints one" in why) == (2, True)
    code, _, why = stoa("key", STOA_AUDIT_SIGNING_KEY="short")
    assert (code, "32 bytes" in why, "short" in why) == (2, True, False)
    code, said, _ = stoa("key", STOA_AUDIT_SIGNING_KEY=SIGNER.secret.reveal())
    assert (code, said) == (0, SIGNER.public_pem())


def exported(history: History, wanted: Wanted, *, as_csv: bool) -> str:
    target = io.StringIO(newline="")
    objects = [history.lines(name) for name in history.objects]
    done = export(objects, wanted, target, csv=as_csv, progress=lambda _: None)
    assert (done.records, done.unusable) == (sum(map(len, objects)), 1)
    return target.getvalue()


def test_an_export_has_each_event_once_and_only_those_that_were_asked_for(tmp_path: Path) -> None:
    history = History(tmp_path)
    said: dict[str, Any] = {"tenant": "acme", "resource": "=1+1", "after": {"a": 1}}
    history.keep([
        record(0, occurred_at="2026-01-02T10:00:00.000Z", **said),
        record(1, "e-0-0", occurred_at="2026-01-02T10:00:00.000Z", **said),
        record(2, occurred_at="2026-01-02T11:00:00.000Z", tenant="_platform"),
        record(3, occurred_at="2026-01-02T12:00:00.000Z", tenant="acme", actor="\ud83d"),
        {**record(4), "value": "bm8ganNvbg=="},
    ])  # fmt: skip
    ids = [json.loads(line)["event_id"] for line in exported(history, Wanted(), as_csv=False).splitlines()]
    assert ids == ["e-0-0", "e-0-2", "e-0-3"]
    assert '"?"' in exported(history, Wanted(), as_csv=True).splitlines()[-1]
    some = Wanted("acme", moment("2026-01-02T10:00:00Z"), moment("2026-01-02T13:00:00+01:00"))
    (row,) = csv.DictReader(io.StringIO(exported(history, some, as_csv=True), newline=""))
    assert tuple(row) == COLUMNS
    assert (row["event_id"], row["resource"], json.loads(row["after"]), row["ip"]) == ("e-0-0", "'=1+1", {"a": 1}, "")


def test_an_export_never_writes_over_a_file_and_says_when_there_is_no_archive(stoa: Run, tmp_path: Path) -> None:
    away = {"STOA_ARCHIVE_BUCKET": "b", "STOA_S3_ENDPOINT": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "eu-central-1"}  # fmt: skip
    (tmp_path / "there.csv").write_text("mine")
    code, _, why = stoa("export", "-o", tmp_path / "there.csv", **away)
    assert (code, "name a new file" in why, (tmp_path / "there.csv").read_text()) == (2, True, "mine")
    code, _, why = stoa("export", "-o", tmp_path / "new.csv", **away)
    assert (code, "s3" in why, list(tmp_path.glob("new*"))) == (2, True, [])
    assert stoa("export", "--from", "yesterday", **away)[0] == 2


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=8) | st.none(), min_size=1, max_size=4))
def test_no_cell_begins_as_a_formula_and_each_comes_back(cells: list[str | None]) -> None:
    line = csv_line(cells)
    (row,) = csv.reader(io.StringIO(line, newline=""))
    for cell, text in zip(row, cells, strict=True):
        assert not cell.lstrip().startswith(("=", "+", "-", "@"))
        assert cell.removeprefix("'") == (text or "").removeprefix("'")


@settings(max_examples=50, deadline=None)
@given(
    st.binary(max_size=9), st.binary(max_size=9), st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3)
)
def test_a_digest_is_that_of_the_whole_canonical_line(key: bytes, value: bytes, headers: dict[str, str]) -> None:
    line = archive.line(("audit-log", 1, 2), 3, key, value, [(n, t.encode()) for n, t in headers.items()])
    again = json.loads(json.dumps(dict(reversed(line.items())), indent=1).replace('"offset": 2', '"offset": 2.0'))
    for one in (line, again):
        (link,) = model.linked([one], set())
        assert link.digest == hashlib.sha256(canonical(line)).digest()
    assert KEYS.keys
