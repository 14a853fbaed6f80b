"""Our parts as programs: state over a crash, a clean end, clear words when they cannot start, loopback only."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hvac
import psutil
import pytest

from local.parts.openbao import OpenBao
from local.parts.ports import beyond_loopback, kept_ports
from local.parts.process import Child, DiedEarly

Start = Callable[..., Any]


def family(pid: int) -> list[psutil.Process]:
    head = psutil.Process(pid)
    return [head, *head.children(recursive=True)]


def listeners(process: psutil.Process) -> int:
    try:
        return sum(c.status == psutil.CONN_LISTEN for c in process.net_connections("inet"))
    except psutil.NoSuchProcess:  # PostgreSQL's workers come and go
        return 0


def arguments(pid: int) -> str:
    return "\n".join(
        (Path("/proc") / str(p.pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode() for p in family(pid)
    )


def keys_of(home: Path) -> list[str]:
    return [value for file in home.rglob("keys.json") for value in json.loads(file.read_text()).values()]


PARTS = ["kafka", "postgres", "openbao", "webmethods", "backend"]


@pytest.mark.parametrize("kind", PARTS)
def test_a_part_listens_on_loopback_only_shows_no_secret_and_ends_cleanly_in_a_folder_of_any_name(
    start_in: Callable[[str, Path], Any], home: Path, password: str, kind: str
) -> None:
    odd = home / """of a 'b', ${c} "d" \\e %s f"""
    odd.mkdir()
    part = start_in(kind, odd)
    assert part.pid
    assert [path.name for path in home.iterdir()] == [odd.name]
    members = family(part.pid)
    assert beyond_loopback([p.pid for p in members]) == []
    assert sum(map(listeners, members)) == {"kafka": 2, "postgres": 0, "openbao": 2}.get(kind, 1), (
        "the look sees its listeners"
    )
    assert [secret for secret in (password, *keys_of(home)) if secret in arguments(part.pid)] == []
    part.stop()
    _, alive = psutil.wait_procs(members, timeout=10)
    assert alive == []
    assert part.pid is None


def test_the_look_for_listeners_finds_one_that_is_open_to_all() -> None:
    for address, kind in (("0.0.0.0", socket.AF_INET), ("::", socket.AF_INET6)):  # noqa: S104  (never accepts)
        with socket.socket(kind) as opened:
            opened.bind((address, 0))
            opened.listen()
            port = opened.getsockname()[1]
            assert [found.split(":")[1] for found in beyond_loopback([os.getpid()])] == [str(port)]


def test_openbao_keeps_its_secrets_over_kill_9_and_over_a_stop(start: Start) -> None:
    server = start("openbao")
    kv(server).create_or_update_secret("apim/demo", secret={"password": "kept"})
    for end in (server.kill, server.stop):
        end()
        assert server.pid is None
        server.start()
        assert kv(server).read_secret_version("apim/demo", raise_on_deleted_version=False)["data"]["data"] == {
            "password": "kept"
        }


def test_openbao_makes_its_keys_again_when_the_first_start_was_cut_off_before_it_kept_them(
    start: Start, home: Path
) -> None:
    server = start("openbao")
    server.kill()
    (home / "openbao" / "keys.json").unlink()
    server.start()
    kv(server).create_or_update_secret("apim/demo", secret={"password": "kept"})


def test_ports_stay_as_they_were_when_their_file_could_not_be_written(tmp_path: Path) -> None:
    """A full disk stands for a kill in the middle: both leave the file as it was."""
    file = tmp_path / "ports.json"
    first = kept_ports(file, {"one"})
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, limit[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            kept_ports(file, {"two"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, old)
    assert kept_ports(file, {"one", "two"})["one"] == first["one"]


def kv(server: OpenBao) -> Any:
    return hvac.Client(server.url, server.token).secrets.kv.v2


def test_openbaos_keys_are_readable_by_their_owner_only(start: Start, home: Path) -> None:
    server = start("openbao")
    keys = home / "openbao" / "keys.json"
    assert server.token in keys.read_text()
    assert keys.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("kind", ["openbao", "kafka"])
def test_a_broken_configuration_ends_in_the_parts_own_last_words(start: Start, home: Path, kind: str) -> None:
    part = start(kind)
    part.stop()
    data = home / kind / "data"
    if kind == "openbao":
        (data / "vault.db").unlink()
        (data / "vault.db").mkdir()
    else:
        (data / "meta.properties").write_text("version=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\nnode.id=2\n")
    begun = time.monotonic()
    with pytest.raises(DiedEarly, match="vault.db" if kind == "openbao" else r"meta\.properties|node\.id|[Nn]ode"):
        part.start()
    assert part.pid is None
    assert time.monotonic() - begun < 60, "it does not wait for a part that is gone"


@pytest.mark.parametrize("kind", ["openbao", "kafka"])
def test_a_port_taken_while_the_part_was_stopped_or_just_before_it_binds_is_replaced(
    start: Start, stack: ExitStack, home: Path, kind: str
) -> None:
    part = start(kind)
    first = address(part)
    part.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before may linger
        other.bind(("127.0.0.1", first))
        other.listen()
        part.start()
        second = address(part)
        assert second != first
    part.stop()
    # bound but not listening, a port looks free to us; it is taken as soon as the part's settings are written
    [settings] = (home / kind).glob("server.*")
    settings.unlink()
    late = stack.enter_context(socket.socket())
    late.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    late.bind(("127.0.0.1", second))
    threading.Thread(target=listen_once, args=(late, settings)).start()
    part.start()
    assert address(part) != second


def listen_once(other: socket.socket, there: Path) -> None:
    deadline = time.monotonic() + 60
    while not there.exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    other.listen()


def address(part: Any) -> int:
    return int((part.url if isinstance(part, OpenBao) else part.bootstrap).rsplit(":", 1)[1])


@pytest.mark.parametrize("kind", ["webmethods", "backend"])
def test_a_program_whose_port_is_taken_says_so(start: Start, kind: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(DiedEarly, match=rf"{port}.*address already in use"):
            start(kind, port)


def test_a_child_is_gone_when_its_parent_was_killed(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; from local.parts.process import Child;"
        "c = Child('sleeper', ['sleep', '60'], os.environ, Path(sys.argv[1])); c.start();"
        "print(c.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = psutil.Process(int(parent.stdout.readline()))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert psutil.wait_procs([child], timeout=10)[1] == []


def test_a_child_that_is_waited_for_is_gone_when_its_parent_was_killed(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from local.parts.process import Child;"
        "Child('sleeper', ['sh', '-c', 'echo $$; exec sleep 60'], os.environ, Path(sys.argv[1])).finish()"
    )
    log = tmp_path / "log"
    parent = subprocess.Popen([sys.executable, "-c", code, str(log)])
    deadline = time.monotonic() + 60
    while not (log.exists() and log.read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child = psutil.Process(int(log.read_text()))
    parent.kill()
    parent.wait()
    assert psutil.wait_procs([child], timeout=10)[1] == []


def test_a_child_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    child = Child("it", ["sh", "-c", "echo no room; exit 3"], os.environ, tmp_path / "log")
    with pytest.raises(DiedEarly, match="it failed.*\n?.*no room"):
        child.finish()
