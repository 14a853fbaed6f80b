"""Slack's incoming webhooks: one POST per message. The address is the secret; it is in no error and in no log line.

Sources: https://docs.slack.dev "Sending messages using incoming webhooks", "Formatting message text", "Block Kit".
"""

import json
import re
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from stoa.adapters.deadline import Deadline
from stoa.adapters.retry_after import seconds
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret

# characters that Slack takes in a place of a message, after escaping
HEADER, SECTION, FIELD = 150, 3_000, 2_000

ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
CUT_ENTITY = re.compile(r"&[a-z]{0,3}$")
CODE = re.compile(r"[a-z_]{1,60}")
SHORTEST_REST_S = 1.0

PRINTABLE = re.compile(r"[\x21-\x7e]+")
KIND = re.compile(r"[a-z]{1,20}/[a-z0-9.+-]{1,60}")
SAID_AT_MOST = 2_048  # bytes; Slack says one word
PASSES = frozenset({408, 425, 429})  # of the 4xx, those that say nothing against the message
CLASSES: Mapping[str, type[HTTPConnection]] = {"https": HTTPSConnection, "http": HTTPConnection}


def escaped(text: str) -> str:
    """What is no markup, mention or link of ours does not become one."""
    return text.translate(ENTITIES)


def fitted(text: str, limit: int) -> str:
    """An escaped text cut to `limit` characters, never inside an entity."""
    return text if len(text) <= limit else CUT_ENTITY.sub("", text[: limit - 1]) + "…"


class Slack:
    """Two calls with one message post it twice: Slack does not compare them. `url` is where every webhook is: an
    address elsewhere would have us post into a network that its writer cannot reach himself.

    A call ends after `deadline_s`, whatever the other side does; nothing is sent later. `connect_s` is for each address
    that the host has.
    """

    def __init__(self, url: str, *, connect_s: float = 4.0, deadline_s: float = 20.0) -> None:
        self._url = url
        self._connect_s = connect_s
        self._deadline_s = deadline_s

    def post(self, url: Secret, message: Mapping[str, Any]) -> None:
        """Posts once. Raises Transient, with `retry_after_s` where Slack asks for a rest, and Refused with the status
        of an answer that will not change (400 for this message; 403, 404, 410 for every one)."""
        kind = CLASSES.get(urlsplit(self._url).scheme)
        if kind is None:
            raise Transient("slack", "STOA_SLACK_URL is no web address", alarm=True, sent=False)
        address = url.reveal()
        if not address.startswith(f"{self._url}/") or not PRINTABLE.fullmatch(address):
            detail, hint = f"the secret of the channel holds no address of {self._url}/", "write the webhook's to Vault"
            raise Refused("SLACK_BAD_ADDRESS", detail, hint=hint, status=404)
        deadline = Deadline(self._deadline_s)
        # not by requests, whose timeouts are between two bytes, and whose errors quote the address
        connection = kind(urlsplit(self._url).netloc, timeout=self._connect_s)
        try:
            self._connect(connection, deadline)
            _exchange(connection, address.removeprefix(self._url), json.dumps(message).encode(), deadline)
        finally:
            connection.close()

    def _connect(self, connection: HTTPConnection, deadline: Deadline) -> None:
        """Nothing was sent when this fails."""
        try:
            connection.connect()
        except (OSError, UnicodeError) as error:  # UnicodeError: a host that cannot be one
            raise Transient("slack", f"no connection: {type(error).__name__}", sent=False) from error
        if deadline.over:
            raise Transient("slack", "no connection in time", sent=False)


def _exchange(connection: HTTPConnection, target: str, body: bytes, deadline: Deadline) -> None:
    sock = connection.sock  # the connection forgets it when the answer is the last one
    sock.settimeout(deadline.left_s)
    with deadline.cuts(lambda: sock):
        try:
            connection.request("POST", target, body, {"Content-Type": "application/json; charset=utf-8"})
            answer = connection.getresponse()
            said = answer.read(SAID_AT_MOST)
        except (OSError, HTTPException) as error:
            # from None: some of these quote the address
            raise Transient("slack", "no answer in time" if deadline.over else type(error).__name__) from None
    if deadline.over or (answer.length and len(said) < SAID_AT_MOST):
        raise Transient("slack", "its answer was cut off")
    _judge(answer, said.decode("utf-8", "replace").strip())


def _judge(answer: HTTPResponse, said: str) -> None:
    """A success that is not Slack's is no outage: what took the message would get it again and again."""
    status = answer.status
    if status == 200 and said == "ok":
        return
    rest_s = seconds(status, answer.headers.get("Retry-After"))
    if status == 429:
        rest_s = max(rest_s or 0.0, SHORTEST_REST_S)
    if status in PASSES or not 200 <= status < 500 or 300 <= status < 400:
        raise Transient("slack", f"answered {status}", retry_after_s=rest_s)
    if status < 300:
        kind = (answer.headers.get_content_type() or "").lower()
        shown = kind if KIND.fullmatch(kind) else "something"
        detail = f"what answers there is no webhook of Slack: {status}, and {shown} instead of ok"
        raise Refused("SLACK_UNKNOWN_ANSWER", detail, hint="correct the address in the channel's secret")
    code = said if CODE.fullmatch(said) else "without a reason"
    raise Refused("SLACK_REFUSED", f"Slack answered {status} {code}", status=status)
