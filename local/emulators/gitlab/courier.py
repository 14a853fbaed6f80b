"""Sends webhooks: own threads, one attempt, a time limit, and hooks that are switched off after failures.

A delivery that waits or is held is in memory only: a killed process loses it, as a killed GitLab may.
"""

import base64
import hashlib
import hmac
import json
import queue
import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from local.emulators.gitlab.settings import VERSION, Variants
from local.emulators.gitlab.store import Json, Store

THREADS = 8
MODES = ("normal", "duplicate", "lose", "hold")
LOGGED_BYTES = 8192
MAX_BODY = 25 * 2**20
GRACE, LAST = 3, 39
FIRST_PAUSE_S, LONGEST_PAUSE_S = 60, 86_400
HIDDEN = "[REDACTED]"
PLACEHOLDER = re.compile(r"\{\{([\w.]+)\}\}")


@dataclass(frozen=True)
class Delivery:
    """One event for one hook; `key` stays the same whenever it is sent again."""

    project_id: int
    hook_id: int
    event: str
    trigger: str
    body: bytes
    key: str
    chain: str
    forced: bool = False


@dataclass(frozen=True)
class Outcome:
    """`status` is None when no answer came; `reason` says why, or why nothing was sent."""

    status: int | None
    reason: str | None = None
    headers: dict[str, str] | None = None
    text: str = ""


class Courier:
    def __init__(self, store: Store, variants: Variants, url: str) -> None:
        self._store = store
        self._variants = variants
        self._url = url
        self._jobs: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._held: list[Delivery] = []
        self._lock = threading.RLock()
        # every attempt has its own connection, so a receiver that was restarted is no failure
        self._client = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), trust_env=False)
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(THREADS)]
        self.mode, self.count = "normal", None
        for thread in self._threads:
            thread.start()

    mode: str
    count: int | None

    def switch(self, mode: str, count: int | None) -> None:
        """The fate of the deliveries from now on, or of the next `count`."""
        with self._lock:
            self.mode, self.count = mode, count

    def soon(self, job: Callable[[], Any]) -> None:
        """Runs a job on a thread of the courier."""
        self._jobs.put(job)

    def close(self) -> None:
        for _ in self._threads:
            self._jobs.put(None)
        self._client.close()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def dispatch(self, delivery: Delivery) -> None:
        """Sends, doubles, loses or holds a delivery."""
        mode = self._spend()
        if mode == "hold":
            with self._lock:
                self._held.append(delivery)
        elif mode == "lose":
            self._log(delivery, Outcome(None, "lost"), {}, datetime.now(UTC), 0.0)
        else:
            for _ in range(2 if mode == "duplicate" else 1):
                self.soon(lambda: self.send(delivery))

    def _spend(self) -> str:
        with self._lock:
            mode = self.mode
            if self.count is not None:
                self.count -= 1
                if self.count <= 0:
                    self.mode, self.count = "normal", None
        return mode

    @property
    def held(self) -> int:
        return len(self._held)

    def release(self, *, backwards: bool) -> int:
        """Sends what was held one after the other, the oldest first unless `backwards`; gives their number."""
        with self._lock:
            waiting, self._held = self._held, []
        ordered = waiting[::-1] if backwards else waiting
        self.soon(lambda: [self.send(delivery) for delivery in ordered])
        return len(ordered)

    def send(self, delivery: Delivery) -> Outcome:
        """One attempt, logged; a hook that is switched off is not called unless the delivery is forced."""
        hook = self._store.get("hook", delivery.hook_id)
        if hook is None:
            return Outcome(None, "no such hook")
        began, at = time.perf_counter(), datetime.now(UTC)
        headers: dict[str, str] = {}
        body = rendered(hook["custom_webhook_template"], delivery.body)
        if not delivery.forced and alert_status(hook) != "executable":
            outcome = Outcome(None, "hook disabled")
        elif len(body) > MAX_BODY:
            outcome = Outcome(None, "the payload is larger than 25 MB")
        else:
            headers = self._headers(hook, delivery, body)
            outcome = self._post(hook, body, headers)
            self._judge(delivery, outcome)
        self._log(delivery, outcome, headers, at, time.perf_counter() - began)
        return outcome

    def _post(self, hook: Json, body: bytes, headers: dict[str, str]) -> Outcome:
        try:
            url = httpx.URL(hook["url"])
            got = self._client.post(url, content=body, headers=headers, timeout=self._variants.hook_timeout_s)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Outcome(None, f"{type(error).__name__}: {error}")
        return Outcome(got.status_code, None, dict(got.headers), got.text[:LOGGED_BYTES])

    def _headers(self, hook: Json, delivery: Delivery, body: bytes) -> dict[str, str]:
        own = {
            "Content-Type": "application/json",
            "User-Agent": f"GitLab/{VERSION}",
            "Idempotency-Key": delivery.key,
            "X-Gitlab-Event": delivery.event,
            "X-Gitlab-Webhook-UUID": str(uuid.uuid4()),
            "X-Gitlab-Instance": self._url,
            "X-Gitlab-Event-UUID": delivery.chain,
        }
        if hook.get("token"):
            own["X-Gitlab-Token"] = hook["token"]
        if hook.get("signing_token"):
            own |= signature(hook["signing_token"], delivery.key, int(time.time()), body)
        taken = {name.lower() for name in own}
        return {h["key"]: h["value"] for h in hook["custom_headers"] if h["key"].lower() not in taken} | own

    def _judge(self, delivery: Delivery, outcome: Outcome) -> None:
        """Counts failures in a row and switches the hook off for a while, in the end for good."""
        with self._lock:
            hook = self._store.get("hook", delivery.hook_id)
            if hook is None:
                return
            if outcome.status is not None and outcome.status < 400:
                change: Json = {"failures": 0, "disabled_until": None}
            elif alert_status(hook) != "executable":
                return
            else:
                change = after_failure(hook["failures"], datetime.now(UTC), self._variants.hook_pause_scale)
                if self._variants.client_errors_disable and outcome.status is not None and outcome.status < 500:
                    change = {"failures": LAST + 1}
            if any(hook[key] != value for key, value in change.items()):
                self._store.put("hook", delivery.project_id, {**hook, **change})

    def _log(self, d: Delivery, outcome: Outcome, headers: dict[str, str], at: datetime, took_s: float) -> None:
        hidden = {"X-Gitlab-Token": HIDDEN} if "X-Gitlab-Token" in headers else {}
        entry = {
            "project_id": d.project_id,
            "hook_id": d.hook_id,
            "event": d.event,
            "trigger": d.trigger,
            "key": d.key,
            "chain": d.chain,
            "status": outcome.status,
            "reason": outcome.reason,
            "at": at.isoformat(),
            "ms": round(took_s * 1000, 1),
            "request_headers": headers | hidden,
            "request_data": json.loads(d.body) if len(d.body) <= MAX_BODY else {},
            "response_headers": outcome.headers or {},
            "response_body": outcome.text,
        }
        self._store.add("delivery", d.hook_id, entry)

    def again(self, entry: Json) -> Outcome:
        """Sends a logged delivery once more, with its old idempotency key."""
        body = json.dumps(entry["request_data"], separators=(",", ":")).encode()
        chosen = {name: entry[name] for name in ("project_id", "hook_id", "event", "trigger", "key", "chain")}
        return self.send(replace(Delivery(body=body, **chosen), forced=True))


def alert_status(hook: Json) -> str:
    """`executable`, `temporarily_disabled` or `disabled`."""
    if hook["failures"] > LAST:
        return "disabled"
    until = hook["disabled_until"]
    paused = until is not None and datetime.fromisoformat(until) >= datetime.now(UTC)
    return "temporarily_disabled" if paused and hook["failures"] > GRACE else "executable"


def after_failure(failures: int, now: datetime, scale: float = 1.0) -> Json:
    """The counter after one more failure, and until when the hook rests: a minute at the 4th, then twice as long."""
    change: Json = {"failures": failures + 1}
    if failures + 1 > GRACE:
        pause = min(FIRST_PAUSE_S * 2 ** (failures - GRACE), LONGEST_PAUSE_S)
        change["disabled_until"] = (now + timedelta(seconds=pause * scale)).isoformat()
    return change


def rendered(template: str | None, body: bytes) -> bytes:
    """The body, or a hook's own template with its `{{project.name}}` filled in."""
    if not template:
        return body
    event = json.loads(body)

    def value(found: re.Match[str]) -> str:
        at: Any = event
        for name in found[1].split("."):
            at = at.get(name) if isinstance(at, dict) else None
        text = json.dumps(at)
        return text[1:-1] if isinstance(at, str) else text

    return PLACEHOLDER.sub(value, template).encode()


def signature(token: str, message_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """The three headers of Standard Webhooks for a `whsec_` token."""
    key = base64.b64decode(token.removeprefix("whsec_"))
    signed = hmac.new(key, f"{message_id}.{seconds}.".encode() + body, hashlib.sha256).digest()
    entry = "v1," + base64.b64encode(signed).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(seconds), "webhook-signature": entry}
