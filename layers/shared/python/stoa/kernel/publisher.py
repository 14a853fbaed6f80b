"""Publishing right after the commit, without ever making the request wait for a broker."""

import threading
from collections.abc import Iterable

from stoa.kernel import metrics, outbox
from stoa.kernel.clock import RemainingMs, no_end
from stoa.kernel.database import Database
from stoa.kernel.errors import Transient
from stoa.kernel.log import log

KEYS_AT_ONCE = 50
SEND_MS = 20_000  # a send that fails, and what is done after it


class Publisher:
    """Sends rows of the outbox from a thread of its own, with a connection of its own.

    `soon` waits at most `wait_s`; what was not sent by then goes on in the background, and what
    fails stays in the outbox for the relay.
    """

    def __init__(self, database: Database, send: outbox.Send, *, wait_s: float) -> None:
        self._database = database
        self._send = send
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._connected = threading.Lock()  # held by who uses the connection: the thread, or the relay
        self._pending: set[str] = set()
        self._idle = threading.Event()
        self._idle.set()

    def soon(self, keys: Iterable[str]) -> None:
        """Publishes the keys' rows now if Kafka answers in time. Never raises."""
        with self._lock:
            self._pending.update(keys)
            if self._pending and self._idle.is_set():
                self._idle.clear()
                threading.Thread(target=self._drain, name="outbox", daemon=True).start()
        self._idle.wait(self._wait_s)

    def relay(self, remaining_ms: RemainingMs = no_end) -> int:
        """Publishes everything that waits and there is time for, the oldest key first; returns how many rows. Raises
        Transient."""
        with self._connected:
            metrics.OUTBOX_AGE.add(outbox.oldest_ms(self._database))
            return self._relay(remaining_ms)

    def _relay(self, remaining_ms: RemainingMs) -> int:
        sent = 0
        while remaining_ms() >= SEND_MS and (keys := outbox.waiting_keys(self._database, KEYS_AT_ONCE)):
            published = outbox.publish(self._database, self._send, keys, patient=False)
            sent += published
            if published == 0:
                break
        return sent

    def _drain(self) -> None:
        try:
            while keys := self._take():
                self._publish(keys)
        finally:
            self._idle.set()  # whatever ended this thread, the next commit may start another

    def _publish(self, keys: list[str]) -> None:
        try:
            with self._connected:
                outbox.publish(self._database, self._send, keys)
        except Transient as error:
            log.warning("outbox.left_to_relay", system=error.system, detail=error.detail, keys=len(keys))
            metrics.LEFT_TO_RELAY.add(len(keys))

    def _take(self) -> list[str]:
        with self._lock:
            keys = sorted(self._pending)[:KEYS_AT_ONCE]
            self._pending.difference_update(keys)
            if not keys:
                self._idle.set()
            return keys
