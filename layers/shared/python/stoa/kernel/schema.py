"""The database's schema: SQL migrations beside this file, forward only, each once; and who logs in to use it.

Run before the code that needs them, while the code before still runs: docs/migrations.md.
"""

from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from yoyo import get_backend, read_migrations

from stoa.kernel.database import SESSION

WORKER = "stoa_worker"
ALONE = 5_701_482  # of the advisory lock: one at a time


def migrate(conninfo: str) -> int:
    """Brings the database up to date; returns how many migrations were new. A second one waits for the first.

    The lock is the session's and ends with it, however that ends. yoyo's own is a row, which one that was killed leaves
    behind: under our lock it is nobody's.
    """
    with psycopg.connect(conninfo, autocommit=True) as alone:
        alone.execute("SELECT pg_advisory_lock(%s)", (ALONE,))
        backend = get_backend(_for_yoyo(conninfo))
        try:
            backend.break_lock()
            migrations = read_migrations(str(files("stoa.kernel") / "migrations"))
            with backend.lock():
                new = backend.to_apply(migrations)
                backend.apply_migrations(new)
        finally:
            backend.connection.close()
    return len(new)


def let_worker_in(conninfo: str) -> None:
    """The functions' role logs in as itself, with no password at all, and finds its session's settings there: through
    RDS Proxy a client cannot bring them. `rds_iam` is RDS's word for a role that logs in with tokens."""
    worker = sql.Identifier(WORKER)
    with psycopg.connect(conninfo) as connection:
        connection.execute(sql.SQL("ALTER ROLE {} LOGIN").format(worker))
        for name, value in SESSION.items():
            setting = sql.SQL("ALTER ROLE {} SET {} = {}")
            connection.execute(setting.format(worker, sql.Identifier(name), sql.Literal(value)))
        if connection.execute("SELECT FROM pg_roles WHERE rolname = 'rds_iam'").fetchone() is not None:
            connection.execute(sql.SQL("GRANT rds_iam TO {}").format(worker))


def _for_yoyo(conninfo: str) -> str:
    """yoyo wants a URI that names the driver; everything that libpq knows may be among its parameters."""
    parts: dict[str, Any] = {name: value for name, value in conninfo_to_dict(conninfo).items() if value is not None}
    user, password = quote(str(parts.pop("user", "")), safe=""), quote(str(parts.pop("password", "")), safe="")
    database = quote(str(parts.pop("dbname", "")), safe="")
    login = f"{user}:{password}@" if password else f"{user}@"
    return f"postgresql+psycopg://{login}/{database}?{urlencode(parts)}"
