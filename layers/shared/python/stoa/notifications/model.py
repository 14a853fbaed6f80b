"""Channels, what becomes of a message, and how long a channel rests. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from stoa.kernel.errors import Refused

Kind = Literal["slack", "email"]
MessageType = Literal["deploy_success", "deploy_failed", "deploy_superseded", "deploy_cancelled"]
TYPES: tuple[MessageType, ...] = ("deploy_success", "deploy_failed", "deploy_superseded", "deploy_cancelled")
# what a channel gets that does not say what it wants
USUAL: tuple[MessageType, ...] = ("deploy_success", "deploy_failed")
DIGEST = "digest"

# a channel gets so many messages in a window; what comes on top is told in a digest, a window after the first of it
FLOOD = 10
WINDOW_S = 60.0
LINES = 15

# 21 tries with these pauses take nearly three hours: a provider may be down for two
TRIES = 21
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 900.0
# longer than any call takes, by the deadlines of both adapters: until then one without an outcome may be under way
CALL_S = 60.0
# what sending one message may take: Vault's answer, then the provider's
SENDING_S = 45.0

# answers after which a channel takes nothing more, whatever the message
CLOSED = frozenset({403, 404, 410})

# where the secrets of channels are in Vault, its mount included
SECRETS = "secret/channels"

SLUG = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")

Step = Literal["done", "hold", "wait", "send"]


@dataclass(frozen=True)
class Channel:
    """`target` is a Vault reference for Slack, an address for e-mail; `disabled_reason` is set when the provider
    would not take any more, and only a person takes it off. The database gives the `id`; a later channel of the same
    name has another."""

    tenant: str
    name: str
    kind: Kind
    target: str
    messages: tuple[MessageType, ...]
    enabled: bool
    updated_at: datetime
    disabled_reason: str | None = None
    rests_until: datetime | None = None
    id: str = ""

    @property
    def key(self) -> str:
        return f"{self.tenant}/{self.name}"

    @property
    def is_off(self) -> bool:
        """A person turned it off."""
        return not self.enabled and self.disabled_reason is None

    def rests(self, now: datetime) -> bool:
        return self.rests_until is not None and self.rests_until > now


@dataclass(frozen=True)
class Entry:
    """What is known of a message: a message that was never seen has none. `record` is where the one stands that was
    read last; `error` is the problem of a refused one."""

    event_id: str
    state: str
    tries: int
    tried_at: datetime | None
    record: str | None
    error: dict[str, Any] | None

    @property
    def ended(self) -> bool:
        return self.state in ("sent", "held", "digested", "dropped")

    def refusal(self, record: str) -> Refused | None:
        """Why this record was refused before; None for one that was not, or that a person sent again."""
        if self.state != "refused" or self.record != record:
            return None
        said = self.error or {}
        return Refused(said.get("code", "REFUSED"), said.get("detail", ""), hint=said.get("hint"))

    def under_way(self, now: datetime) -> bool:
        """Whether somebody may be sending it at this moment."""
        return self.state == "sending" and self.tried_at is not None and self.tried_at > now - timedelta(seconds=CALL_S)


def next_step(entry: Entry | None, *, rests: bool, flooded: bool, now: datetime) -> Step:
    """What to do with a message. One that was tried once is sent by itself, whatever came after it."""
    if entry is not None and entry.ended:
        return "done"
    if entry is None and flooded:
        return "hold"
    if rests or (entry is not None and entry.under_way(now)):
        return "wait"
    return "send"


def pause_s(tries: int) -> float:
    """How long to wait after so many failed tries."""
    return float(min(FIRST_PAUSE_S * 2 ** min(tries - 1, 20), LONGEST_PAUSE_S))


def reference_in(tenant: str) -> re.Pattern[str]:
    """The Vault references that a tenant's Slack channel may have: its own, and nobody else's."""
    return re.compile(rf"vault:channels/{re.escape(tenant)}/{SLUG}#url")


@dataclass(frozen=True)
class Notice:
    """One message of a trace, to a reader."""

    channel: str
    type: str
    state: str
    taken_at: datetime
    ended_at: datetime | None
