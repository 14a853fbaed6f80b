"""Slack's side of an incoming webhook: who may post, how often, and what."""

import asyncio
import json
import time

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from local.emulators.people.blocks import refusal
from local.emulators.people.settings import Variants
from local.emulators.people.store import Json, Store

STATUS = {
    "invalid_payload": 400,
    "invalid_blocks": 400,
    "no_text": 400,
    "user_not_found": 400,
    "too_many_attachments": 400,
    "action_prohibited": 403,
    "invalid_token": 403,
    "channel_not_found": 404,
    "no_service": 404,
    "no_team": 404,
    "channel_is_archived": 410,
    "rollup_error": 500,
}
PERIOD_S = 1.0
LOOK_EVERY_S = 0.02


class Webhooks:
    def __init__(self, store: Store, variants: Variants) -> None:
        self._store = store
        self._variants = variants
        self._posted: dict[str, float] = {}

    async def post(self, request: Request) -> Response:
        if request.method != "POST":
            return PlainTextResponse("invalid_payload", 405, {"Allow": "POST"})
        found = self._found(request.url.path)
        if isinstance(found, str):
            return said(found)
        if self._too_soon(found["name"]):
            return PlainTextResponse("rate_limited", 429, {"Retry-After": str(self._variants.retry_after_s)})
        payload = _payload(request.headers.get("content-type", ""), await request.body())
        wrong = found["answer"] or refusal(payload)
        if wrong:
            return said(wrong)
        kept = self._posted[found["name"]] = time.monotonic()
        self._store.keep("slack", {"webhook": found["name"], "payload": payload})
        while time.monotonic() - kept < self._variants.answer_after_s:  # a test may end it
            await asyncio.sleep(LOOK_EVERY_S)
        return PlainTextResponse("ok")

    def _found(self, path: str) -> Json | str:
        """The webhook, or the word for its address being wrong."""
        hooks = {hook["path"]: hook for hook in self._store.webhooks()}
        if path in hooks:
            return hooks[path]
        team, service = path.split("/")[2:4]
        known = [known_path.split("/")[2:4] for known_path in hooks]
        if [team, service] in known:
            return "invalid_token"
        return "no_service" if team in [known_team for known_team, _ in known] else "no_team"

    def _too_soon(self, name: str) -> bool:
        return self._variants.rate_limit and time.monotonic() - self._posted.get(name, -PERIOD_S) < PERIOD_S


def said(word: str) -> Response:
    return PlainTextResponse(word, STATUS[word])


def failure(status: int) -> Response:
    """What a fault answers, in Slack's shape."""
    headers = {"Retry-After": "1"} if status == 429 else None
    words = {404: "no_service", 429: "rate_limited"}
    word = words.get(status) or next((w for w, known in STATUS.items() if known == status), "rollup_error")
    return PlainTextResponse(word, status, headers)


def _payload(content_type: str, body: bytes) -> object:
    """None, which is no payload, for anything but JSON."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
