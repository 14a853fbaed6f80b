"""Writing to the catalogue: what is asked for is written down and answered with 202; Git has it a moment later."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Header, Path, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from functions.api.inline import Router
from functions.api.parameters import SLUG, IfMatch, generations, no_parameters, unseen
from functions.api.problems import CONDITIONAL, RESPONSES
from functions.api.security import address, may
from stoa.authoring.model import Action, Asker, Change, Order, State
from stoa.bootstrap import app
from stoa.kernel.environments import Environment
from stoa.kernel.errors import Refused
from stoa.tenancy.model import Grant

router = Router(
    prefix="/v1/apis", tags=["catalog"], responses=RESPONSES, dependencies=[Depends(no_parameters)]
)  # fmt: skip

LONGEST_DOCUMENT = 2_000_000
Name = Literal["openapi.yaml", "openapi.yml", "openapi.json", "swagger.yaml", "swagger.json"]
Reader = Annotated[Grant, may("apis:read")]
Writer = Annotated[Grant, may("apis:write")]
Remover = Annotated[Grant, may("apis:delete")]
Slug = Annotated[str, Path(pattern=SLUG)]
Key = Annotated[str | None, Header(max_length=200)]


class Document(BaseModel):
    """The API's definition, as the file of that name."""

    model_config = ConfigDict(extra="forbid")
    name: Name = "openapi.yaml"
    content: str = Field(min_length=1, max_length=LONGEST_DOCUMENT)


class Definition(BaseModel):
    """What the repository has of an API: `spec` as in api.yaml, without `lifecycle`, which has routes of its own;
    `environments` those it stands in, each with its variables. docs/gitops.md describes them."""

    model_config = ConfigDict(extra="forbid")
    spec: dict[str, Any]
    document: Document
    environments: dict[Environment, dict[str, Any]] = Field(min_length=1)


class NewApi(Definition):
    """`project_id` is needed where a tenant has several GitLab projects."""

    tenant: str = Field(pattern=SLUG)
    api: str = Field(pattern=SLUG)
    project_id: int | None = Field(None, ge=1, lt=2**63)


class Deprecation(BaseModel):
    """From `sunset` on it may be gone (RFC 8594); it is deprecated as of now (RFC 9745)."""

    model_config = ConfigDict(extra="forbid")
    sunset: AwareDatetime


class ChangeRead(BaseModel):
    """`state`: requested; committed, when Git has it; done, when its deployments are asked for; or refused, with an
    `error` that has a stable `code`. `commit` is null while there is none, and when nothing had to be written."""

    id: str
    tenant: str
    api: str
    action: Action
    state: State
    project_id: int
    commit: str | None
    requested_by: str
    trace_id: str
    error: dict[str, Any] | None
    requested_at: datetime
    finished_at: datetime | None


ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"headers": {"Location": {"description": "where to follow it", "schema": {"type": "string"}}}}
}
CHANGING: dict[int | str, dict[str, Any]] = {**ACCEPTED, **CONDITIONAL}


@router.post("", status_code=202, responses=ACCEPTED)
def create_api(
    request: Request, response: Response, who: Writer, new: NewApi, idempotency_key: Key = None
) -> ChangeRead:
    """Writes a new API to its tenant's GitLab project; the same Idempotency-Key does it once."""
    who.within(new.tenant)
    order = Order(new.tenant, new.api, "create", _wanted(new), project_id=new.project_id)
    return _asked(request, response, who, order, idempotency_key)


@router.put("/{tenant}/{api}", status_code=202, responses=CHANGING)
def replace_api(
    request: Request, response: Response, who: Writer, tenant: Slug, api: Slug, wanted: Definition,
    if_match: IfMatch = None, idempotency_key: Key = None,
) -> ChangeRead:  # fmt: skip
    """Writes the whole definition anew; its lifecycle, and files that its document refers to, stay."""
    order = Order(tenant, api, "replace", _wanted(wanted), _seen(who, tenant, if_match))
    return _asked(request, response, who, order, idempotency_key)


@router.delete("/{tenant}/{api}", status_code=202, responses=CHANGING)
def delete_api(
    request: Request, response: Response, who: Remover, tenant: Slug, api: Slug,
    if_match: IfMatch = None, idempotency_key: Key = None,
) -> ChangeRead:  # fmt: skip
    """Removes its folder from Git, which takes it off the gateways."""
    order = Order(tenant, api, "delete", {}, _seen(who, tenant, if_match))
    return _asked(request, response, who, order, idempotency_key)


@router.post("/{tenant}/{api}/publish", status_code=202, responses=CHANGING)
def publish_api(
    request: Request, response: Response, who: Writer, tenant: Slug, api: Slug,
    if_match: IfMatch = None, idempotency_key: Key = None,
) -> ChangeRead:  # fmt: skip
    """Lets others find a draft; takes a deprecation back."""
    order = Order(tenant, api, "publish", {}, _seen(who, tenant, if_match))
    return _asked(request, response, who, order, idempotency_key)


@router.post("/{tenant}/{api}/deprecate", status_code=202, responses=CHANGING)
def deprecate_api(
    request: Request, response: Response, who: Writer, tenant: Slug, api: Slug, asked: Deprecation,
    if_match: IfMatch = None, idempotency_key: Key = None,
) -> ChangeRead:  # fmt: skip
    """Says until when a published API may be relied on; a second one moves the date."""
    order = Order(tenant, api, "deprecate", {"sunset": asked.sunset}, _seen(who, tenant, if_match))
    return _asked(request, response, who, order, idempotency_key)


@router.get("/{tenant}/{api}/changes/{change_id}")
def read_change(who: Reader, tenant: Slug, api: Slug, change_id: str) -> ChangeRead:
    """What became of a change that was asked for."""
    who.within(tenant)
    return _shown(app().change_queries.read(tenant, api, change_id))


def _wanted(given: Definition) -> dict[str, Any]:
    if "lifecycle" in given.spec:
        detail, hint = "body.spec.lifecycle: it is not changed here", "leave it out; publish and deprecate change it"
        raise Refused("INVALID_REQUEST", detail, field="body.spec.lifecycle", hint=hint)
    return given.model_dump(include={"spec", "document", "environments"})


def _seen(who: Grant, tenant: str, if_match: str | None) -> frozenset[int] | None:
    """The generations in If-Match; None for `*`. Raises OtherTenant, Refused 428."""
    who.within(tenant)
    if if_match is None:
        raise unseen()
    return generations(if_match)


def _asked(request: Request, response: Response, who: Grant, order: Order, key: str | None) -> ChangeRead:
    asker = Asker(who.id, address(request), request.state.trace_id, key)
    change_id = app().authors.ask(order, asker)
    response.headers["Location"] = f"/v1/apis/{order.tenant}/{order.api}/changes/{change_id}"
    return _shown(app().change_queries.read(order.tenant, order.api, change_id))


def _shown(change: Change) -> ChangeRead:
    return ChangeRead(**{name: getattr(change, name) for name in ChangeRead.model_fields})
