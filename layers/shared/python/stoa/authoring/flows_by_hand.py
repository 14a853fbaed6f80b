"""What a person asks to be changed of an API: checked, written down with its audit, answered at once."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from stoa.audit.events import acted
from stoa.authoring import events, store
from stoa.authoring.model import READ_AGAIN, Asker, Change, Known, Order, blocked
from stoa.authoring.model_files import hashes, made_of
from stoa.kernel import idempotency, ids, outbox, registrations
from stoa.kernel.clock import now
from stoa.kernel.database import Connection, Database
from stoa.kernel.envelope import Event
from stoa.kernel.errors import NotFound, Refused
from stoa.repository.definition import api_folder, definition

LONGEST_SUNSET = timedelta(days=20 * 366)
SECOND = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Authors:
    """`publish` takes outbox keys after a commit; `nearby` is that of `definition`."""

    database: Database
    publish: Callable[[Iterable[str]], None]
    nearby: frozenset[str] = frozenset()

    def ask(self, order: Order, who: Asker) -> str:
        """POST, PUT, DELETE of an API -> api-changes, and audit-log. Returns the change's id. Raises Refused.

        What Git alone can tell (variables, the document) is found out by who writes it there.
        """
        at = now()
        order = _checked(order, at, self.nearby)
        key, subject = who.idempotency_key, _subject(order)
        with self.database.transaction(order.tenant) as connection:
            if key and (earlier := idempotency.started(connection, who.id, key, subject)):
                return earlier
            if not store.is_reached(connection, order.tenant):
                raise NotFound(f"there is no tenant {order.tenant}")
            known = store.known(connection, order.tenant, order.api)
            _allow(order, known)
            change = _change(order, known, _project(connection, order, known), who, at)
            if not store.put(connection, change):
                raise _busy(store.under_way(connection, order.tenant, order.api))
            keys = outbox.add(connection, [events.asked(change), _audit(change, known, who, at)])
            if key:
                idempotency.remember(connection, who.id, key, subject, change.id)
        self.publish(keys)
        return change.id


def _checked(order: Order, at: datetime, nearby: frozenset[str]) -> Order:
    """Raises Refused for what is wrong whatever is in Git."""
    if order.action in ("create", "replace"):
        files = made_of(order.tenant, order.api, order.wanted, None)
        for environment in order.wanted["environments"]:
            try:
                definition(files, order.tenant, order.api, environment, nearby)
            except Refused as error:
                if error.code != "VARIABLE_MISSING":  # it may stand in a file of the repository
                    raise
    if order.action == "deprecate":
        sunset = order.wanted["sunset"]
        if not at < sunset < at + LONGEST_SUNSET:
            detail, hint = "the sunset is not in the future, or too far in it", "send a time to come, such as next year"
            raise Refused("SUNSET_INVALID", detail, field="body.sunset", hint=hint)
        dates = {"sunset": sunset.astimezone(UTC).strftime(SECOND), "deprecated": at.strftime(SECOND)}
        return replace(order, wanted=dates)
    return order


def _allow(order: Order, known: Known | None) -> None:
    """Raises Refused."""
    refused = blocked(order.action, known)
    if refused is not None and refused.status == 404:
        raise refused
    if known is not None and order.seen is not None and known.generation not in order.seen:
        detail = f"the API is in generation {known.generation} now"
        raise Refused("PRECONDITION_FAILED", detail, field="If-Match", status=412, hint=READ_AGAIN)
    if refused is not None:
        raise refused


def _project(connection: Connection, order: Order, known: Known | None) -> int:
    """The GitLab project to write to. Raises Refused."""
    found = registrations.projects_of(connection, order.tenant)
    wanted = known.project_id if known else order.project_id
    if wanted is None and len(found) == 1:
        return found[0]
    if wanted in found and wanted is not None:
        return wanted
    if wanted is None and found:
        detail, hint = f"{order.tenant} has several GitLab projects", f"send project_id, one of {found}"
        raise Refused("PROJECT_AMBIGUOUS", detail, field="body.project_id", hint=hint)
    detail = f"no GitLab project is registered for {order.tenant}" if wanted is None else (
        f"GitLab project {wanted} is not registered for {order.tenant}"
    )  # fmt: skip
    hint = "let an administrator register a project for the tenant"
    raise Refused("NO_REPOSITORY", detail, field="tenant", status=409, hint=hint)


def _change(order: Order, known: Known | None, project: int, who: Asker, at: datetime) -> Change:
    return Change(
        id=ids.change_id(), tenant=order.tenant, api=order.api, action=order.action, state="requested",
        project_id=project, base=known.commit if known else None, base_generation=known.generation if known else 0,
        wanted=order.wanted, files=None, commit=None, requested_by=who.id, trace_id=who.trace_id, error=None,
        requested_at=at, finished_at=None,
    )  # fmt: skip


def _subject(order: Order) -> str:
    """The same for the same request, whenever it is sent; a time of ours is not part of it."""
    asked = {name: value for name, value in order.wanted.items() if name != "deprecated"}
    said = json.dumps([asked, order.project_id], sort_keys=True)
    return f"apis/{order.tenant}/{order.api}/{order.action}/{hashlib.sha256(said.encode()).hexdigest()}"


def _busy(change_id: str | None) -> Refused:
    detail = f"change {change_id} of this API is not finished yet"
    return Refused("CHANGE_UNDER_WAY", detail, status=409, hint=f"wait for it; then {READ_AGAIN}")


def _audit(change: Change, known: Known | None, who: Asker, at: datetime) -> Event:
    """Hashes and names, not the values: a variable may hold what somebody should not have put there."""
    before = None if known is None else {
        "generation": known.generation, "commit": known.commit, "environments": list(known.environments),
        "lifecycle": dict(known.lifecycle),
    }  # fmt: skip
    return acted(
        f"API_{change.action.upper()}_REQUESTED", f"apis/{change.tenant}/{change.api}", actor=who.id,
        tenant=change.tenant, trace_id=who.trace_id, at=at, ip=who.ip, before=before, after=_told(change),
    )  # fmt: skip


def _told(change: Change) -> dict[str, Any]:
    said: dict[str, Any] = {"change": change.id}
    if change.action in ("create", "replace"):
        files = made_of(change.tenant, change.api, change.wanted, None)
        prefix = f"{api_folder(change.tenant, change.api)}/"
        said["files"] = {path.removeprefix(prefix): told for path, told in hashes(files).items()}
        said["version"] = change.wanted["spec"].get("version")
        said["environments"] = sorted(change.wanted["environments"])
    return {**said, **{name: change.wanted[name] for name in ("sunset",) if name in change.wanted}}
