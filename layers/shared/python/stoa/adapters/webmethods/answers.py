"""What an answer of the gateway says, whichever of its shapes it has."""

import json
from collections.abc import Mapping
from typing import Any

import requests

from stoa.kernel.errors import Transient

PAGE = "a page instead of JSON"


def failures(answer: requests.Response) -> list[str]:
    """What the items of a successful answer say went wrong. Raises Transient for a page instead of an answer."""
    try:
        body = answer.json() if answer.content else {}
    except requests.JSONDecodeError as error:
        raise Transient("gateway", f"answered {answer.status_code} with {PAGE}") from error
    return failed_items(body)


def failed_items(body: Any) -> list[str]:
    """Of an answer that is parsed."""
    items = body.get("apiResponse") if isinstance(body, Mapping) else None
    results = items if isinstance(items, list) else [items]
    return [
        str(item.get("errorReason") or item["responseStatus"])
        for item in results
        if isinstance(item, Mapping) and item.get("responseStatus", "SUCCESS") != "SUCCESS"
    ]


def said_in(answer: requests.Response) -> str:
    """The gateway's text, whichever of its error shapes it chose."""
    try:
        return words(answer.json())
    except requests.JSONDecodeError:
        return PAGE


def words(body: Any) -> str:
    """The same of an answer that is parsed."""
    if not isinstance(body, Mapping):
        return json.dumps(body)[:300]
    said = body.get("errorDetails") or body.get("$error")
    inner = body.get("apiResponse")
    if not said and isinstance(inner, Mapping):
        said = inner.get("errorReason")
    return str(said or json.dumps(body)).strip()[:500]
