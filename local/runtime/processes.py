"""Child processes that never outlive their parent: their stdin is a pipe that ends with it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OWN = frozenset({"PATH", "PYTHONUNBUFFERED", "LC_CTYPE"})
ORPHAN_LIMIT_S = 5.0


def start(module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Runs `python -m <module>` with exactly this environment; what it prints is appended to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={"PATH": os.environ.get("PATH", os.defpath), "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def function_environment() -> dict[str, str]:
    """What the functions of this process are to see: what it was started with, less our own variables."""
    return {name: value for name, value in os.environ.items() if name not in OWN}


def die_with_parent() -> None:
    """For the child: SIGTERM to itself when the parent ends, however it ends; gone soon after in any case."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(ORPHAN_LIMIT_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent").start()


def stop_on_signal(stop: Callable[[], None]) -> None:
    """Calls `stop` at SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


def stop(process: subprocess.Popen[bytes], limit_s: float = 10.0) -> None:
    """SIGTERM, then SIGKILL after the limit."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    close_pipe(process)


def close_pipe(process: subprocess.Popen[bytes]) -> None:
    """Lets go of the pipe of a child that has ended."""
    if process.stdin is not None:
        process.stdin.close()
