"""From what happened to a person who reads it. One public method per trigger."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

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
from stoa.notifications.model import Channel, Entry, Step

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
            made = [events.of_deployment(message, value, c, at) for c in wanting]
            keys = outbox.add(connection, made)
        self.publish(keys)

    def deliver(self, message: Message) -> None:
        """notifications -> Slack or e-mail, or a line in the channel's next digest."""
        told = events.read(message)
        values = templates.of_deployment(told.data, told.trace_id, told.event_id)
        channel, step = self._wanted(told)
        if channel is None:
            return
        # before the intent: when Vault is away, nothing was tried
        address = self._address(channel) if step == "send" else None
        line = templates.digest_line(told.template, values)
        step, tries = self._begin(told, line, channel, may_send=address is not None)
        if step == "send" and address is not None:
            self._send(Sending(channel, told.event_id, told.template, values, tries), address)
        elif step == "hold":
            self._digest_or_later(channel)
        elif step == "wait":
            raise Transient(f"channel {channel.key}", "it rests, or an earlier try is not over yet")

    def give_up(self, message: Message, error: Refused) -> None:
        """a message that is refused, or waited too long -> its row says why."""
        try:
            told = events.read(message)
        except Refused:  # it is of no channel whose row somebody could look for
            return
        with self.database.transaction(told.tenant) as connection:
            store.give_up(connection, told, error.problem(), now())

    def send_digests(self, remaining_ms: Callable[[], int]) -> int:
        """every minute -> a digest for each channel that got more messages than it is told one by one."""
        at = now()
        with self.database.transaction(admin_read=True) as connection:
            due = store.with_digests(connection, at - self._window, at)
        waits: list[Transient] = []
        done = 0
        for tenant, name in due:
            if len(waits) == DOWN_AFTER or remaining_ms() < model.SENDING_S * 1000:
                break
            try:
                done += self._digest_of(tenant, name)
            except Transient as error:
                waits.append(error)
            except Exception:  # noqa: BLE001  a bug that one channel meets is not the others'; its tries are counted
                log.exception("digest.failed", channel=f"{tenant}/{name}")
        if waits:
            raise waits[0]
        return done

    @property
    def _window(self) -> timedelta:
        return timedelta(seconds=model.WINDOW_S / self.time_scale)

    def _wanted(self, told: Told) -> tuple[Channel | None, Step]:
        """The channel, None when there is nothing to do for it, and what looks to be the next step. Raises Refused for
        a record that was refused before, and for a channel that the provider closed."""
        at = now()
        with self.database.transaction(told.tenant) as connection:
            channel = store.channel(connection, told.channel)
            known = store.entry(connection, told.event_id)
            if known is not None and known.ended:
                return None, "done"
            if known is not None and (refusal := known.refusal(told.record)):
                raise refusal
            if channel is None or channel.id != told.channel_id or channel.is_off:
                store.drop(connection, told.event_id, at)
                return None, "done"
            _open(channel)
            return channel, self._step(connection, channel, known, at)

    def _step(self, connection: Connection, channel: Channel, known: Entry | None, at: datetime) -> Step:
        flooded = self._flooded(connection, channel, at)
        return model.next_step(known, rests=channel.rests(at), flooded=flooded, now=at)

    def _address(self, channel: Channel) -> Secret:
        """Where the messages go. Raises Transient, and Refused for a channel that is disabled for its secret."""
        if channel.kind == "email":
            return Secret(channel.target)
        path = channel.target.removeprefix("vault:channels/")
        try:
            # anew: a message to where the channel was before it was changed would disable it
            return self.vault().read(f"vault:{model.SECRETS}/{path}", anew=True).value
        except Refused as error:
            with self.database.transaction(channel.tenant) as connection:
                _close(connection, channel, error)
            raise

    def _begin(self, told: Told, line: str, read: Channel, *, may_send: bool) -> tuple[Step, int]:
        """Decides under the lock of the channel; commits the intent to send and says which try it is."""
        at = now()
        with self.database.transaction(told.tenant) as connection:
            channel = store.channel(connection, told.channel, lock=True)
            if channel is None or channel.updated_at != read.updated_at:
                return "wait", 0  # changed this moment: the next try sees it
            step = self._step(connection, channel, store.entry(connection, told.event_id), at)
            if step == "hold":
                store.hold(connection, told, line, at)
            if step != "send":
                return step, 0
            return (step, store.begin(connection, told, line, at)) if may_send else ("wait", 0)

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

    def _digest_of(self, tenant: str, name: str) -> bool:
        with self.database.transaction(tenant) as connection:
            channel = store.looks(connection, name, now())
        return channel is not None and self._digest(channel)

    def _digest(self, channel: Channel) -> bool:
        """Sends the digest that is due, or the one that was not finished. Raises Transient."""
        with self.database.transaction(channel.tenant) as connection:
            if not self._digest_due(connection, channel, now()):
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
            if locked is None or locked.updated_at != channel.updated_at:
                return None
            if not self._digest_due(connection, locked, at):
                return None
            begun = store.unfinished_digest(connection, channel.name)
            digest_id = begun.event_id if begun else ids.event_id()
            if begun is None:
                store.gather(connection, channel, digest_id, at)
            tries = store.begin_again(connection, digest_id, at)
            counts, lines = store.gathered(connection, digest_id, model.LINES)
        values = templates.of_digest(channel.name, digest_id, counts, lines)
        return Sending(channel, digest_id, model.DIGEST, values, tries)

    def _digest_due(self, connection: Connection, channel: Channel, at: datetime) -> bool:
        if not channel.enabled or channel.rests(at):
            return False
        begun = store.unfinished_digest(connection, channel.name)
        if begun is not None:
            return not begun.under_way(at)
        since = store.held_since(connection, channel.name)
        return since is not None and since <= at - self._window

    def _send(self, sending: Sending, address: Secret) -> None:
        """One call, and its outcome recorded. Raises Transient, and Refused when there will be no other try."""
        if sending.tries > model.TRIES:  # the processes that tried ended before they could write how
            given_up = _undelivered("no try came to an end")
            self._refuse(sending, given_up)
            raise given_up
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
            given_up = _undelivered(f"{error.system} did not take it: {error.detail}")
            self._refuse(sending, given_up)
            return given_up
        pause = max(error.retry_after_s or 0.0, model.pause_s(sending.tries) / self.time_scale)
        with self.database.transaction(sending.channel.tenant) as connection:
            store.waits(connection, sending.event_id)
            store.rest(connection, sending.channel, now() + timedelta(seconds=pause))
        if error.retry_after_s is None:
            return error
        return Transient(f"channel {sending.channel.key}", error.detail, retry_after_s=error.retry_after_s)

    def _refuse(self, sending: Sending, error: Refused) -> None:
        """A channel that takes nothing more is disabled; so is one that does not take a digest, whose messages stay
        held back until a person enables it again. Raises Transient for one that a person changed meanwhile: it gets
        the message once more."""
        channel = sending.channel
        with self.database.transaction(channel.tenant) as connection:
            store.refused(connection, sending.event_id, error.problem(), now())
            if error.status in model.CLOSED or sending.template == model.DIGEST:
                _close(connection, channel, error)


def _close(connection: Connection, channel: Channel, error: Refused) -> None:
    """Raises Transient when it is not the channel any more that was read."""
    if not store.disable(connection, channel, error.detail, now()):
        raise Transient(f"channel {channel.key}", "it was changed while a message was under way")
    log.error("channel.disabled", channel=channel.key, code=error.code, detail=error.detail)


def _open(channel: Channel) -> None:
    """Raises Refused for one that the provider closed."""
    if not channel.enabled:
        detail, hint = f"the channel is disabled: {channel.disabled_reason}", "mend it, then enable the channel"
        raise Refused("CHANNEL_DISABLED", detail, hint=hint)


def _undelivered(why: str) -> Refused:
    detail, hint = f"the message was tried {model.TRIES} times: {why}", "find out what is wrong with the channel"
    return Refused("NOT_DELIVERED", detail, hint=hint)
