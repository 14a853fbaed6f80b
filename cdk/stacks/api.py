"""The API: one function behind an HTTP API that asks for tokens, and how a new version of it comes to all callers."""

import json
from collections.abc import Sequence
from typing import Any

import jsii
from aws_cdk import Duration, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk.aws_apigateway import AccessLogFormat
from aws_cdk.aws_apigatewayv2_authorizers import HttpJwtAuthorizer
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from constructs import Construct

from cdk.addresses import addresses, origin
from cdk.routes import without_token
from cdk.stacks.acknowledged import acknowledge
from cdk.stacks.alarms import Rule, alarm
from cdk.stacks.cluster import ClusterStack
from cdk.stacks.data import DataStack
from cdk.stacks.functions import Functions
from cdk.stacks.network import NetworkStack
from cdk.stacks.zone import hosted_zone
from cdk.stages import StageSettings
from cdk.wiring import FUNCTIONS

# each container has two connections to the database at most
RESERVED = 50
RATE_PER_S, BURST = 200, 400
AUDIENCE = "control-plane-api"  # of tokens: Settings.oidc_audience
FAILURES = 4  # with more of them in a minute the new version goes back

# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
LOGGED = {
    "requestId": "requestId",
    "time": "requestTimeEpoch",
    "ip": "identity.sourceIp",
    "agent": "identity.userAgent",
    "method": "httpMethod",
    "path": "path",
    "route": "routeKey",
    "subject": "authorizer.claims.sub",
    "status": "status",
    "bytes": "responseLength",
    "ms": "responseLatency",
    "functionStatus": "integrationStatus",
    "error": "error.message",
    "authorizerError": "authorizer.error",
}

NOBODY_SIGNS_IN = (
    "GitLab, AWX and Keycloak show secrets of their own, which the function compares (functions/api/security.py);"
    " health tells nobody anything; a browser asks without a token what it may ask with one"
)


class ApiStack(Stack):
    """`http_api` answers at `domain` only, and only to what came through the edge (cdk/stacks/edge.py)."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: StageSettings,
        network: NetworkStack,
        data: DataStack,
        cluster: ClusterStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self._stage = stage
        (declared,) = (function for function in FUNCTIONS if function.http)
        made = Functions(self, stage=stage, network=network, data=data, cluster=cluster)
        self.function = made.add(declared, reserved=RESERVED, snap_start=lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS)
        acknowledge(self.function, "@aws-cdk/aws-lambda:snapStartRequirePublish", "callers come by way of `live`")
        self.live = lambda_.Alias(self, "Live", alias_name="live", version=self.function.current_version)
        self.domain: str = origin(stage)
        self.http_api = self._http_api()
        self._stage_of_api(made)
        self._name_it()
        self._shift([alarm(self, rule) for rule in self._roll_back_rules()])

    def _http_api(self) -> apigateway.HttpApi:
        """Without a token, only routes that declare so reach the function; what is no route of ours wants one too."""
        issuer = addresses(self._stage)["oidc_issuer_url"]
        integration = HttpLambdaIntegration("Function", self.live)
        api = apigateway.HttpApi(
            self,
            "Api",
            api_name=f"stoa-{self._stage.name}",
            create_default_stage=False,
            disable_execute_api_endpoint=True,
            default_authorizer=HttpJwtAuthorizer("Realm", issuer, jwt_audience=[AUDIENCE]),
        )
        api.add_routes(path="/{proxy+}", methods=[apigateway.HttpMethod.ANY], integration=integration)
        preflight = ("OPTIONS", "/{proxy+}")  # functions/api/cors.py answers it
        for method, path in (*without_token(), preflight):
            open_to_all = api.add_routes(
                path=path,
                methods=[apigateway.HttpMethod(method)],
                integration=integration,
                authorizer=apigateway.HttpNoneAuthorizer(),
            )
            for route in open_to_all:
                acknowledge(route, "AwsSolutions-APIG4", NOBODY_SIGNS_IN)
        return api

    def _stage_of_api(self, made: Functions) -> None:
        log_group = made.log_group(Construct(self, "Access"))
        self._deployed = apigateway.HttpStage(
            self,
            "Default",
            http_api=self.http_api,
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(rate_limit=RATE_PER_S, burst_limit=BURST),
            detailed_metrics_enabled=True,
            access_log_settings=AccessLog(apigateway.LogGroupLogDestination(log_group)),
        )

    def _name_it(self) -> None:
        zone = hosted_zone(self, self._stage)
        certificate = acm.Certificate(
            self, "Certificate", domain_name=self.domain, validation=acm.CertificateValidation.from_dns(zone)
        )
        name = apigateway.DomainName(
            self,
            "Domain",
            domain_name=self.domain,
            certificate=certificate,
            security_policy=apigateway.SecurityPolicy.TLS_1_2,
        )
        apigateway.ApiMapping(self, "Mapping", api=self.http_api, domain_name=name, stage=self._deployed)
        alias = targets.ApiGatewayv2DomainProperties(name.regional_domain_name, name.regional_hosted_zone_id)
        route53.ARecord(
            self, "Record", zone=zone, record_name=self.domain, target=route53.RecordTarget.from_alias(alias)
        )

    def _shift(self, alarms: Sequence[cloudwatch.Alarm]) -> None:
        """A tenth of the calls for five minutes, then all; back to the version before when an alarm goes off."""
        group = codedeploy.LambdaDeploymentGroup(
            self,
            "Shift",
            alias=self.live,
            deployment_config=codedeploy.LambdaDeploymentConfig.CANARY_10_PERCENT_5_MINUTES,
            alarms=[*alarms],
            auto_rollback=codedeploy.AutoRollbackConfig(
                failed_deployment=True, stopped_deployment=True, deployment_in_alarm=True
            ),
        )
        managed = "Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSCodeDeployRoleForLambdaLimited"
        reason = "AWS keeps this policy of CodeDeploy as narrow as moving aliases, reading alarms and calling hooks"
        acknowledge(group.role, f"AwsSolutions-IAM4[{managed}]", reason)

    def _roll_back_rules(self) -> tuple[Rule, ...]:
        """Invocations of `live` that died (timeouts, memory, a handler that does not import), and answers with 5xx, of
        the function or of API Gateway itself. No traffic is no failure."""
        minute = Duration.minutes(1)
        died = self.live.metric_errors(period=minute, statistic="Sum")
        failed = self.http_api.metric_server_error(period=minute, statistic="Sum")
        return (
            Rule("FunctionFails", "The new version of the API dies.", "the-api-fails", died, FAILURES),
            Rule("AnswersFail", "The new version of the API answers 5xx.", "the-api-fails", failed, FAILURES),
        )


@jsii.implements(apigateway.IAccessLogSettings)
class AccessLog:
    """One line of JSON for each request: who asked for what, what it got and when. Neither the query, whose values may
    be personal, nor a header."""

    def __init__(self, destination: apigateway.IAccessLogDestination) -> None:
        self._destination = destination

    @property
    @jsii.member(jsii_name="destination")
    def destination(self) -> apigateway.IAccessLogDestination:
        return self._destination

    @property
    @jsii.member(jsii_name="format")
    def format(self) -> AccessLogFormat:
        return AccessLogFormat.custom(json.dumps({name: f"$context.{value}" for name, value in LOGGED.items()}))
