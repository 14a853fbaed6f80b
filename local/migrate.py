"""Applies the SQL migrations of the stoa package with yoyo: forward only, each once."""

from importlib.resources import files
from urllib.parse import quote

from yoyo import get_backend, read_migrations


def migrate(url: str) -> int:
    """Brings the database at the libpq `url` up to date; returns how many migrations were new."""
    backend = get_backend(_for_yoyo(url))
    migrations = read_migrations(str(files("stoa.kernel") / "migrations"))
    with backend.lock():
        new = backend.to_apply(migrations)
        backend.apply_migrations(new)
    backend.connection.close()
    return len(new)


def _for_yoyo(url: str) -> str:
    """yoyo names the driver in the scheme, and takes a socket folder as a parameter."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1).replace("%2F", quote("/", safe=""))
