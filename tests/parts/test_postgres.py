"""PostgreSQL as a part: its rows over a crash, nothing left of it, no folder opened to others, and clear words."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from local.parts.postgres import Postgres, UnsafeFolder
from local.parts.process import DiedEarly

Start = Callable[..., Any]


def family(pid: int) -> list[psutil.Process]:
    head = psutil.Process(pid)
    return [head, *head.children(recursive=True)]


def rows(server: Postgres) -> list[Any]:
    with psycopg.connect(server.url) as connection:
        return connection.execute("SELECT n FROM kept ORDER BY n").fetchall()


def fill(server: Postgres) -> None:
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept SELECT generate_series(1, 3)")


def test_postgresql_keeps_its_rows_over_kill_9_and_over_a_stop(start: Start) -> None:
    server = start("postgres")
    fill(server)
    server.kill()
    assert server.pid is None
    server.start()
    assert rows(server) == [(1,), (2,), (3,)]
    server.stop()
    server.start()
    assert rows(server) == [(1,), (2,), (3,)]


def test_postgresql_ends_with_the_process_that_started_it_even_by_kill_9(start: Start, home: Path) -> None:
    server = start("postgres")
    server.stop()
    code = (
        "import sys; from pathlib import Path; from local.parts.postgres import Postgres;"
        "server = Postgres(Path(sys.argv[1])); server.start(); print(server.pid, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(home / "postgres")]
    user = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert user.stdout
    members = family(int(user.stdout.readline()))
    user.kill()
    user.wait()
    server.start()  # at once: it waits for what is left of the other
    assert psutil.wait_procs(members, timeout=10)[1] == []


def test_postgresql_starts_in_a_folder_with_a_blank_or_a_long_name_and_after_half_a_start(home: Path) -> None:
    for name in ("a b", "long" * 30):
        folder = home / name / "postgres"
        half = folder.with_name("postgres.new")
        half.mkdir(parents=True)
        (half / "PG_VERSION").write_text("18\n")
        server = Postgres(folder)
        try:
            server.start()
            fill(server)
            assert rows(server) == [(1,), (2,), (3,)]
        finally:
            server.stop()


def test_postgresql_leaves_a_shell_alone_that_works_in_its_folder(start: Start, home: Path) -> None:
    server = start("postgres")
    shell = subprocess.Popen(["sleep", "60"], cwd=home / "postgres")
    try:
        server.kill()
        server.start()  # which raises when it takes the shell for a rest of the server
        assert (shell.poll(), server.pid is not None) == (None, True)
    finally:
        shell.kill()
        shell.wait()


def test_postgresql_keeps_its_socket_out_of_a_folder_that_somebody_else_made(home: Path) -> None:
    server = Postgres(home / ("long" * 30) / "postgres")
    trap, theirs = server._sockets, home / "theirs"
    theirs.mkdir(mode=0o755)
    trap.symlink_to(theirs)
    try:
        with pytest.raises(DiedEarly, match="somebody else"):
            server.start()
        assert (theirs.owner(), list(theirs.iterdir())) == (home.owner(), [])
    finally:
        trap.unlink()


def test_postgresql_is_not_fooled_by_a_stale_pid_that_somebody_else_has_now(start: Start, home: Path) -> None:
    server = start("postgres")
    fill(server)
    file = home / "postgres" / "postmaster.pid"
    text = file.read_text()
    server.kill()
    file.write_text(re.sub(r"^\d+", str(os.getpid()), text))
    server.start()
    assert rows(server) == [(1,), (2,), (3,)]


def test_postgresql_that_cannot_start_says_why(start: Start, home: Path) -> None:
    server = start("postgres")
    server.stop()
    (home / "postgres" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(DiedEarly, match="no_such_setting"):
        server.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="the trap is root's")
def test_postgresql_does_not_open_roots_home_to_all() -> None:
    mode = Path.home().stat().st_mode
    with pytest.raises(UnsafeFolder, match="STOA_HOME"):
        Postgres(Path.home() / "stoa-test-that-is-never-made").start()
    assert Path.home().stat().st_mode == mode
    assert not (Path.home() / "stoa-test-that-is-never-made").exists()
