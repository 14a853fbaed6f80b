"""The chain is that of the archive's objects, whoever dies; every minute it is signed, and only with a key."""

import base64
import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from local.cli.main import app
from stoa.adapters.s3 import Bucket
from stoa.adapters.signing import SigningKey
from stoa.archive.flows import Archive
from stoa.audit.flows import AuditChain
from stoa.kernel.database import Database
from stoa.kernel.errors import Transient
from stoa.kernel.settings import Secret
from tests.archive.killing import killed_before_the_ledger_moves
from tests.archive.test_archive import crash_at
from tests.audit.history import record

KEY = secrets.token_urlsafe(32)


class Worker:
    """events_to_archive, with its own connections."""

    def __init__(self, url: str, bucket: Bucket, key: str = KEY) -> None:
        self.database = Database(Secret(url), "stoa_worker")
        self.chain = AuditChain(self.database, bucket, SigningKey(Secret(key)))
        self.archive = Archive(self.database, bucket, {"audit-log": self.chain.extend})

    def keep(self, *records: dict[str, Any]) -> None:
        self.archive.keep(records)

    def sign(self) -> int:
        return self.chain.checkpoint(lambda: 60_000)


@pytest.fixture
def new_worker(database_url: str, new_bucket: Callable[[], Bucket]) -> Iterator[Callable[..., Worker]]:
    made: list[Worker] = []

    def make(key: str = KEY) -> Worker:
        made.append(Worker(database_url, new_bucket(), key))
        return made[-1]

    yield make
    for worker in made:
        worker.database.close()


@pytest.fixture
def stoa(bucket: Bucket, s3: str, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """The command line, with the archive of this test and its public key."""
    key = tmp_path / "audit.pub"
    key.write_text(SigningKey(Secret(KEY)).public_pem())

    def run(*arguments: str) -> tuple[int, str]:
        there = {"STOA_ARCHIVE_BUCKET": bucket._name, "STOA_S3_ENDPOINT": s3, "STOA_AUDIT_SIGNING_KEY": KEY}
        done = CliRunner().invoke(app, ["audit", *arguments], env=there, catch_exceptions=False)
        return done.exit_code, done.stdout + done.stderr

    return run


def verified(stoa: Any, folder: Path, *more: str) -> tuple[int, dict[str, Any]]:
    assert stoa("copy", str(folder))[0] == 0
    code, text = stoa("verify", str(folder), "--key", str(folder.parent / "audit.pub"), "--json", *more)
    return code, json.loads(text)


def test_what_is_kept_is_chained_signed_copied_and_verified(new_worker: Any, stoa: Any, tmp_path: Path) -> None:
    worker, other = new_worker(), {**record(0), "topic": "deploy-results"}
    worker.keep(record(0), record(1), record(0, partition=5), other)
    assert worker.sign() == 2
    assert worker.sign() == 0, "nothing came"
    # the outbox published e-0-1 twice, and somebody used e-0-0 for something else
    worker.keep(record(2, "e-0-1"), record(3, "e-0-0", action="OTHER"), record(4))
    code, said = verified(stoa, tmp_path / "early")
    assert (code, [chain["unprotected"] for chain in said["chains"]]) == (0, [3, 0])
    assert worker.sign() == 1
    code, said = verified(stoa, tmp_path / "late")
    assert (code, said["whole"]) == (0, True)
    assert [(c["records"], c["repeated"], c["unprotected"]) for c in said["chains"]] == [(4, 1, 0), (1, 0, 0)]


def test_workers_that_crash_and_batches_that_come_again_make_the_same_chain(
    new_worker: Any, stoa: Any, tmp_path: Path
) -> None:
    one, two = new_worker(), new_worker()
    for first in range(0, 12, 4):
        for worker, event in ((one, "after-call.s3.PutObject"), (two, "before-send.s3.PutObject")):
            crash_at(worker.archive.bucket, event)
            with pytest.raises((ConnectionAbortedError, Transient)):
                worker.keep(*(record(n) for n in range(first, first + 6)))
        two.keep(*(record(n) for n in range(max(0, first - 3), first + 4)))
        one.keep(*(record(n) for n in range(first, first + 3)))
        crash_at(one.chain.bucket, "after-call.s3.PutObject")
        with pytest.raises((ConnectionAbortedError, Transient)):
            one.sign()
        assert (two.sign(), one.sign()) == (1, 0), "the checkpoint that was written is adopted"
    code, said = verified(stoa, tmp_path / "copy")
    (chain,) = said["chains"]
    assert (code, chain["records"], chain["unprotected"]) == (0, chain["last_offset"] + 1, 0)


DYING = """\
import json, sys
from stoa.adapters.s3 import Bucket
from tests.archive.test_audit_chain import Worker
url, name, endpoint, records = json.loads(sys.stdin.read())
Worker(url, Bucket(name, endpoint)).keep(*records)
"""


def test_a_worker_killed_between_the_object_and_the_ledger_leaves_no_hole_in_the_chain(
    database_url: str, new_worker: Any, s3: str, stoa: Any, tmp_path: Path
) -> None:
    worker = new_worker()
    bucket = worker.archive.bucket
    given = [database_url, bucket._name, s3, [record(n) for n in range(5)]]
    with killed_before_the_ledger_moves(database_url, bucket, DYING, given) as admin:
        counts = admin.execute("SELECT (SELECT count(*) FROM audit_links), (SELECT count(*) FROM audit_chains)")
        assert counts.fetchone() == (0, 0), "it died in between"
    worker.keep(*(record(n) for n in range(1, 8)))
    assert worker.sign() == 1
    code, said = verified(stoa, tmp_path / "copy")
    assert (code, said["chains"][0]["records"]) == (0, 8)


def test_without_a_key_nothing_is_signed_and_it_is_an_alarm_until_there_is_one(new_worker: Any, bucket: Bucket) -> None:
    for key in ("", "  ", "not a key", base64.urlsafe_b64encode(b"short").decode()):
        worker = new_worker(key)
        worker.keep(record(0))
        with pytest.raises(Transient, match="signing-key") as refused:
            worker.sign()
        assert refused.value.alarm
        assert key.strip() == "" or key not in str(refused.value)
    assert list(bucket.names("checkpoints/")) == []
    assert new_worker().sign() == 1


def test_many_links_become_several_checkpoints_and_short_time_leaves_them_for_later(
    new_worker: Any, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stoa.audit.model.MOST_LINKS", 3)
    worker = new_worker()
    worker.keep(*(record(n) for n in range(8)))
    assert worker.chain.checkpoint(lambda: 1_000) == 0
    assert worker.sign() == 3
    assert [name.rpartition("/")[2] for name in bucket.names("checkpoints/")] == [
        f"{offset:020d}.json" for offset in (2, 5, 7)
    ]


def test_a_checkpoint_of_another_history_is_not_taken_for_ours(new_worker: Any, bucket: Bucket) -> None:
    bucket.put_if_absent("checkpoints/audit-log/0/00000000000000000000.json", b'{"offset": 0}')
    worker = new_worker()
    worker.keep(record(0), record(0, partition=1))
    with pytest.raises(Transient, match="another history") as stopped:
        worker.sign()
    assert stopped.value.alarm
    assert len(list(bucket.names("checkpoints/audit-log/1/"))) == 1, "the other chain goes on"
