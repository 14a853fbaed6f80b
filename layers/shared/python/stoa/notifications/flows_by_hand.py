"""What a person decides about a tenant's channels."""

from collections.abc import Sequence
from dataclasses import dataclass

from stoa.kernel import registrations
from stoa.kernel.clock import now
from stoa.kernel.database import Database
from stoa.kernel.errors import NotFound, Refused
from stoa.notifications import model, store
from stoa.notifications.model import Channel, Kind, MessageType

MOST = 50


@dataclass(frozen=True)
class Channels:
    """Channels of tenants that some GitLab project may touch. Every method raises NotFound for another tenant."""

    database: Database

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
        self, tenant: str, name: str, kind: Kind, target: str, messages: Sequence[MessageType], *, enabled: bool
    ) -> Channel:
        """PUT -> the channel as it is from now on; one that was disabled is as good as new. Raises Refused."""
        self._known(tenant)
        _check(tenant, name, kind, target)
        made = Channel(tenant, name, kind, target, tuple(dict.fromkeys(messages)), enabled, now())
        with self.database.transaction(tenant) as connection:
            there = {c.name for c in store.channels(connection)}
            if len(there | {name}) > MOST:
                detail, hint = f"a tenant has at most {MOST} channels", "remove one first"
                raise Refused("TOO_MANY_CHANNELS", detail, hint=hint, status=409)
            store.put_channel(connection, made)
        return made

    def remove(self, tenant: str, name: str) -> None:
        """DELETE -> gone, with what was held back for it. Raises NotFound."""
        self._known(tenant)
        with self.database.transaction(tenant) as connection:
            if not store.remove_channel(connection, name, now()):
                raise _missing(name)

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


def _missing(name: str) -> NotFound:
    return NotFound(f"there is no channel {name}")
