"""The admin API of an environment's gateway: every operation that is allowed is a route here, and nothing else is.

A route's name is the operation of the contract (stoa/adapters/webmethods/admin_api.openapi.json) that it asks for.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request
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
from functions.api.problems import RESPONSES
from functions.api.security import Permitted, address, caller
from stoa.bootstrap import app
from stoa.gateway_admin.model import ENVIRONMENTS, Asked, Environment
from stoa.kernel.database import bind
from stoa.kernel.errors import Refused
from stoa.tenancy.model import Grant, granted

SMALL = 64 * 1024
SCOPE = "deploy:"

ZIP = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}


class PermittedOnGateway(Permitted):
    """By role, or for a service account by the scope `deploy:` of the environment that it asks for. Who may not is
    on the audit log as well."""

    async def __call__(self, request: Request, authorization: Annotated[str, Header()] = "") -> Grant:  # type: ignore[override]
        who = caller(authorization)
        environment = request.query_params.get("environment", "")
        bind(None)
        if "service" in who.roles and f"{SCOPE}{environment}" in who.scopes:
            return Grant(who, self.permission, "all")
        try:
            return granted(who, self.permission, also=self.also)
        except Refused as error:
            if environment in ENVIRONMENTS:
                asked = _asked(request, Grant(who, self.permission, "all"), environment)
                app().gateway_admin.refused(asked, request.scope["route"].name, "", error)
            raise


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


async def asking(
    request: Request, who: Annotated[Grant, Depends(PermittedOnGateway("gateway:admin", frozenset()))],
    environment: Annotated[Environment, Query()],
) -> Asked:  # fmt: skip
    return _asked(request, who, environment)


async def body(request: Request) -> bytes:
    return await request.body()


router = APIRouter(prefix="/v1/gateway", tags=["gateway"], responses=RESPONSES)
plain = APIRouter(dependencies=[Depends(Only("environment")), Depends(small)])

Who = Annotated[Asked, Depends(asking)]
ObjectId = Annotated[str, Path(pattern=ID)]


@plain.get("/health", name="readHealth")
def health(who: Who) -> dict[str, Any]:
    """Whether the gateway is up; its data plane serves up to 85 seconds later."""
    return dict(app().gateway_admin.read(who, "readHealth"))


@plain.get("/apis", name="listApis")
def apis(who: Who) -> dict[str, Any]:
    return dict(app().gateway_admin.read(who, "listApis"))


@plain.get("/apis/{api_id}", name="readApi")
def api(who: Who, api_id: ObjectId) -> dict[str, Any]:
    return dict(app().gateway_admin.read(who, "readApi", api_id))


@plain.delete("/apis/{api_id}", name="deleteApi", status_code=204)
def delete_api(who: Who, api_id: ObjectId) -> None:
    """Only one that is inactive and has no subscriptions; none of prod."""
    app().gateway_admin.delete_api(who, api_id)


@plain.put("/apis/{api_id}/activate", name="activateApi")
def activate(who: Who, api_id: ObjectId) -> ApiState:
    return ApiState(**app().gateway_admin.set_active(who, api_id, active=True))


@plain.put("/apis/{api_id}/deactivate", name="deactivateApi")
def deactivate(who: Who, api_id: ObjectId) -> ApiState:
    """Its calls are refused from then on."""
    return ApiState(**app().gateway_admin.set_active(who, api_id, active=False))


@plain.post("/apis/{api_id}/versions", name="addVersion", status_code=201)
def add_version(who: Who, api_id: ObjectId, wanted: NewVersion) -> ApiState:
    """From the latest version only; the new one is inactive."""
    return ApiState(**app().gateway_admin.add_version(who, api_id, wanted.newApiVersion))


@plain.get("/applications", name="listApplications")
def applications(who: Who) -> dict[str, Any]:
    """Without their keys."""
    return dict(app().gateway_admin.read(who, "listApplications"))


@plain.post("/applications/{application_id}/apis", name="addSubscriptions")
def add_subscriptions(who: Who, application_id: ObjectId, wanted: Subscriptions) -> Subscriptions:
    """Adds to what the application uses; the answer is all of it."""
    return Subscriptions(**app().gateway_admin.subscribe(who, application_id, wanted.apiIDs, replace=False))


@plain.put("/applications/{application_id}/apis", name="replaceSubscriptions")
def replace_subscriptions(who: Who, application_id: ObjectId, wanted: Subscriptions) -> Subscriptions:
    """What is left out is used no more."""
    return Subscriptions(**app().gateway_admin.subscribe(who, application_id, wanted.apiIDs, replace=True))


@plain.get("/scopes", name="listScopes")
def scopes(who: Who) -> dict[str, Any]:
    return dict(app().gateway_admin.read(who, "listScopes"))


@plain.post("/configure-oidc", name="configureOidc")
def configure_oidc(who: Who, wanted: Oidc) -> ScopeRead:
    """Makes an API ask for a scope of the tokens of an authorization server; the same again changes nothing."""
    server, scope = wanted.authServerAlias, wanted.scopeName
    return ScopeRead(**app().gateway_admin.configure_oidc(who, wanted.apiId, server, scope))


@plain.get("/alias", name="listAliases")
def aliases(who: Who) -> dict[str, Any]:
    return dict(app().gateway_admin.read(who, "listAliases"))


@plain.post("/alias", name="addAlias", status_code=201)
def add_alias(who: Who, alias: Alias) -> AliasRead:
    return AliasRead(**app().gateway_admin.put_alias(who, alias.model_dump()))


@plain.get("/alias/{alias_id}", name="readAlias")
def alias(who: Who, alias_id: ObjectId) -> dict[str, Any]:
    return dict(app().gateway_admin.read(who, "readAlias", alias_id))


@plain.put("/alias/{alias_id}", name="replaceAlias")
def replace_alias(who: Who, alias_id: ObjectId, alias: Alias) -> AliasRead:
    """Runtime calls use the new value at once; a password is sent again each time."""
    return AliasRead(**app().gateway_admin.put_alias(who, alias.model_dump(), alias_id))


@router.post("/apis", name="importApi", status_code=201, dependencies=[Depends(Only("environment"))])
def import_api(who: Who, wanted: ApiImport) -> ApiState:
    """An inactive API from a document; a name that is there gets versions instead."""
    name, version = wanted.apiName, wanted.apiVersion
    return ApiState(**app().gateway_admin.import_api(who, name, version, wanted.type, wanted.document))


@router.get("/archive", name="exportArchive", dependencies=[Depends(Only("environment", "api"))],
            response_class=Response, responses={200: {"content": ZIP}})  # fmt: skip
def export_archive(who: Who, api: Annotated[str, Query(pattern=ID)]) -> Response:
    """An active API with its policies as a zip; without aliases, whose values belong to their environment."""
    return Response(app().gateway_admin.export_archive(who, api), media_type="application/zip")


@router.post(
    "/archive",
    name="importArchive",
    status_code=201,
    dependencies=[Depends(Only("environment", "overwrite"))],
    openapi_extra={"requestBody": {"required": True, "content": ZIP}},
)
def import_archive(who: Who, data: Annotated[bytes, Depends(body)], overwrite: bool = False) -> Imported:
    """APIs with their policies; `overwrite` replaces those that are there, without losing a call."""
    return Imported(**app().gateway_admin.import_archive(who, data, overwrite=overwrite))


router.include_router(plain)


def _asked(request: Request, who: Grant, environment: Environment) -> Asked:
    return Asked(environment, who.id, request.state.trace_id, address(request), who.caller.token)
