"""In front of the API: CloudFront and a web ACL that slows down who asks too much. Always in us-east-1.

Of this stack's region is only what CloudFront wants there; the distribution itself is everywhere.
"""

from typing import Any

from aws_cdk import Environment, RemovalPolicy, SecretValue, Stack
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from cdk.addresses import api, origin
from cdk.stacks.acknowledged import acknowledge
from cdk.stacks.edge_secret import EDGE_REGION, FIRST, edge_secret_name
from cdk.stacks.web_acl import at_most, managed, web_acl
from cdk.stacks.zone import hosted_zone
from cdk.stages import StageSettings

# in five minutes, from one address, which may be a whole office's; single users are counted by the API itself
PER_ADDRESS = 10_000
MACHINES = "/webhooks/"  # GitLab sends from one address what all projects push, and shows a secret
MANAGED = ("AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesKnownBadInputsRuleSet")

EDGE_HEADER, VIEWER_HEADER = "x-stoa-edge", "x-stoa-viewer"  # read by functions/api/arrival.py
# whatever a caller says in that header is replaced by who it is
NAME_THE_VIEWER = f"""\\
function handler(event) {{
  event.request.headers['{VIEWER_HEADER}'] = {{ value: event.viewer.ip }};
  return event.request;
}}
"""


class EdgeStack(Stack):
    """Answers at `api.<domain>` with what the API's own stack says at `origin-api.<domain>`."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: StageSettings, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, env=Environment(region=EDGE_REGION), **kwargs)
        zone = hosted_zone(self, stage)
        distribution = self._distribution(stage, zone, self._secret(stage))
        alias = route53.RecordTarget.from_alias(targets.CloudFrontTarget(distribution))
        route53.ARecord(self, "Record", zone=zone, record_name=api(stage), target=alias)

    def _secret(self, stage: StageSettings) -> SecretValue:
        made = secretsmanager.Secret(
            self,
            "Secret",
            secret_name=edge_secret_name(stage),
            description="Carried by every request that came through CloudFront",
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template="{}",  # noqa: S106  an object without anything in it
                generate_string_key=FIRST,
                exclude_punctuation=True,
                password_length=48,
            ),
            removal_policy=RemovalPolicy.DESTROY,
        )
        acknowledge(
            made, "AwsSolutions-SMG4", "CloudFront and the functions change it together: docs/secrets.md says how"
        )
        return made.secret_value_from_json(stage.edge_carries)

    def _distribution(
        self, stage: StageSettings, zone: route53.IHostedZone, secret: SecretValue
    ) -> cloudfront.Distribution:
        certificate = acm.Certificate(
            self, "Certificate", domain_name=api(stage), validation=acm.CertificateValidation.from_dns(zone)
        )
        made = cloudfront.Distribution(
            self,
            "Distribution",
            comment=f"The API of stoa-{stage.name}",
            domain_names=[api(stage)],
            certificate=certificate,
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
            web_acl_id=self._web_acl(stage).attr_arn,
            default_behavior=self._behaviour(stage, secret),
        )
        acknowledge(made, "AwsSolutions-CFR1", "teams and their GitLab are wherever they are; tokens decide who may")
        acknowledge(made, "AwsSolutions-CFR3", "HTTP API logs each request, and the web ACL counts what it refuses")
        return made

    def _behaviour(self, stage: StageSettings, secret: SecretValue) -> cloudfront.BehaviorOptions:
        # a dynamic reference: CloudFormation looks it up, and no template holds it
        carried = {EDGE_HEADER: secret.unsafe_unwrap()}
        viewer = cloudfront.Function(
            self,
            "Viewer",
            code=cloudfront.FunctionCode.from_inline(NAME_THE_VIEWER),
            runtime=cloudfront.FunctionRuntime.JS_2_0,
        )
        return cloudfront.BehaviorOptions(
            origin=origins.HttpOrigin(
                origin(stage),
                protocol_policy=cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
                origin_ssl_protocols=[cloudfront.OriginSslPolicy.TLS_V1_2],
                custom_headers=carried,
            ),
            allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
            cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
            origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
            function_associations=[
                cloudfront.FunctionAssociation(function=viewer, event_type=cloudfront.FunctionEventType.VIEWER_REQUEST)
            ],
        )

    def _web_acl(self, stage: StageSettings) -> waf.CfnWebACL:
        kept_by_aws = [managed(name, priority) for priority, name in enumerate(MANAGED, start=1)]
        return web_acl(self, f"stoa-{stage.name}", [at_most(PER_ADDRESS, 0, but=MACHINES), *kept_by_aws])
