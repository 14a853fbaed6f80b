"""What changed in a tenant: one feed that a page follows instead of asking for its lists again."""

import random
import re
from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, Field

from functions.api.inline import Router
from functions.api.parameters import SLUG, Page, decoded, encoded
from functions.api.problems import RESPONSES
from functions.api.routes.deployments import DeploymentWithSteps, with_steps
from functions.api.security import may
from stoa.bootstrap import app
from stoa.kernel.errors import Refused
from stoa.tenancy.model import Grant

router = Router(prefix="/v1", tags=["changes"], responses=RESPONSES)

POSITION = re.compile(r"([a-z0-9-]{1,63}) (0|[1-9][0-9]{0,17})")
BUSY_MS, QUIET_MS = 700, 15_000
JITTER = 0.1  # pages that were opened together do not ask together for ever


class Change(BaseModel):
    """`version` rises with every change of the tenant; of two states of one id the higher version is the newer."""

    kind: Literal["deployment"]
    id: str
    version: int
    data: DeploymentWithSteps


class Changes(BaseModel):
    """`poll_after_ms`: when to ask again, sooner while something of the tenant is under way."""

    cursor: str
    items: list[Change]
    poll_after_ms: int


class Asked(Page):
    tenant: str = Field(pattern=SLUG)


@router.get("/changes")
def list_changes(who: Annotated[Grant, may("apis:read")], asked: Annotated[Asked, Query()]) -> Changes:
    """What changed since `cursor`, each thing once in its present state; without one, nothing but the cursor of now.

    Take the cursor first, then read the lists.
    """
    who.within(asked.tenant)
    after = _after(asked.tenant, asked.cursor) if asked.cursor is not None else None
    found = app().deployment_queries.changed(asked.tenant, after=after, limit=asked.limit)
    items = [Change(kind="deployment", id=d.id, version=n, data=with_steps(d, steps)) for n, d, steps in found.items]
    pause = BUSY_MS if found.busy else QUIET_MS
    return Changes(
        cursor=encoded(asked.tenant, str(found.cursor)),
        items=items,
        poll_after_ms=round(pause * random.uniform(1 - JITTER, 1 + JITTER)),  # noqa: S311  no secret
    )


def _after(tenant: str, cursor: str) -> int:
    """Each tenant has its own numbers: with those of another one something would be missed."""
    whose, number = decoded(cursor, POSITION)
    if whose != tenant:
        raise Refused("BAD_CURSOR", f"the cursor is one of {whose}", field="cursor", hint="begin without a cursor")
    return int(number)
