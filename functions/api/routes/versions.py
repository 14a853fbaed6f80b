"""The versions of an API that were deployed, and what changed between two of them for its callers."""

import json
import re
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from functions.api.inline import Router
from functions.api.parameters import SLUG, Page, decoded, encoded
from functions.api.problems import RESPONSES
from functions.api.routes.deployments import State
from functions.api.security import may
from stoa.bootstrap import app
from stoa.kernel.database import Row
from stoa.kernel.environments import Environment
from stoa.kernel.errors import NotFound
from stoa.tenancy.model import Grant

router = Router(prefix="/v1/apis/{tenant}/{api}", tags=["catalog"], responses=RESPONSES)

POSITION = re.compile(r"(dep-[0-9a-hjkmnp-tv-z]{26})")
WANTED = r"^([0-9a-f]{64}|[1-9][0-9]{0,17})$"
Reader = Annotated[Grant, may("apis:read")]
Slug = Annotated[str, Path(pattern=SLUG)]
Severity = Literal["breaking", "warning", "safe"]


class SpecVersion(BaseModel):
    """A document as it was deployed: `spec_sha256` is the hash of what the gateway gets, `generation` counts the
    requests for the API in that environment, `version` is what api.yaml calls it."""

    spec_sha256: str
    environment: Environment
    generation: int
    commit: str
    version: str | None
    deployment_id: str


class DeployedVersion(SpecVersion):
    """By whose request, when, and what became of it; `changed` says whether its document is another one than that of
    the version before it in the same environment."""

    state: State
    trigger: str
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    changed: bool


class VersionPage(BaseModel):
    items: list[DeployedVersion]
    next_cursor: str | None


class VersionFilters(Page):
    environment: Environment | None = None


class Between(BaseModel):
    """`from` and `to` are each a `spec_sha256` or a generation, which is one of `environment`."""

    model_config = ConfigDict(extra="forbid")
    old: str = Field(alias="from", pattern=WANTED)
    new: str = Field(alias="to", pattern=WANTED)
    environment: Environment = "dev"


class SpecChange(BaseModel):
    """`rule` is a stable id; `method` and `path` name the operation, `place` is where in it, empty for all of it."""

    severity: Severity
    rule: str
    method: str
    path: str
    place: str
    text: str


class Compared(BaseModel):
    """`verdict` is the worst of the changes; `unknown` when none breaks callers but not everything was compared."""

    model_config = ConfigDict(populate_by_name=True)
    old: SpecVersion = Field(alias="from")
    new: SpecVersion = Field(alias="to")
    verdict: Literal["breaking", "warning", "safe", "none", "unknown"]
    complete: bool
    changes: list[SpecChange]


@router.get("/versions")
def list_versions(who: Reader, tenant: Slug, api: Slug, filters: Annotated[VersionFilters, Query()]) -> VersionPage:
    """What was deployed of an API, or was to be, the newest first; follow `next_cursor` until it is null."""
    who.within(tenant)
    before = decoded(filters.cursor, POSITION)[0] if filters.cursor is not None else None
    rows = app().deployment_queries.versions(
        tenant, api, environment=filters.environment, before=before, limit=filters.limit + 1
    )
    if not rows and app().catalog_queries.api(tenant, api) is None:
        raise NotFound("there is no such API")
    items = [DeployedVersion(**row) for row in rows[: filters.limit]]
    more = len(rows) > filters.limit
    return VersionPage(items=items, next_cursor=encoded(items[-1].deployment_id) if more else None)


@router.get("/compare")
def compare_versions(who: Reader, tenant: Slug, api: Slug, between: Annotated[Between, Query()]) -> Compared:
    """What changed between two versions for those who call the API, the worst first."""
    from stoa.openapi import Document, compare  # noqa: PLC0415  a cold start does not wait for it

    who.within(tenant)
    old, new = (_version(tenant, api, wanted, between.environment) for wanted in (between.old, between.new))
    found = compare(*(Document(json.loads(one.pop("document"))) for one in (old, new)))
    changes = [SpecChange(**vars(change)) for change in found.changes]
    worst = changes[0].severity if changes else "none"
    verdict = worst if found.complete or worst == "breaking" else "unknown"
    return Compared(
        old=SpecVersion(**old), new=SpecVersion(**new), verdict=verdict, complete=found.complete, changes=changes
    )


def _version(tenant: str, api: str, wanted: str, environment: Environment) -> Row:
    is_digest = len(wanted) == 64
    return app().deployment_queries.version(tenant, api, wanted if is_digest else (environment, int(wanted)))
