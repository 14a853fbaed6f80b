"""Who calls, and what was refused to whom."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stoa.audit.events import PLATFORM, acted
from stoa.kernel import outbox
from stoa.kernel.clock import now
from stoa.kernel.database import Database
from stoa.kernel.settings import Secret
from stoa.tenancy.model import Caller, caller_of

if TYPE_CHECKING:  # its cryptography takes a third of a cold start, and webhooks do without
    from stoa.adapters.oidc import Issuer

NOBODY = "unknown"
LONGEST = 500


@dataclass(frozen=True)
class Identity:
    issuer: Callable[[], "Issuer"]

    def caller(self, token: str) -> Caller:
        """a request's bearer token -> who calls. Raises Refused 401, Transient when that cannot be found out."""
        return caller_of(self.issuer().claims(token), Secret(token))


@dataclass(frozen=True)
class Attempt:
    """A request that was refused. `caller` is None while nobody knows whose it is; `code` says why."""

    method: str
    path: str
    code: str
    caller: Caller | None
    ip: str
    trace_id: str


@dataclass(frozen=True)
class Refusals:
    """`publish` takes outbox keys after a commit."""

    database: Database
    publish: Callable[[Iterable[str]], None]

    def note(self, attempt: Attempt) -> None:
        """a refused request -> audit-log, in the tenant of who asked: the owner of what was asked for hears of no
        names of others. Raises Transient."""
        who = attempt.caller
        event = acted(
            "REQUEST_REFUSED",
            f"{attempt.method} {attempt.path}"[:LONGEST],
            actor=who.id if who else NOBODY,
            tenant=who.tenant if who and who.tenant else PLATFORM,
            trace_id=attempt.trace_id,
            at=now(),
            ip=attempt.ip,
            outcome="refused",
            after={"code": attempt.code},
        )
        with self.database.transaction() as connection:
            keys = outbox.add(connection, [event])
        self.publish(keys)
