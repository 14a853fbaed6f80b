"""One PostgreSQL connection per container, transactions that enter a tenant, errors that mean "down".

Row-level security keeps tenants apart: a transaction sees the rows of the tenant it entered, and
none without one. `admin_read` switches to the role whose policy may read every tenant. `bind` holds
a whole request to the tenant of its caller, whichever tenant its transactions enter.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from stoa.kernel.errors import NotFound, Refused, Transient
from stoa.kernel.settings import Secret

Row = dict[str, Any]
Connection = psycopg.Connection[Row]

# what psycopg does not call operational: a session that was ended, a server that takes no writes during a failover
GONE = (
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout,
)

SESSION = {
    # ms; a container that is frozen in the middle of a transaction must not keep its locks
    "idle_in_transaction_session_timeout": "10000",
    "statement_timeout": "20000",
    "timezone": "UTC",
}

_CALLER: ContextVar[str | None] = ContextVar("the tenant of the caller", default=None)


def bind(tenant: str | None) -> None:
    """To the end of the request, no transaction sees or writes a row of another tenant; None binds to none."""
    _CALLER.set(tenant)


def enter(connection: Connection, tenant: str) -> None:
    """From here to the end of the transaction, rows of this tenant are the ones that exist."""
    connection.execute("SELECT set_config('app.tenant', %s, true)", (tenant,))


def _settings(tenant: str | None, *, admin_read: bool) -> tuple[LiteralString, Sequence[str]]:
    """The statement that sets what holds to the end of a transaction, empty for nothing, and its values. As functions:
    RDS Proxy pins a session that says SET."""
    wanted = {"app.caller": _CALLER.get(), "app.tenant": tenant, "role": "stoa_admin_read" if admin_read else None}
    given = [(name, value) for name, value in wanted.items() if value is not None]
    calls = ", ".join(["set_config(%s, %s, true)"] * len(given))
    return f"SELECT {calls}" if given else "", [part for pair in given for part in pair]


def _begun(connection: Connection, text: LiteralString, values: Sequence[object]) -> psycopg.Cursor[Row]:
    """In one round trip. Raises RuntimeError inside of another transaction, which the end of this one would end."""
    if connection.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE:
        raise RuntimeError("there is a transaction already")
    return psycopg.ClientCursor(connection).execute(f"BEGIN; {text}", values)


def finish(connection: Connection, text: LiteralString, values: Sequence[object]) -> None:
    """The last statement of a transaction, and its commit, in one round trip."""
    psycopg.ClientCursor(connection).execute(f"{text}; COMMIT", values)


def _last(cursor: psycopg.Cursor[Row]) -> list[Row]:
    """The rows of the last of several statements."""
    while cursor.nextset():
        pass
    return cursor.fetchall()


class Database:
    """Lazily connected; reconnects after the server went away. Not for use by two threads at once.

    With an empty `role` the login itself is the role, and has SESSION among its own settings: RDS Proxy refuses a
    connection that brings settings along ("currently doesn't support command-line options").
    """

    def __init__(self, url: Secret, role: str) -> None:
        self._url = url
        self._role = role
        self._connection: Connection | None = None

    @contextmanager
    def transaction(self, tenant: str | None = None, *, admin_read: bool = False) -> Iterator[Connection]:
        """A transaction, committed at the end of the block. Raises Transient when PostgreSQL is away, NotFound for a
        row of a tenant other than the bound one, Refused for a value that cannot be stored (a NUL, a large number)."""
        with self._opened(*_settings(tenant, admin_read=admin_read)) as cursor:
            yield cursor.connection

    @contextmanager
    def opened(self, text: LiteralString, values: Sequence[object]) -> Iterator[tuple[Connection, list[Row]]]:
        """A transaction that begins with these statements, and the rows of the last one: one round trip. Each sees what
        was committed before it began. Raises as `transaction`; `bind` does not reach it."""
        with self._opened(text, values) as cursor:
            yield cursor.connection, _last(cursor)

    def statement(self, text: LiteralString, values: Sequence[object] | Mapping[str, object]) -> list[Row]:
        """The rows, if any, of a statement that is a transaction of its own: one round trip. It must be one that may
        run twice, since a connection can die before it answers; `bind` does not reach it. Raises as `transaction`."""
        with self._errors():
            cursor = self._again(lambda connection: connection.execute(text, values))
            return cursor.fetchall() if cursor.description else []

    def read(
        self, text: LiteralString, values: Sequence[object], tenant: str | None = None, *, admin_read: bool = False
    ) -> list[Row]:
        """The rows of a statement that changes nothing, in a transaction of its own and one round trip: statements that
        are sent together are one transaction. Bound, entered, and raising as `transaction`."""
        entered, given = _settings(tenant, admin_read=admin_read)

        def ask(connection: Connection) -> psycopg.Cursor[Row]:
            return psycopg.ClientCursor(connection).execute(f"{entered}; {text}", (*given, *values))

        with self._errors():
            return _last(self._again(ask))

    def ready(self) -> bool:
        """Whether a statement gets through, to a server that takes writes."""
        try:
            with self.transaction() as connection:
                row = connection.execute("SELECT current_setting('transaction_read_only') AS read_only").fetchone()
        except Transient:
            return False
        return row == {"read_only": "off"}

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _opened(self, text: LiteralString, values: Sequence[object]) -> Iterator[psycopg.Cursor[Row]]:
        with self._errors():
            try:
                cursor = self._again(lambda kept: _begun(kept, text, values))
                yield cursor
                cursor.connection.commit()
            except BaseException:
                self._undo()
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.OperationalError, psycopg.InterfaceError, *GONE) as error:
            self.close()
            raise Transient("database", type(error).__name__) from error
        except psycopg.errors.InsufficientPrivilege as error:
            if _CALLER.get() is None:
                raise  # no caller's doing: a grant is missing
            raise NotFound("there is no such thing in your tenant") from error
        except psycopg.DataError as error:
            detail, hint = "a value holds what cannot be stored, such as a NUL character", "leave it out"
            raise Refused("INVALID_VALUE", detail, hint=hint) from error

    def _again(self, ask: Callable[[Connection], psycopg.Cursor[Row]]) -> psycopg.Cursor[Row]:
        """What `ask` got from the connection. One that was kept may have died since, so a new one takes its place."""
        kept = self._connection
        try:
            return ask(self._connected())
        except (psycopg.OperationalError, psycopg.InterfaceError):
            if kept is None or not kept.closed:
                raise
            self.close()
            return ask(self._connected())

    def _undo(self) -> None:
        """Without an error of its own: there is one already."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.rollback()

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._url.reveal(),
                autocommit=True,
                row_factory=dict_row,
                prepare_threshold=None,  # RDS Proxy pins a session that has prepared statements
                connect_timeout=5,
                options=self._options(),
            )
        return self._connection

    def _options(self) -> str | None:
        if not self._role:
            return None
        return " ".join(f"-c {name}={value}" for name, value in {"role": self._role, **SESSION}.items())
