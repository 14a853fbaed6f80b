"""Slack's incoming webhooks: one POST per message. The address is the secret; it is in no error and in no log line.

Sources: https://docs.slack.dev "Sending messages using incoming webhooks", "Formatting message text", "Block Kit".
"""

import json
import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret

if TYPE_CHECKING:
    import requests

# characters that Slack takes in a place of a message, after escaping
HEADER, SECTION, FIELD = 150, 3_000, 2_000

ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
CUT_ENTITY = re.compile(r"&[a-z]{0,3}$")
CODE = re.compile(r"[a-z_]{1,60}")
DEFAULT_REST_S = 1.0
LONGEST_REST_S = 86_400.0

logging.getLogger("urllib3.connectionpool").setLevel(logging.WARNING)  # below, it writes the path of each request


def escaped(text: str) -> str:
    """What is no markup, mention or link of ours does not become one."""
    return text.translate(ENTITIES)


def fitted(text: str, limit: int) -> str:
    """An escaped text cut to `limit` characters, never inside an entity."""
    return text if len(text) <= limit else CUT_ENTITY.sub("", text[: limit - 1]) + "…"


class Slack:
    """Two calls with one message post it twice: Slack does not compare them."""

    def __init__(self, *, timeout_s: float = 10.0) -> None:
        self._timeout_s = timeout_s

    def post(self, url: Secret, message: Mapping[str, Any]) -> None:
        """Posts once. Raises Transient, with `retry_after_s` where Slack asks for a rest, and Refused with the status
        of an answer that will not change (400 for this message; 403, 404, 410 for every one)."""
        import requests  # noqa: PLC0415  only what sends pays for it

        try:
            answer = requests.post(
                url.reveal(),
                data=json.dumps(message).encode(),
                headers={"Content-Type": "application/json; charset=utf-8"},
                timeout=self._timeout_s,
                allow_redirects=False,
            )
        except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema):
            # from None, here and below: what requests says quotes the address
            raise Refused("SLACK_BAD_ADDRESS", "the secret of the channel holds no web address", status=404) from None
        except requests.ConnectTimeout:
            raise Transient("slack", "no connection in time", sent=False) from None
        except requests.RequestException as error:
            raise Transient("slack", type(error).__name__) from None
        _judge(answer)


def _judge(answer: "requests.Response") -> None:
    status, said = answer.status_code, answer.text.strip()
    if status == 200 and said == "ok":
        return
    if status == 429:
        raise Transient("slack", "answered 429", retry_after_s=_rest_s(answer.headers.get("Retry-After", "")))
    if 400 <= status < 500:
        code = said if CODE.fullmatch(said) else "without a reason"
        raise Refused("SLACK_REFUSED", f"Slack answered {status} {code}", status=status)
    raise Transient("slack", f"answered {status}")


def _rest_s(header: str) -> float:
    """Whole seconds, as Slack writes it."""
    if header.isascii() and header.isdigit() and len(header) < 10:
        return min(max(float(header), DEFAULT_REST_S), LONGEST_REST_S)
    return DEFAULT_REST_S
