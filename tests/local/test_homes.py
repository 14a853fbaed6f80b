"""Where the state is kept: one platform per folder, a sentence for what cannot be, nothing left of a start cut off."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local.home import occupied

STOA = str(Path(sys.executable).with_name("stoa"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Outside root's home, because PostgreSQL opens the parents of its data."""
    with tempfile.TemporaryDirectory(prefix="stoa home ", dir="/var/tmp", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Path(made)


def refused(folder: Path) -> str:
    done = subprocess.run([STOA, "up", "--home", str(folder)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_second_platform_on_one_folder_is_refused_before_it_writes(folder: Path) -> None:
    with occupied(folder, "lock"):
        assert f"already runs from {folder} (pid {os.getpid()})" in refused(folder)
    assert [file.name for file in folder.iterdir()] == ["lock"]


def test_a_folder_that_cannot_be_is_refused_in_a_sentence(folder: Path) -> None:
    (folder / "file").touch()
    for place in (folder / "file", folder / "file" / "below", Path("/proc/stoa")):
        assert "Choose another folder with --home or STOA_HOME" in refused(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="the trap is root's")
def test_a_folder_below_roots_home_is_refused_in_a_sentence() -> None:
    place = Path.home() / "stoa-test-that-is-never-made"
    assert "set STOA_HOME to a folder elsewhere" in refused(place)
    assert not place.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_start_that_is_cut_off_leaves_no_process(folder: Path, number: signal.Signals) -> None:
    starting = subprocess.Popen([STOA, "up", "--home", str(folder)], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not (folder / "postgres" / "postmaster.pid").exists():
        assert time.monotonic() < deadline, "PostgreSQL is started"
        time.sleep(0.01)
    family = psutil.Process(starting.pid).children(recursive=True)
    assert {"postgres", "java"} <= {one.name() for one in family}
    starting.send_signal(number)
    assert starting.wait(60) != 0
    _, alive = psutil.wait_procs(family, timeout=10)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
