"""From what happened to a person who reads it. One public method per trigger."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeGuard

from stoa.adapters.email import Mail
from stoa.adapters.slack import Slack
from stoa.adapters.vault import Vault
from stoa.deployments.events import read_finished
from stoa.kernel import ids, inbox, outbox
from stoa.kernel.clock import now
from stoa.kernel.database import Connection, Database
from stoa.kernel.envelope import Message
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.log import log
from stoa.kernel.settings import Secret
from stoa.notifications import events, model, store, templates
from stoa.notifications.events import Told
from stoa.notifications.model import Channel, Step

WRITER = "deploy_results_to_notifications.deploy-results"
DOWN_AFTER = 2  # before that, it may be one channel that always fails


@dataclass(frozen=True)
class Sending:
    """One try of one message, whose intent is committed."""

    channel: Channel
    event_id: str
    template: str
    values: templates.Values
    tries: int


@dataclass(frozen=True)
class Notifications:
    """`publish` takes outbox keys after a commit; `vault` reads where a Slack channel is; `time_scale` > 1 makes our
    own pauses shorter, not those that a provider asks for."""

    database: Database
    publish: Callable[[Iterable[str]], None]
    slack: Slack
    mail: Mail
    vault: Callable[[], Vault]
    time_scale: float

    def tell_of_result(self, message: Message) -> None:
        """deploy-results -> notifications, one for each channel of the tenant that wants this kind."""
        value = read_finished(message)
        kind = events.of_result(value["status"])
        with self.database.transaction(message.tenant) as connection:
            if not inbox.claim(connection, WRITER, message.id):
                return
            wanting = [c for c in store.channels(connection) if c.enabled and kind in c.messages]
            at = now()
            made = [events.of_deployment(message, value, c.name, at) for c in wanting]
            keys = outbox.add(connection, made)
        self.publish(keys)

    def deliver(self, message: Message) -> None:
        """notifications -> Slack or e-mail, or a line in the channel's next digest."""
        told = events.read(message)
        values = templates.of_deployment(told.data, told.trace_id, told.event_id)
        with self.database.transaction(told.tenant) as connection:
            channel = store.channel(connection, told.channel)
            known = store.entry(connection, told.event_id)
        if (known is not None and known.ended) or not _takes(channel):
            return
        address = self._address(channel)  # before the intent: when Vault is away, nothing was tried
        step, tries = self._begin(told, templates.digest_line(told.template, values))
        if step == "send":
            self._send(Sending(channel, told.event_id, told.template, values, tries), address)
        elif step == "hold":
            self._digest_or_later(channel)
        elif step == "wait":
            raise Transient(f"channel {channel.key}", "it rests, or an earlier try is not over yet")

    def send_digests(self) -> int:
        """every minute -> a digest for each channel that got more messages than it is told one by one."""
        at = now()
        with self.database.transaction(admin_read=True) as connection:
            due = store.with_digests(connection, at - self._window, at)
        waits: list[Transient] = []
        done = 0
        for tenant, name in due:
            with self.database.transaction(tenant) as connection:
                channel = store.channel(connection, name)
            try:
                done += channel is not None and self._digest(channel)
            except Transient as error:
                waits.append(error)
                if len(waits) == DOWN_AFTER:
                    break
        if waits:
            raise waits[0]
        return done

    @property
    def _window(self) -> timedelta:
        return timedelta(seconds=model.WINDOW_S / self.time_scale)

    def _address(self, channel: Channel) -> Secret:
        """Where the messages go. Raises Refused, or Transient."""
        if channel.kind == "email":
            return Secret(channel.target)
        path = channel.target.removeprefix("vault:channels/")
        return self.vault().read(f"vault:{model.SECRETS}/{path}").value

    def _begin(self, told: Told, line: str) -> tuple[Step, int]:
        """Decides under the lock of the channel; commits the intent to send and says which try it is."""
        at = now()
        with self.database.transaction(told.tenant) as connection:
            channel = store.channel(connection, told.channel, lock=True)
            if channel is None or not channel.enabled:
                return "wait", 0  # changed this moment: the next try sees it
            flooded = self._flooded(connection, channel, at)
            known = store.entry(connection, told.event_id)
            step = model.next_step(known, rests=channel.rests(at), flooded=flooded, now=at)
            if step == "hold":
                store.hold(connection, told, line, at)
            return step, store.begin(connection, told, line, at) if step == "send" else 0

    def _flooded(self, connection: Connection, channel: Channel, at: datetime) -> bool:
        """While one message waits for a digest, later ones do not overtake it."""
        return (
            store.held_since(connection, channel.name) is not None
            or store.unfinished_digest(connection, channel.name) is not None
            or store.sent_since(connection, channel.name, at - self._window) >= model.FLOOD
        )

    def _digest_or_later(self, channel: Channel) -> None:
        """The message is kept, so what hinders its digest does not hinder its record."""
        try:
            self._digest(channel)
        except Transient as error:
            log.warning("digest.waits", channel=channel.key, system=error.system, detail=error.detail)

    def _digest(self, channel: Channel) -> bool:
        """Sends the digest that is due, or the one that was not finished. Raises Transient."""
        if not channel.enabled:
            return False
        try:
            address = self._address(channel)
            sending = self._gather(channel)
            if sending is not None:
                self._send(sending, address)
        except Refused as error:
            log.error("digest.refused", channel=channel.key, code=error.code, detail=error.detail)
            return False
        return sending is not None

    def _gather(self, channel: Channel) -> Sending | None:
        at = now()
        with self.database.transaction(channel.tenant) as connection:
            locked = store.channel(connection, channel.name, lock=True)
            if locked is None or not locked.enabled or locked.rests(at):
                return None
            begun = store.unfinished_digest(connection, channel.name)
            if begun is not None and begun.under_way(at):
                return None
            if begun is None:
                since = store.held_since(connection, channel.name)
                if since is None or since > at - self._window:
                    return None
            digest_id = begun.event_id if begun else ids.event_id()
            if begun is None:
                store.gather(connection, channel, digest_id, at)
            tries = store.begin_again(connection, digest_id, at)
            counts, lines = store.gathered(connection, digest_id, model.LINES)
        values = templates.of_digest(channel.name, digest_id, counts, lines)
        return Sending(channel, digest_id, model.DIGEST, values, tries)

    def _send(self, sending: Sending, address: Secret) -> None:
        """One call, and its outcome recorded. Raises Transient, and Refused when there will be no other try."""
        try:
            self._call(sending, address)
        except Transient as error:
            raise self._failed(sending, error) from error
        except Refused as error:
            self._refuse(sending, error)
            raise
        with self.database.transaction(sending.channel.tenant) as connection:
            store.sent(connection, sending.event_id, now())

    def _call(self, sending: Sending, address: Secret) -> None:
        name, values = sending.template, sending.values
        if sending.channel.kind == "slack":
            self.slack.post(address, templates.slack(name, values))
        else:
            subject, body = templates.subject(name, values), templates.body(name, values)
            self.mail.send(address.reveal(), subject, body, sending.event_id)

    def _failed(self, sending: Sending, error: Transient) -> Transient | Refused:
        """The channel rests; a rest that the provider asks for is this channel's, not one of the whole provider."""
        if sending.tries >= model.TRIES:
            detail = f"{error.system} did not take the message in {sending.tries} tries: {error.detail}"
            given_up = Refused("NOT_DELIVERED", detail, hint="find out what is wrong with the channel")
            self._refuse(sending, given_up)
            return given_up
        pause = max(error.retry_after_s or 0.0, model.pause_s(sending.tries) / self.time_scale)
        with self.database.transaction(sending.channel.tenant) as connection:
            store.waits(connection, sending.event_id)
            store.rest(connection, sending.channel.name, now() + timedelta(seconds=pause))
        if error.retry_after_s is None:
            return error
        return Transient(f"channel {sending.channel.key}", error.detail, retry_after_s=error.retry_after_s)

    def _refuse(self, sending: Sending, error: Refused) -> None:
        """A channel that takes nothing more is disabled; so is one that does not take a digest, whose messages stay
        held back until a person enables it again."""
        channel, closes = sending.channel, error.status in model.CLOSED or sending.template == model.DIGEST
        with self.database.transaction(channel.tenant) as connection:
            store.refused(connection, sending.event_id, error.problem(), now())
            if closes:
                store.disable(connection, channel.name, error.detail, now())
        if closes:
            log.error("channel.disabled", channel=channel.key, code=error.code, detail=error.detail)


def _takes(channel: Channel | None) -> TypeGuard[Channel]:
    """False for one that is gone or that a person turned off. Raises Refused for one that the provider closed."""
    if channel is None or (not channel.enabled and channel.disabled_reason is None):
        return False
    if not channel.enabled:
        detail, hint = f"the channel is disabled: {channel.disabled_reason}", "mend it, then enable the channel"
        raise Refused("CHANNEL_DISABLED", detail, hint=hint)
    return True
