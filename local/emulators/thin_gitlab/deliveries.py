"""Sending webhooks: once, asynchronously, signed; a hook that keeps failing is switched off.

What is queued when the process dies is lost, as in GitLab when its queue dies.
"""

import base64
import hashlib
import hmac
import json
import queue
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import requests

from local.emulators.thin_gitlab.answers import Json
from local.emulators.thin_gitlab.settings import VERSION
from local.emulators.thin_gitlab.store import Store

TIMEOUT_S = 10
FAILURES_BEFORE_PAUSE, FAILURES_BEFORE_END = 3, 40
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=24)
SWITCHES = {"Push Hook": "push_events", "Tag Push Hook": "tag_push_events"}
MODES = ("normal", "duplicate", "lose", "hold")


class Deliveries:
    """`announce` returns at once; a thread sends in order."""

    def __init__(self, store: Store, instance: str) -> None:
        self._store = store
        self._instance = instance
        self._queue: queue.Queue[Callable[[], object]] = queue.Queue()
        self._held: list[Callable[[], object]] = []
        self.mode = "normal"
        threading.Thread(target=self._work, name="webhooks", daemon=True).start()

    def announce(self, project: int, events: list[tuple[str, Json]]) -> None:
        """Queues each event for each hook that wants it; one chain id for all of them."""
        chain = str(uuid.uuid4())
        for event, body in events:
            for hook in self._store.all("hook", project):
                if hook.get(SWITCHES[event]) and not disabled(hook):
                    self._enqueue(hook["id"], event, body, chain)

    def release(self) -> int:
        """Sends what `hold` kept back; returns how many."""
        held, self._held = self._held, []
        for each in held:
            self._queue.put(each)
        return len(held)

    def idle(self) -> None:
        """Returns when everything queued has been sent."""
        self._queue.join()

    def _enqueue(self, hook: int, event: str, body: Json, chain: str) -> None:
        key = str(uuid.uuid4())

        def send() -> Json | None:
            return self.send(hook, event, body, key=key, chain=chain)

        if self.mode == "hold":
            self._held.append(send)
        elif self.mode != "lose":
            for _ in range(2 if self.mode == "duplicate" else 1):
                self._queue.put(send)

    def _work(self) -> None:
        while True:
            each = self._queue.get()
            try:
                each()
            finally:
                self._queue.task_done()

    def send(self, number: int, event: str, body: Json, *, key: str, chain: str) -> Json | None:
        """One attempt, now; returns its log entry. None when the hook is gone."""
        hook = self._store.get("hook", number)
        if hook is None:
            return None
        data = json.dumps(body).encode()
        headers = self._headers(hook, event, data, key, chain)
        begun = time.monotonic()
        try:
            answer = requests.post(hook["url"], data=data, headers=headers, timeout=TIMEOUT_S, allow_redirects=False)
            status, said = str(answer.status_code), answer.text[:1000]
        except requests.RequestException as failure:
            status, said = "internal error", type(failure).__name__
        hidden = {name: value for name, value in headers.items() if name != "X-Gitlab-Token"}
        entry = {
            "url": hook["url"],
            "trigger": SWITCHES[event],
            "request_headers": hidden,
            "request_data": body,
            "response_headers": {},
            "response_body": said,
            "execution_duration": round(time.monotonic() - begun, 4),
            "response_status": status,
            "idempotency_key": key,
            "event_uuid": chain,
            "created_at": _now().isoformat(),
        }
        self._judge(number, ok=status[:1] in ("2", "3"))
        return self._store.add("delivery", number, entry)

    def _headers(self, hook: Json, event: str, data: bytes, key: str, chain: str) -> dict[str, str]:
        headers = {str(h["key"]): str(h["value"]) for h in hook.get("custom_headers", [])}
        headers |= {
            "Content-Type": "application/json",
            "User-Agent": f"GitLab/{VERSION}",
            "X-Gitlab-Event": event,
            "X-Gitlab-Instance": self._instance,
            "X-Gitlab-Event-UUID": chain,
            "X-Gitlab-Webhook-UUID": str(uuid.uuid4()),
            "Idempotency-Key": key,
        }
        if hook.get("token"):
            headers["X-Gitlab-Token"] = hook["token"]
        if hook.get("signing_token"):
            stamp = str(int(time.time()))
            headers |= {"webhook-id": key, "webhook-timestamp": stamp}
            headers["webhook-signature"] = signature(hook["signing_token"], key, stamp, data)
        return headers

    def _judge(self, number: int, *, ok: bool) -> None:
        """More than three failures in a row pause the hook, longer each time; at the fortieth it stays off."""
        hook = self._store.get("hook", number)
        if hook is None:
            return
        failures = 0 if ok else hook.get("recent_failures", 0) + 1
        hook |= {"recent_failures": failures, "alert_status": "executable", "disabled_until": None}
        if failures >= FAILURES_BEFORE_END:
            hook["alert_status"] = "disabled"
        elif failures > FAILURES_BEFORE_PAUSE:
            pause = min(FIRST_PAUSE * 2 ** (failures - FAILURES_BEFORE_PAUSE - 1), LONGEST_PAUSE)
            hook |= {"alert_status": "temporarily_disabled", "disabled_until": (_now() + pause).isoformat()}
        self._store.put("hook", hook)


def disabled(hook: Json) -> bool:
    until = hook.get("disabled_until")
    if hook.get("alert_status") == "disabled":
        return True
    return until is not None and datetime.fromisoformat(until) > _now()


def signature(secret: str, message_id: str, timestamp: str, data: bytes) -> str:
    """Standard Webhooks, version 1."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + data, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def _now() -> datetime:
    return datetime.now(UTC)
