"""Answers as GitLab gives them: errors, pages, and a request as the API sees it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from starlette.responses import JSONResponse, PlainTextResponse, Response

Json = dict[str, Any]

PER_PAGE, MOST_PER_PAGE, TOTAL_UP_TO = 20, 100, 10_000


class Refusal(Exception):
    """An answer that ends the request."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body


def message(status: int, said: Any) -> Refusal:
    return Refusal(status, {"message": said})


def error(status: int, said: str) -> Refusal:
    return Refusal(status, {"error": said})


def not_found(what: str) -> Refusal:
    return message(404, f"404 {what} Not Found")


def refusal(status: int) -> Response:
    """The body that goes with a bare status, for faults."""
    if status == 429:
        return PlainTextResponse("Retry later\n", 429, {"retry-after": "1"})
    said = {401: "401 Unauthorized", 403: "403 Forbidden", 404: "404 Not Found"}
    return JSONResponse({"message": said.get(status, f"{status} Internal Server Error")}, status)


@dataclass(frozen=True)
class Call:
    """One request: `path` holds the parts of the route, `body` the JSON or form fields."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Json = field(default_factory=dict)
    url: str = ""

    def need(self, *names: str) -> list[Any]:
        """The values of required fields; GitLab names the first missing one with `error`."""
        for name in names:
            if self.body.get(name) in (None, "", []):
                raise error(400, f"{name} is missing")
        return [self.body[name] for name in names]

    def text(self, name: str) -> str:
        if name not in self.query:
            raise error(400, f"{name} is missing")
        return self.query[name]

    def truth(self, name: str, default: bool = False) -> bool:
        return self.query.get(name, str(default)).lower() in ("true", "1")


def paged(call: Call, rows: Sequence[Any]) -> Response:
    """One page with GitLab's headers; the total is left out above 10,000 rows."""
    page = _number(call, "page", 1)
    size = min(_number(call, "per_page", PER_PAGE), MOST_PER_PAGE)
    shown = rows[(page - 1) * size : page * size]
    more = len(rows) > page * size
    headers = {
        "X-Page": str(page),
        "X-Per-Page": str(size),
        "X-Next-Page": str(page + 1) if more else "",
        "X-Prev-Page": str(page - 1) if page > 1 else "",
    }
    if len(rows) <= TOTAL_UP_TO:
        headers |= {"X-Total": str(len(rows)), "X-Total-Pages": str(-(-len(rows) // size))}
    links = {"first": 1, **({"next": page + 1} if more else {}), **({"prev": page - 1} if page > 1 else {})}
    headers["Link"] = ", ".join(f'<{_link(call, number, size)}>; rel="{rel}"' for rel, number in links.items())
    return JSONResponse(shown, headers=headers)


def _link(call: Call, page: int, size: int) -> str:
    return f"{call.url}?{urlencode({**call.query, 'page': page, 'per_page': size})}"


def _number(call: Call, name: str, default: int) -> int:
    given = call.query.get(name, str(default))
    if not given.isascii() or not given.isdigit():
        raise error(400, f"{name} is invalid")
    return max(1, int(given))


def fields(raw: bytes, content_type: str) -> Json:
    """The JSON object in a body. Raises Refusal for anything else."""
    if not raw:
        return {}
    try:
        found = json.loads(raw)
    except ValueError as bad:
        raise error(400, "The request body is not valid JSON") from bad
    if not isinstance(found, dict):
        raise error(400, "The request body is not a JSON object")
    return found
