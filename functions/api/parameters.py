"""Query parameters that routes share: pages, their cursors, and the refusal of unknown names."""

import base64
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Header, Request
from pydantic import BaseModel, ConfigDict, Field

from stoa.kernel.errors import Refused

SLUG = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"

IfMatch = Annotated[str | None, Header(max_length=1000, description="the ETag of GET, as it is")]
# RFC 9110, section 13.1.1; a weak one never matches
TAG = re.compile(r'"([0-9]{1,18})"')

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MOMENT = re.compile(r"([1-9][0-9]{0,15}) ([\x21-\x7e]{1,300})")


class Page(BaseModel):
    """Unknown parameters are refused: a filter that is silently ignored lies."""

    model_config = ConfigDict(extra="forbid")
    cursor: str | None = None
    limit: int = Field(50, ge=1, le=200)


# the two below are async because FastAPI hands every other dependency to a thread, which costs more than they do
async def given_once(request: Request) -> None:
    """For every route: of a parameter that comes twice, one value would be dropped. Raises Refused."""
    for name in request.query_params:
        if len(request.query_params.getlist(name)) > 1:
            where = f"query.{name}"
            raise Refused("INVALID_REQUEST", f"{where}: it is given twice", field=where, hint="give it once")


async def no_parameters(request: Request) -> None:
    """For routes that know no query parameter. Raises Refused."""
    for name in request.query_params:
        where = f"query.{name}"
        raise Refused("INVALID_REQUEST", f"{where}: there is no such parameter", field=where, hint="leave it out")


def encoded(*position: str) -> str:
    """The cursor of the item whose place in its list is `position`; no part holds a blank."""
    return base64.urlsafe_b64encode(" ".join(position).encode()).decode().rstrip("=")


def decoded(cursor: str, shape: re.Pattern[str]) -> tuple[str, ...]:
    """The position in a cursor, as the groups of `shape`. Raises Refused for one that `encoded` did not make."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except ValueError:
        text = ""
    found = shape.fullmatch(text)
    if found is None or encoded(text) != cursor:
        hint = "take it from the answer before, or begin without a cursor"
        raise Refused("BAD_CURSOR", "the cursor is none that this API gave out", field="cursor", hint=hint)
    return found.groups()


def moment_encoded(at: datetime, name: str) -> str:
    """The cursor of a list that goes by time, and by name where the time is the same."""
    return encoded(str((at - EPOCH) // MICROSECOND), name)


def moment_decoded(cursor: str) -> tuple[datetime, str]:
    microseconds, name = decoded(cursor, MOMENT)
    return EPOCH + int(microseconds) * MICROSECOND, name


def generations(if_match: str) -> frozenset[int] | None:
    """Those whose ETags are in If-Match; None for `*`."""
    if if_match.strip() == "*":
        return None
    found = (TAG.fullmatch(part.strip()) for part in if_match.split(","))
    return frozenset(int(tag[1]) for tag in found if tag)


def unseen() -> Refused:
    """A change without the If-Match that it needs."""
    detail, hint = "a change says which state it is made to", "send If-Match with the ETag of GET"
    return Refused("PRECONDITION_REQUIRED", detail, field="If-Match", status=428, hint=hint)
