"""What a person decides about a tenant's channels."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from stoa.audit.events import acted
from stoa.kernel import outbox, registrations
from stoa.kernel.clock import now
from stoa.kernel.database import Database
from stoa.kernel.envelope import Event
from stoa.kernel.errors import NotFound, Refused
from stoa.notifications import model, store
from stoa.notifications.model import Channel, Kind, MessageType

MOST = 50


@dataclass(frozen=True)
class Channels:
    """Channels of tenants that some GitLab project may touch. Every method raises NotFound for another tenant.
    `publish` takes outbox keys after a commit."""

    database: Database
    publish: Callable[[Iterable[str]], None]

    def all(self, tenant: str) -> list[Channel]:
        """GET channels -> by name."""
        self._known(tenant)
        with self.database.transaction(tenant) as connection:
            return store.channels(connection)

    def read(self, tenant: str, name: str) -> Channel:
        """GET one channel. Raises NotFound."""
        self._known(tenant)
        with self.database.transaction(tenant) as connection:
            found = store.channel(connection, name)
        if found is None:
            raise _missing(name)
        return found

    def put(
        self, tenant: str, name: str, kind: Kind, target: str, messages: Sequence[MessageType], *, enabled: bool,
        actor: str, trace_id: str, ip: str = "",
    ) -> Channel:  # fmt: skip
        """PUT -> the channel as it is from now on; one that was disabled is as good as new. Raises Refused."""
        self._known(tenant)
        _check(tenant, name, kind, target)
        made = Channel(tenant, name, kind, target, tuple(dict.fromkeys(messages)), enabled, now())
        with self.database.transaction(tenant) as connection:
            there = {c.name: c for c in store.channels(connection)}
            if len({*there, name}) > MOST:
                detail, hint = f"a tenant has at most {MOST} channels", "remove one first"
                raise Refused("TOO_MANY_CHANNELS", detail, hint=hint, status=409)
            store.put_channel(connection, made)
            keys = outbox.add(connection, [_audit(there.get(name), made, actor, trace_id, ip)])
        self.publish(keys)
        return made

    def remove(self, tenant: str, name: str, *, actor: str, trace_id: str, ip: str = "") -> None:
        """DELETE -> gone, with what was held back for it. Raises NotFound."""
        self._known(tenant)
        with self.database.transaction(tenant) as connection:
            there = store.channel(connection, name, lock=True)
            if there is None:
                raise _missing(name)
            store.remove_channel(connection, name, now())
            keys = outbox.add(connection, [_audit(there, None, actor, trace_id, ip)])
        self.publish(keys)

    def _known(self, tenant: str) -> None:
        with self.database.transaction() as connection:
            if not registrations.is_registered(connection, tenant):
                raise NotFound("there is no such tenant")


def _check(tenant: str, name: str, kind: Kind, target: str) -> None:
    """Raises Refused, without the target: it may be a secret that is in the wrong place."""
    if kind == "slack" and not model.reference_in(tenant).fullmatch(target):
        raise Refused(
            "BAD_TARGET",
            "the target of a Slack channel is a reference to a secret of its tenant, never the address itself",
            field="target",
            hint=f"write the address to Vault as url of {model.SECRETS}/{tenant}/{name},"
            f" and send vault:channels/{tenant}/{name}#url",
        )
    if kind == "email" and not model.ADDRESS.fullmatch(target):
        detail, hint = "the target of an e-mail channel is one plain address", "send one like team@example.com"
        raise Refused("BAD_TARGET", detail, field="target", hint=hint)


def _audit(before: Channel | None, after: Channel | None, actor: str, trace_id: str, ip: str) -> Event:
    """Without the target, which is a person's address or leads to a secret; only that it changed is said."""
    one = after or before
    assert one is not None  # noqa: S101  there was one, or there is
    verb = "CREATED" if before is None else "REMOVED" if after is None else "REPLACED"
    said, told = (None if c is None else _told(c) for c in (before, after))
    if told is not None:
        told["target_changed"] = before is None or before.target != one.target
    return acted(
        f"CHANNEL_{verb}", f"channels/{one.tenant}/{one.name}", actor=actor, tenant=one.tenant, trace_id=trace_id,
        at=now(), ip=ip, before=said, after=told,
    )  # fmt: skip


def _told(c: Channel) -> dict[str, Any]:
    return {"kind": c.kind, "messages": list(c.messages), "enabled": c.enabled}


def _missing(name: str) -> NotFound:
    return NotFound(f"there is no channel {name}")
