"""The shapes of answers: JSON, GitLab's four error bodies, and pages of lists."""

import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.responses import PlainTextResponse, Response

Json = dict[str, Any]
PER_PAGE, MAX_PER_PAGE = 20, 100
MAX_TOTAL = 10_000
SAID = {
    401: "401 Unauthorized",
    403: "403 Forbidden",
    404: "404 Not Found",
    409: "409 Conflict: Resource lock",
    422: "422 Unprocessable Entity",
}


class Refusal(Exception):
    """A request that ends with an error status; `body` is what the client reads."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


class TooMany(Exception):
    """A request above a rate limit; `headers` say when to come back."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(headers)
        self.headers = headers


def refuse(status: int, message: Any) -> Refusal:
    """`message` may be a text, a list, or an object of lists."""
    return Refusal(status, {"message": message})


def bad_request(error: str) -> Refusal:
    """The shape of the parameter check, which runs before anything else looks at a request."""
    return Refusal(400, {"error": error})


def not_found(what: str) -> Refusal:
    return refuse(404, f"404 {what} Not Found")


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    text = json.dumps(body, separators=(",", ":")).encode()
    return Response(text, status, headers=headers, media_type="application/json")


def nothing() -> Response:
    return Response(status_code=204)


def failure(status: int) -> Response:
    """An injected failure."""
    if status == 429:
        return retry_later({"retry-after": "1"})
    return answer({"message": SAID.get(status, f"{status} Internal Server Error")}, status)


def retry_later(headers: dict[str, str]) -> Response:
    return PlainTextResponse("Retry later\n", 429, headers=headers)


def page_of(params: Json) -> tuple[int, int]:
    """Number and size of the page that a request asks for. Raises Refusal."""
    return max(_whole(params, "page", 1), 1), min(max(_whole(params, "per_page", PER_PAGE), 1), MAX_PER_PAGE)


def _whole(params: Json, name: str, default: int) -> int:
    given = params.get(name, default)
    try:
        return int(given)
    except (TypeError, ValueError) as error:
        raise bad_request(f"{name} is invalid") from error


def paged(rows: Sequence[Any], params: Json, url: str, *, totals: bool = True) -> tuple[Sequence[Any], dict[str, str]]:
    """One page of a list and its headers; totals are left out above 10,000 rows, as GitLab does."""
    page, size = page_of(params)
    last = max((len(rows) + size - 1) // size, 1)
    following = str(page + 1) if page < last else ""
    before = str(page - 1) if page > 1 else ""
    headers = {"x-page": str(page), "x-per-page": str(size), "x-next-page": following, "x-prev-page": before}
    pages = [("prev", before), ("next", following), ("first", "1")]
    if totals and len(rows) <= MAX_TOTAL:
        headers |= {"x-total": str(len(rows)), "x-total-pages": str(last)}
        pages.append(("last", str(last)))
    links = [_link(url, {**params, "page": n, "per_page": str(size)}, name) for name, n in pages if n]
    return rows[(page - 1) * size : page * size], {**headers, "link": ", ".join(links)}


def keyset(
    rows: Sequence[Any], params: Json, url: str, key: Callable[[Any], str]
) -> tuple[Sequence[Any], dict[str, str]]:
    """The page behind the row of `page_token`, without numbers and totals; the link leads on."""
    _, size = page_of(params)
    token = params.get("page_token")
    begin = next((at + 1 for at, row in enumerate(rows) if key(row) == token), 0) if token else 0
    page = rows[begin : begin + size]
    if begin + size >= len(rows):
        return page, {}
    return page, {"link": _link(url, {**params, "per_page": str(size), "page_token": key(page[-1])}, "next")}


def _link(url: str, params: Json, name: str) -> str:
    return f'<{url}?{urlencode(params)}>; rel="{name}"'
