"""A worker that is killed when it has written its object and the ledger has not moved yet."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from stoa.adapters.s3 import Bucket

PATIENCE_S = 120
STUCK = """\
CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END';
CREATE TRIGGER stay BEFORE UPDATE ON archive_ledger FOR EACH ROW
  WHEN (NEW.next_offset <> OLD.next_offset) EXECUTE FUNCTION stay();
"""


@contextmanager
def killed_before_the_ledger_moves(
    database_url: str, bucket: Bucket, program: str, given: list[Any]
) -> Iterator[psycopg.Connection[Any]]:
    """`program` gets `given` as JSON; it and its session are dead, and the ledger moves again, in the block."""
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(STUCK)
        dying = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, text=True)
        assert dying.stdin
        dying.stdin.write(json.dumps(given))
        dying.stdin.close()
        until = time.monotonic() + PATIENCE_S
        while not list(bucket.names("events/")) and time.monotonic() < until:
            time.sleep(0.02)
        os.kill(dying.pid, signal.SIGKILL)
        dying.wait()
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database() AND usename IS NOT NULL"
        )
        admin.execute("DROP TRIGGER stay ON archive_ledger")
        yield admin
