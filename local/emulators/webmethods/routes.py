"""Every admin resource on one page: method, path below /rest/apigateway, handler."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from local.emulators.webmethods import (
    aliases,
    api_parts,
    apis,
    applications,
    archive_export,
    archive_import,
    health,
    life,
    policies,
    policy_actions,
    promotion,
    search,
    settings_parts,
    strategies,
)
from local.emulators.webmethods.gateway import Gateway

Handler = Callable[[Gateway, Request], Awaitable[Response]]


async def archive_post(gateway: Gateway, request: Request) -> Response:
    if request.headers.get("x-http-method-override", "").upper() == "GET":
        return await archive_export.by_filter(gateway, request)
    return await archive_import.run(gateway, request)


READS = frozenset({search.search, search.count, search.aggregations})
ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/health/{part}", health.part),
    ("GET", "/apis", apis.list_apis),
    ("POST", "/apis", apis.create),
    ("DELETE", "/apis", apis.delete_many),
    ("GET", "/apis/{id}", apis.read),
    ("PUT", "/apis/{id}", apis.update),
    ("DELETE", "/apis/{id}", apis.delete),
    ("PUT", "/apis/{id}/activate", life.activate),
    ("PUT", "/apis/{id}/deactivate", life.deactivate),
    ("POST", "/apis/{id}/versions", life.new_version),
    ("GET", "/apis/{id}/versions", api_parts.versions),
    ("GET", "/apis/{id}/applications", api_parts.applications),
    ("GET", "/apis/{id}/scopes", api_parts.scopes),
    ("GET", "/apis/{id}/globalPolicies", api_parts.global_policies),
    ("GET", "/apis/{id}/packages", api_parts.packages),
    ("GET", "/apis/{id}/source", api_parts.source),
    ("GET", "/apis/{id}/providerspecification", api_parts.source),
    ("PUT", "/apis/{id}/implementation", api_parts.implementation),
    ("PUT", "/apis/{id}/gatewayEndpoints", api_parts.gateway_endpoints),
    ("PUT", "/apis/{id}/publish", api_parts.publish),
    ("PUT", "/apis/{id}/unpublish", api_parts.unpublish),
    ("PUT", "/apis/{id}/mock/{switch}", api_parts.mock),
    ("PUT", "/apis/{id}/tracing/{switch}", api_parts.tracing),
    ("GET", "/policies", policies.list_policies),
    ("POST", "/policies", policies.create),
    ("GET", "/policies/{id}", policies.read),
    ("PUT", "/policies/{id}", policies.update),
    ("DELETE", "/policies/{id}", policies.delete),
    ("PUT", "/policies/{id}/activate", policies.activate),
    ("PUT", "/policies/{id}/deactivate", policies.deactivate),
    ("GET", "/policies/{id}/conflicts", policies.conflicts),
    ("GET", "/policyActions", policy_actions.list_actions),
    ("POST", "/policyActions", policy_actions.create),
    ("GET", "/policyActions/{id}", policy_actions.read),
    ("PUT", "/policyActions/{id}", policy_actions.update),
    ("DELETE", "/policyActions/{id}", policy_actions.delete),
    ("GET", "/alias", aliases.list_aliases),
    ("POST", "/alias", aliases.create),
    ("GET", "/alias/{id}", aliases.read),
    ("PUT", "/alias/{id}", aliases.update),
    ("DELETE", "/alias/{id}", aliases.delete),
    ("GET", "/applications", applications.list_applications),
    ("POST", "/applications", applications.create),
    ("PUT", "/applications/accessTokens", applications.redate_tokens),
    ("GET", "/applications/{id}", applications.read),
    ("PUT", "/applications/{id}", applications.update),
    ("PATCH", "/applications/{id}", applications.patch),
    ("DELETE", "/applications/{id}", applications.delete),
    ("POST", "/applications/{id}/accessTokens", applications.new_token),
    ("GET", "/applications/{id}/apis", applications.associated),
    ("PUT", "/applications/{id}/apis", applications.associate),
    ("POST", "/applications/{id}/apis", applications.associate),
    ("DELETE", "/applications/{id}/apis", applications.dissociate),
    ("GET", "/strategies", strategies.list_strategies),
    ("POST", "/strategies", strategies.create),
    ("DELETE", "/strategies", strategies.delete),
    ("GET", "/strategies/{id}", strategies.read),
    ("PUT", "/strategies/{id}", strategies.update),
    ("PUT", "/strategies/{id}/refreshCredentials", strategies.refresh),
    ("GET", "/scopes", strategies.list_scopes),
    ("POST", "/scopes", strategies.create_scope),
    ("GET", "/scopes/{id}", strategies.read_scope),
    ("PUT", "/scopes/{id}", strategies.update_scope),
    ("DELETE", "/scopes/{id}", strategies.delete_scope),
    ("GET", "/stages", promotion.list_stages),
    ("POST", "/stages", promotion.create_stage),
    ("GET", "/stages/{id}", promotion.read_stage),
    ("DELETE", "/stages/{id}", promotion.delete_stage),
    ("GET", "/promotion", promotion.list_promotions),
    ("POST", "/promotion", promotion.promote),
    ("PUT", "/rollback/{id}", promotion.roll_back),
    ("GET", "/configurations/{name}", settings_parts.read_configuration),
    ("PUT", "/configurations/{name}", settings_parts.write_configuration),
    ("POST", "/assets/team", settings_parts.assign_team),
    ("POST", "/search", search.search),
    ("POST", "/search/_count", search.count),
    ("POST", "/search/_aggregations", search.aggregations),
    ("GET", "/archive", archive_export.by_query),
    ("POST", "/archive", archive_post),
]
