"""Where the state is kept: one platform per folder, a sentence for what cannot be, nothing left of a start cut off."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from local.home import Home, Unusable, occupied

STOA = str(Path(sys.executable).with_name("stoa"))
Run = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Outside root's home, because PostgreSQL opens the parents of its data."""
    with tempfile.TemporaryDirectory(prefix="stoa home ", dir="/var/tmp", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
def run(folder: Path) -> Iterator[Run]:
    """Starts `stoa`, and kills it after the test, whatever that found."""
    with ExitStack() as started:

        def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
            pipe = subprocess.PIPE
            made = subprocess.Popen(
                [STOA, *arguments], env={**os.environ, **environment}, stdout=pipe, stderr=pipe, text=True
            )
            started.callback(made.wait)
            started.callback(made.kill)
            return made

        yield start


def refused(folder: Path, said: int = 0) -> str:
    done = subprocess.run([STOA, "up", "--home", str(folder)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout == "") == (2, said == 0)
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_second_platform_on_one_folder_is_refused_before_it_writes(folder: Path) -> None:
    with occupied(folder, "lock"):
        assert f"already runs from {folder} (pid {os.getpid()})" in refused(folder)
    assert [file.name for file in folder.iterdir()] == ["lock"]


def test_a_folder_is_free_when_its_platform_was_killed_although_a_child_lives_on(folder: Path) -> None:
    code = (
        "import subprocess, sys, time; from pathlib import Path; from local.home import occupied\n"
        "with occupied(Path(sys.argv[1]), 'lock'):\n"
        "    print(subprocess.Popen(['sleep', '60'], close_fds=False).pid, flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout
    child = psutil.Process(int(holder.stdout.readline()))
    try:
        with pytest.raises(Unusable, match=f"pid {holder.pid}"), occupied(folder, "lock"):
            pass
        holder.kill()
        holder.wait()
        with occupied(folder, "lock"):
            assert child.is_running()
    finally:
        child.kill()
        holder.kill()
        holder.wait()


@pytest.mark.parametrize("kept", ["{", "[]", '{"gitlab_token": "t"}', '{"gitlab_token": 1}'])
def test_secrets_that_are_damaged_are_refused_in_a_sentence_and_left_alone(folder: Path, kept: str) -> None:
    (folder / "secrets.json").write_text(kept)
    with pytest.raises(Unusable, match=r"secrets\.json.*back from a copy.*--home"):
        Home(folder)
    assert (folder / "secrets.json").read_text() == kept


@pytest.mark.parametrize("kept", ["{", "[]", '{"api": "x", "awx": 99999999}', '{"api": true, "awx": -1}'])
def test_ports_that_are_damaged_are_made_anew(folder: Path, kept: str) -> None:
    (folder / "ports.json").write_text(kept)
    home = Home(folder)
    ports = [home.port(name) for name in ("api", "awx")]
    assert all(1024 <= port < 65536 for port in ports)
    assert ports == [home.port(name) for name in ("api", "awx")]


def test_a_folder_that_cannot_be_is_refused_in_a_sentence(folder: Path) -> None:
    (folder / "file").touch()
    (folder / "loop").symlink_to("loop")
    for place in (folder / "file", folder / "file" / "below", folder / "loop", Path("/proc/stoa")):
        assert "Choose another folder with --home or STOA_HOME" in refused(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="the trap is root's")
def test_a_folder_below_roots_home_is_refused_in_a_sentence() -> None:
    place = Path.home() / "stoa-test-that-is-never-made"
    assert "set STOA_HOME to a folder elsewhere" in refused(place)
    assert not place.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])  # SIGTERM: the demo below
def test_a_start_that_is_cut_off_leaves_no_process(run: Run, folder: Path, number: signal.Signals) -> None:
    starting = run("up", "--home", str(folder))
    until((folder / "postgres" / "postmaster.pid").exists, "PostgreSQL is started")
    family = until(lambda: with_java(starting), "Kafka is started")
    starting.send_signal(number)
    time.sleep(0.2)
    starting.send_signal(number)  # of somebody impatient
    assert starting.wait(60) != 0
    assert left_of(family) == []
    said = (folder / "postgres" / "log").read_text()
    assert number == signal.SIGKILL or "database system is shut down" in said.splitlines()[-1]


def test_a_demo_that_is_ended_while_it_starts_stops_its_parts_and_says_its_line(run: Run, folder: Path) -> None:
    starting = run("demo", STOA_HOME=str(folder))
    until((folder / "demo" / "postgres" / "postmaster.pid").exists, "PostgreSQL is started")
    family = psutil.Process(starting.pid).children(recursive=True)
    starting.terminate()
    told, _ = starting.communicate(timeout=60)
    assert (starting.returncode, left_of(family)) == (130, [])
    assert json.loads(told.splitlines()[-1])["ok"] is False


def until(true: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + 120
    while not (found := true()):
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
    return found


def with_java(starting: subprocess.Popen[str]) -> list[psutil.Process]:
    family = psutil.Process(starting.pid).children(recursive=True)
    return family if "java" in {one.name() for one in family if one.is_running()} else []


def left_of(family: list[psutil.Process]) -> list[psutil.Process]:
    _, alive = psutil.wait_procs(family, timeout=10)
    return [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]


def up_with_java(run: Run, folder: Path, script: str) -> subprocess.Popen[str]:
    programs = folder / "programs"
    programs.mkdir()
    (programs / "java").write_text(f"#!/bin/sh\n{script}\n")
    (programs / "java").chmod(0o755)
    return run("up", "--home", str(folder / "home"), PATH=f"{programs}{os.pathsep}{os.environ['PATH']}")


def test_a_start_is_cut_off_at_once_although_a_part_hangs(run: Run, folder: Path) -> None:
    starting = up_with_java(run, folder, "echo hangs; exec sleep 300")
    log = folder / "home" / "kafka" / "kafka.log"
    until(lambda: log.exists() and "hangs" in log.read_text(), "Kafka is started")
    family = psutil.Process(starting.pid).children(recursive=True)
    assert "sleep" in {one.name() for one in family}
    starting.terminate()
    _, said = starting.communicate(timeout=30)
    assert (starting.returncode, left_of(family), "Traceback" in said) == (130, [], False)


def test_a_part_that_dies_early_is_told_with_its_last_words_and_the_others_are_stopped(run: Run, folder: Path) -> None:
    starting = up_with_java(run, folder, "echo no room for it; exit 1")
    _, said = starting.communicate(timeout=60)
    assert starting.returncode == 2
    assert said.startswith("stoa: Kafka's formatting failed; its last lines in ")
    assert "no room for it" in said
    assert "start again, or from nothing with another --home" in said
    assert "Traceback" not in said
    assert not (folder / "home" / "postgres" / "postmaster.pid").exists()


def test_without_java_it_says_what_to_install(folder: Path) -> None:
    command = [STOA, "up", "--home", str(folder)]
    done = subprocess.run(command, env={**os.environ, "PATH": "/nowhere"}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "install Java 17 or newer" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_of_the_state_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "logs").touch()
    assert f"{folder}/logs" in refused(folder, said=1)
