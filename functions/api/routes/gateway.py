"""The admin API of an environment's gateway: every operation that is allowed is a route here, and nothing else is.

What they ask of the gateway is in its contract, stoa/adapters/webmethods/admin_api.openapi.json.
"""

from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from functions.api.gateway_bodies import (
    ID,
    Alias,
    AliasRead,
    ApiImport,
    ApiState,
    Imported,
    NewVersion,
    Oidc,
    ScopeRead,
    Subscriptions,
)
from functions.api.inline import Router
from functions.api.problems import RESPONSES
from functions.api.security import Permitted, address
from stoa.bootstrap import app
from stoa.gateway_admin.model import Asked
from stoa.kernel.database import bind
from stoa.kernel.environments import Environment
from stoa.kernel.errors import Refused
from stoa.tenancy.model import granted

SMALL = 64 * 1024
SCOPE = "deploy:"

ZIP = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}


class PermittedOnGateway(Permitted):
    """By role, or for a service account by the scope `deploy:` of the environment that it asks for."""

    async def __call__(  # type: ignore[override]
        self, request: Request, environment: Annotated[Environment, Query()],
        authorization: Annotated[str, Header()] = "",
    ) -> Asked:  # fmt: skip
        who = self.who(request, authorization)
        if not ("service" in who.roles and f"{SCOPE}{environment}" in who.scopes):
            granted(who, self.permission, also=self.also)
        bind(None)
        return Asked(environment, who.id, request.state.trace_id, address(request), who.token)


class Only:
    """Refuses query parameters that are not these. Raises Refused."""

    def __init__(self, *names: str) -> None:
        self.names = frozenset(names)

    async def __call__(self, request: Request) -> None:
        for name in request.query_params:
            if name not in self.names:
                where = f"query.{name}"
                raise Refused(
                    "INVALID_REQUEST", f"{where}: there is no such parameter", field=where, hint="leave it out"
                )


async def small(request: Request) -> None:
    """What an operation needs is short; the edge's limit is that of documents."""
    if len(await request.body()) > SMALL:
        raise HTTPException(413, f"this request has at most {SMALL} bytes")


async def body(request: Request) -> bytes:
    return await request.body()


router = Router(prefix="/v1/gateway", tags=["gateway"], responses=RESPONSES)
PLAIN = [Depends(Only("environment")), Depends(small)]

Who = Annotated[Asked, Depends(PermittedOnGateway("gateway:admin", frozenset()))]
ObjectId = Annotated[str, Path(pattern=ID)]


@router.get("/health", dependencies=PLAIN)
def health(who: Who) -> dict[str, Any]:
    """Whether the gateway is up; its data plane serves up to 85 seconds later."""
    return dict(app().gateway_admin.read(who, "readHealth"))


@router.get("/apis", dependencies=PLAIN)
def apis(who: Who) -> dict[str, Any]:
    return dict(app().gateway_admin.read(who, "listApis"))


@router.get("/apis/{api_id}", dependencies=PLAIN)
def api(who: Who, api_id: ObjectId) -> dict[str, Any]:
    return dict(app().gateway_admin.read(who, "readApi", api_id))


@router.delete("/apis/{api_id}", status_code=204, dependencies=PLAIN)
def delete_api(who: Who, api_id: ObjectId) -> None:
    """Only one that is inactive and has no subscriptions; none of prod."""
    app().gateway_admin.delete_api(who, api_id)


@router.put("/apis/{api_id}/activate", dependencies=PLAIN)
def activate(who: Who, api_id: ObjectId) -> ApiState:
    return ApiState(**app().gateway_admin.set_active(who, api_id, active=True))


@router.put("/apis/{api_id}/deactivate", dependencies=PLAIN)
def deactivate(who: Who, api_id: ObjectId) -> ApiState:
    """Its calls are refused from then on."""
    return ApiState(**app().gateway_admin.set_active(who, api_id, active=False))


@router.post("/apis/{api_id}/versions", status_code=201, dependencies=PLAIN)
def add_version(who: Who, api_id: ObjectId, wanted: NewVersion) -> ApiState:
    """From the latest version only; the new one is inactive."""
    return ApiState(**app().gateway_admin.add_version(who, api_id, wanted.newApiVersion))


@router.get("/applications", dependencies=PLAIN)
def applications(who: Who) -> dict[str, Any]:
    """Without their keys."""
    return dict(app().gateway_admin.read(who, "listApplications"))


@router.post("/applications/{application_id}/apis", dependencies=PLAIN)
def add_subscriptions(who: Who, application_id: ObjectId, wanted: Subscriptions) -> Subscriptions:
    """Adds to what the application uses; the answer is all of it."""
    return Subscriptions(**app().gateway_admin.subscribe(who, application_id, wanted.apiIDs, replace=False))


@router.put("/applications/{application_id}/apis", dependencies=PLAIN)
def replace_subscriptions(who: Who, application_id: ObjectId, wanted: Subscriptions) -> Subscriptions:
    """What is left out is used no more."""
    return Subscriptions(**app().gateway_admin.subscribe(who, application_id, wanted.apiIDs, replace=True))


@router.get("/scopes", dependencies=PLAIN)
def scopes(who: Who) -> dict[str, Any]:
    return dict(app().gateway_admin.read(who, "listScopes"))


@router.post("/configure-oidc", dependencies=PLAIN)
def configure_oidc(who: Who, wanted: Oidc) -> ScopeRead:
    """Makes an API ask for a scope of the tokens of an authorization server; the same again changes nothing."""
    server, scope = wanted.authServerAlias, wanted.scopeName
    return ScopeRead(**app().gateway_admin.configure_oidc(who, wanted.apiId, server, scope))


@router.get("/alias", dependencies=PLAIN)
def aliases(who: Who) -> dict[str, Any]:
    return dict(app().gateway_admin.read(who, "listAliases"))


@router.post("/alias", status_code=201, dependencies=PLAIN)
def add_alias(who: Who, alias: Alias) -> AliasRead:
    return AliasRead(**app().gateway_admin.put_alias(who, alias.model_dump()))


@router.get("/alias/{alias_id}", dependencies=PLAIN)
def alias(who: Who, alias_id: ObjectId) -> dict[str, Any]:
    return dict(app().gateway_admin.read(who, "readAlias", alias_id))


@router.put("/alias/{alias_id}", dependencies=PLAIN)
def replace_alias(who: Who, alias_id: ObjectId, alias: Alias) -> AliasRead:
    """Runtime calls use the new value at once; a password is sent again each time."""
    return AliasRead(**app().gateway_admin.put_alias(who, alias.model_dump(), alias_id))


@router.post("/apis", status_code=201, dependencies=[Depends(Only("environment"))])
def import_api(who: Who, wanted: ApiImport) -> ApiState:
    """An inactive API from a document; a name that is there gets versions instead."""
    name, version = wanted.apiName, wanted.apiVersion
    return ApiState(**app().gateway_admin.import_api(who, name, version, wanted.type, wanted.document))


@router.get("/archive", dependencies=[Depends(Only("environment", "api"))],
            response_class=Response, responses={200: {"content": ZIP}})  # fmt: skip
def export_archive(who: Who, api: Annotated[str, Query(pattern=ID)]) -> Response:
    """An active API with its policies as a zip; without aliases, whose values belong to their environment."""
    return Response(app().gateway_admin.export_archive(who, api), media_type="application/zip")


@router.post(
    "/archive",
    status_code=201,
    dependencies=[Depends(Only("environment", "overwrite"))],
    openapi_extra={"requestBody": {"required": True, "content": ZIP}},
)
def import_archive(who: Who, data: Annotated[bytes, Depends(body)], overwrite: bool = False) -> Imported:
    """APIs with their policies; `overwrite` replaces those that are there, without losing a call."""
    return Imported(**app().gateway_admin.import_archive(who, data, overwrite=overwrite))
