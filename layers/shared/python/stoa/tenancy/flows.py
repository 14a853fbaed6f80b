"""Who calls, and what was refused to whom."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from stoa.audit.events import PLATFORM, acted
from stoa.kernel import outbox
from stoa.kernel.clock import now
from stoa.kernel.database import Connection, Database
from stoa.kernel.errors import Refused
from stoa.kernel.rate_limit import Level, Wanted
from stoa.kernel.settings import Secret
from stoa.tenancy import store
from stoa.tenancy.model import OF_THE_PLATFORM, Caller, caller_of

if TYPE_CHECKING:  # its cryptography takes a third of a cold start, and webhooks do without
    from stoa.adapters.oidc import Issuer

NOBODY = "unknown"
KEPT = timedelta(hours=1)  # longer than any access token lives, with the leeway
LONGEST = 500


@dataclass(frozen=True)
class Identity:
    """`issuer` is made at first use."""

    database: Database
    issuer: Callable[[], "Issuer"]

    def caller(self, token: str, limits: Callable[[Caller], Wanted]) -> tuple[Caller, tuple[Level, ...]]:
        """a request's bearer token -> who calls, and how their `limits` stand, a token of which was taken. Raises
        Refused 401, Transient when that cannot be found out."""
        claims = self.issuer().claims(token)
        found = caller_of(claims, Secret(token))
        subjects, made = _subjects(found), datetime.fromtimestamp(claims["iat"], UTC)
        levels = store.admitted(self.database, subjects, made, limits(found))
        if levels is None:
            raise Refused("SESSION_ENDED", "this session has ended", status=401, hint="sign in again")
        return found, levels

    def logged_out(self, logout_token: str) -> None:
        """POST /v1/sessions/backchannel-logout -> no token of that session, or of all of that user's, is taken any
        more. Raises Refused 400, Transient."""
        try:
            claims = self.issuer().logout_claims(logout_token)
        except Refused as error:
            raise Refused("INVALID_LOGOUT_TOKEN", error.detail, field="logout_token", status=400) from error
        session, user = claims.get("sid"), claims.get("sub")
        subject = f"sid:{session}" if isinstance(session, str) else f"sub:{user}"
        with self.database.transaction() as connection:
            store.end(connection, subject, now(), KEPT)


def deny_user(connection: Connection, user: str, at: datetime) -> None:
    """somebody may less than before -> no token of theirs that was made before is taken any more."""
    store.end(connection, f"sub:{user}", at, KEPT)


def deny_session(connection: Connection, session: str, at: datetime) -> None:
    """a session is to end -> no token of it is taken, whenever it was made: until the issuer ends it, more may be."""
    store.end(connection, f"sid:{session}", at, KEPT, ahead=KEPT)


def _subjects(who: Caller) -> list[str]:
    """Whose end is the end of the token. A tenant that is closed ends those who are its own, not the platform's."""
    subjects = [f"sub:{who.id}", *([f"sid:{who.session}"] if who.session else [])]
    return [*subjects, f"tenant:{who.tenant}"] if who.tenant and not who.roles & OF_THE_PLATFORM else subjects


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
