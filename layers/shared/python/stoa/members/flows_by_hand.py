"""Sessions of people: who is signed in where, and the end of a session that somebody wants."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from stoa.adapters.keycloak import Keycloak, Session
from stoa.audit.events import acted
from stoa.kernel import outbox, registrations
from stoa.kernel.clock import RemainingMs, in_time, no_end, now
from stoa.kernel.database import Connection, Database
from stoa.kernel.errors import NotFound, Refused, Transient
from stoa.kernel.log import log
from stoa.members import store
from stoa.members.model import SessionEnd

FINISHED_AT_ONCE = 100
FINISH_MS = 30_000  # two calls to Keycloak that get no answer, and the database
UNDER_WAY_S = 30.0  # a request that waits for Keycloak is not finished by another one

# No token of that session, whenever it was made, is taken any more: tenancy/flows.py
DenySession = Callable[[Connection, str, datetime], None]


@dataclass(frozen=True)
class Sessions:
    """`publish` takes outbox keys after a commit; `keycloak` is made at first use."""

    database: Database
    publish: Callable[[Iterable[str]], None]
    keycloak: Callable[[], Keycloak]
    deny: DenySession
    time_scale: float = 1.0

    def of(self, user_id: str) -> list[Session]:
        """GET my sessions -> the one used last comes first. Raises NotFound for a caller who is no user."""
        return self.keycloak().sessions(user_id)

    def of_member(self, tenant: str, user_id: str) -> list[Session]:
        """GET a member's sessions -> the same. Raises NotFound for a user of another tenant, or of none."""
        self._belongs(tenant, user_id)
        return self.of(user_id)

    def end_of_member(self, tenant: str, end: SessionEnd) -> bool:
        """DELETE a member's session -> as `end`. Raises NotFound."""
        self._belongs(tenant, end.user_id)
        return self.end(end)

    def end(self, end: SessionEnd) -> bool:
        """DELETE a session -> its tokens are refused from now on, and Keycloak ends it. False when Keycloak does not
        answer: it is asked again every minute. Raises NotFound when the user has no such session."""
        if all(one.id != end.session_id for one in self.of(end.user_id)):
            raise NotFound(f"there is no session {end.session_id}")
        with self.database.transaction() as connection:
            store.end_session(connection, end)
            self.deny(connection, end.session_id, now())
        try:
            self._finish(end)
        except Transient as error:
            log.warning("session.not_ended", system=error.system, detail=error.detail, session_id=end.session_id)
            return False
        return True

    def finish(self, remaining_ms: RemainingMs = no_end) -> int:
        """every minute -> sessions whose end began and was not finished: the process died, or Keycloak was away."""
        before = now() - timedelta(seconds=UNDER_WAY_S / self.time_scale)
        with self.database.transaction() as connection:
            begun = store.session_ends(connection, before, FINISHED_AT_ONCE)
        done = 0
        for end in in_time(begun, remaining_ms, FINISH_MS):
            try:
                self._finish(end)
                done += 1
            except Refused as error:  # it must not keep the others
                log.error("session.not_ended", code=error.code, detail=error.detail, session_id=end.session_id)
        return done

    def _finish(self, end: SessionEnd) -> None:
        """Safe to repeat; audited once."""
        self.keycloak().end_session(end.session_id)
        with self.database.transaction() as connection:
            if store.session_ended(connection, end.session_id) is None:
                return
            self.deny(connection, end.session_id, now())
            event = acted(
                "SESSION_ENDED", f"users/{end.user_id}/sessions/{end.session_id}", actor=end.asked_by,
                tenant=end.tenant, trace_id=end.trace_id, at=now(), ip=end.ip,
            )  # fmt: skip
            keys = outbox.add(connection, [event])
        self.publish(keys)

    def _belongs(self, tenant: str, user_id: str) -> None:
        """The tenant is the caller's, as the database sees it; the user is the tenant's, as Keycloak does."""
        with self.database.transaction() as connection:
            known = registrations.is_registered(connection, tenant)
        if not known or self.keycloak().user(user_id).tenant != tenant:
            raise NotFound(f"there is no member {user_id}")
