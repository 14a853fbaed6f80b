"""Child processes: logged to a file, stopped by pid, gone when we are gone."""

import ctypes
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

GRACE_S = 10.0
LAST_LINES = 15
_PR_SET_PDEATHSIG = 1
# A child's "parent" is the thread that made it, see prctl(2): this one lives as long as the process.
_SPAWNER = ThreadPoolExecutor(1, "spawner")


class DiedEarly(RuntimeError):
    """A child ended before it was ready; the text holds its last log lines."""


class Child:
    """A program with its log. `start` returns at once; readiness is the caller's question.

    `user` is whom it runs as, `cwd` its working folder, `end` the signal that asks it to end.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        user: pwd.struct_passwd | None = None,
        cwd: Path | None = None,
        end: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self._user = user
        self._cwd = cwd
        self._end = end
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self.running else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        if self.running:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._process = _SPAWNER.submit(self._spawn).result()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.command,
                env=self._environment,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us alone; we stop the parts in order
                user=self._user.pw_uid if self._user else None,
                group=self._user.pw_gid if self._user else None,
                extra_groups=[] if self._user else None,
                preexec_fn=partial(_die_with_parent, os.getpid()),
            )

    def finish(self) -> None:
        """Starts it and waits for its end. Raises DiedEarly unless it succeeded."""
        self.start()
        assert self._process is not None  # noqa: S101
        if self._process.wait() != 0:
            raise DiedEarly(f"{self.name} failed; its last lines in {self.log}:\n{self.last_lines()}")

    def check(self) -> None:
        """Raises DiedEarly when the child is not running."""
        if not self.running:
            raise DiedEarly(f"{self.name} ended early; its last lines in {self.log}:\n{self.last_lines()}")

    def stop(self) -> None:
        """Asks it to end, and sends SIGKILL to what is still there after ten seconds."""
        self._signal(self._end)
        deadline = time.monotonic() + GRACE_S
        while self.running and time.monotonic() < deadline:
            time.sleep(0.02)
        self.kill()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def last_lines(self) -> str:
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LAST_LINES:])

    def _signal(self, number: int) -> None:
        if self._process is not None and self.running:
            os.kill(self._process.pid, number)


def _die_with_parent(parent: int) -> None:
    # prctl(2), Linux only: a parent killed with -9 leaves no orphans. A change of user would clear it; subprocess
    # makes that before it calls this.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was killed before we asked
        os._exit(1)


@contextmanager
def ended_in_order() -> Iterator[None]:
    """SIGTERM ends the block as an exception does, so that what it began is stopped. For the main thread."""
    before = signal.signal(signal.SIGTERM, _end_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end_once(number: int, _frame: FrameType | None) -> None:
    """Another one does not disturb the stopping."""
    signal.signal(number, lambda *_: None)
    raise SystemExit(128 + number)
