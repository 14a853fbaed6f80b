"""The API asks for tokens, comes through the edge, and changes its version step by step."""

import json
import re
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI

from cdk.routes import without_token
from functions.api.arrival import SECRET, VIEWER
from functions.api.security import may
from stoa.tenancy.model import Grant
from tests.cdk.written import Written, of_kind

OPEN = {
    "GET /health/live",
    "GET /health/ready",
    "POST /webhooks/gitlab",
    "POST /webhooks/awx/job-complete",
    "GET /artefacts/{tenant}/{sha256}",
    "POST /v1/sessions/backchannel-logout",
    "OPTIONS /{proxy+}",
}


def only(dev: Written, stack: str, kind: str) -> dict[str, Any]:
    (found,) = of_kind(dev.stacks[stack], kind).values()
    properties: dict[str, Any] = found
    return properties


def test_only_these_routes_take_no_token_of_the_realm(dev: Written) -> None:
    routes = of_kind(dev.stacks["api"], "AWS::ApiGatewayV2::Route").values()
    kinds = {route["RouteKey"]: route["AuthorizationType"] for route in routes}
    assert kinds == {"ANY /{proxy+}": "JWT", **dict.fromkeys(OPEN, "NONE")}
    authorizer = only(dev, "api", "AWS::ApiGatewayV2::Authorizer")
    assert authorizer["AuthorizerType"] == "JWT"
    assert authorizer["JwtConfiguration"] == {
        "Audience": ["control-plane-api"],
        "Issuer": "https://auth.dev.stoa.example.com/realms/stoa",
    }


def test_a_route_is_open_only_when_nothing_below_it_asks_for_a_permission() -> None:
    app = FastAPI(openapi_url=None)
    below, beside = APIRouter(prefix="/v1", dependencies=[may("apis:read")]), APIRouter(prefix="/beside")

    @app.get("/open")
    def opened() -> None: ...

    @app.get("/closed")
    def closed(who: Annotated[Grant, may("apis:read")]) -> None: ...

    @below.get("/below")
    def deeper() -> None: ...

    @beside.post("/hook")
    def hook() -> None: ...

    app.include_router(below)
    app.include_router(beside)
    app.include_router(beside, prefix="/closed", dependencies=[may("apis:read")])
    assert without_token(app) == (("GET", "/open"), ("POST", "/beside/hook"))


def test_a_stage_is_throttled_measured_and_logged_without_what_is_secret(dev: Written) -> None:
    stage = only(dev, "api", "AWS::ApiGatewayV2::Stage")
    settings = stage["DefaultRouteSettings"]
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (200, 400)
    assert settings["DetailedMetricsEnabled"] is True
    written = json.loads(stage["AccessLogSettings"]["Format"])
    assert {"requestId", "status", "path", "subject"} <= set(written)
    assert not [value for value in written.values() if "header" in value or "query" in value.lower()]


def test_it_answers_at_its_own_name_only(dev: Written) -> None:
    assert only(dev, "api", "AWS::ApiGatewayV2::Api")["DisableExecuteApiEndpoint"] is True
    assert only(dev, "api", "AWS::ApiGatewayV2::DomainName")["DomainName"] == "origin-api.dev.stoa.example.com"
    assert only(dev, "edge", "AWS::Route53::RecordSet")["Name"] == "api.dev.stoa.example.com."


def test_a_version_starts_from_a_snapshot_and_comes_to_a_tenth_of_the_calls_first(dev: Written) -> None:
    function, template = dev.functions["api"], dev.stacks["api"]
    assert function["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert function["ReservedConcurrentExecutions"] == 50
    (alias,) = (r for r in template["Resources"].values() if r["Type"] == "AWS::Lambda::Alias")
    assert alias["Properties"]["Name"] == "live"
    assert "CodeDeployLambdaAliasUpdate" in alias["UpdatePolicy"]
    group = only(dev, "api", "AWS::CodeDeploy::DeploymentGroup")
    assert group["DeploymentConfigName"] == "CodeDeployDefault.LambdaCanary10Percent5Minutes"
    events = ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_REQUEST", "DEPLOYMENT_STOP_ON_ALARM"]
    assert group["AutoRollbackConfiguration"] == {"Enabled": True, "Events": events}
    assert len(group["AlarmConfiguration"]["Alarms"]) == 2
    alarms = of_kind(template, "AWS::CloudWatch::Alarm").values()
    assert sorted(alarm["MetricName"] for alarm in alarms) == ["5xx", "Errors"]
    uris = [i["IntegrationUri"] for i in of_kind(template, "AWS::ApiGatewayV2::Integration").values()]
    (live,) = (name for name, r in template["Resources"].items() if r["Type"] == "AWS::Lambda::Alias")
    assert uris == [{"Ref": live}]


def test_the_edge_slows_down_addresses_but_not_machines_that_show_a_secret(dev: Written) -> None:
    acl = only(dev, "edge", "AWS::WAFv2::WebACL")
    assert acl["Scope"] == "CLOUDFRONT"
    rate, *managed = acl["Rules"]
    assert rate["Statement"]["RateBasedStatement"]["Limit"] == 10_000
    spared = rate["Statement"]["RateBasedStatement"]["ScopeDownStatement"]["NotStatement"]["Statement"]
    assert spared["ByteMatchStatement"]["SearchString"] == "/webhooks/"
    assert rate["Action"] == {"Block": {"CustomResponse": {"ResponseCode": 429}}}
    assert [rule["Priority"] for rule in managed] == [1, 2]
    assert not [r for r in acl["Rules"] if r["VisibilityConfig"]["SampledRequestsEnabled"]]


def test_the_edge_carries_a_secret_that_no_template_holds_and_names_who_called(dev: Written) -> None:
    distribution = only(dev, "edge", "AWS::CloudFront::Distribution")["DistributionConfig"]
    (origin,) = distribution["Origins"]
    assert origin["DomainName"] == "origin-api.dev.stoa.example.com"
    assert origin["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"
    (header,) = origin["OriginCustomHeaders"]
    assert header["HeaderName"] == SECRET.decode()
    # another name there is an update for CloudFormation, which then looks the value up anew
    assert re.fullmatch(r"{{resolve:secretsmanager:<\w+>:SecretString:1::}}", dev.text(header["HeaderValue"]))
    assert f"headers['{VIEWER.decode()}']" in only(dev, "edge", "AWS::CloudFront::Function")["FunctionCode"]
    made = only(dev, "edge", "AWS::SecretsManager::Secret")
    how = made["GenerateSecretString"]
    assert (made["Name"], how["SecretStringTemplate"], how["GenerateStringKey"]) == ("stoa-dev-edge", "{}", "1")
    behaviour = distribution["DefaultCacheBehavior"]
    assert behaviour["ViewerProtocolPolicy"] == "https-only"
    assert [a["EventType"] for a in behaviour["FunctionAssociations"]] == ["viewer-request"]


def test_the_schema_is_there_before_any_function_that_uses_it(dev: Written) -> None:
    artifacts = dev.manifest["artifacts"]
    names = {
        a["properties"]["stackName"]: key for key, a in artifacts.items() if "stackName" in a.get("properties", {})
    }
    for stack in ("stoa-dev-workers", "stoa-dev-api"):
        assert names["stoa-dev-migrations"] in artifacts[names[stack]]["dependencies"]
    trigger = only(dev, "migrations", "Custom::Trigger")
    (version,) = of_kind(dev.stacks["migrations"], "AWS::Lambda::Version")
    assert trigger["HandlerArn"] == {"Ref": version}
    assert trigger["InvocationType"] == "RequestResponse"
    function = dev.functions["migrate"]
    assert function["Handler"] == "cdk.steps.migrate.handler"
    assert len(function["Layers"]) == 3
