"""The two browser apps: console for those who run the platform, portal for developers."""

from pathlib import Path
from typing import Any

from aws_cdk import Duration, Environment, RemovalPolicy, Stack
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ssm as ssm
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from cdk.stacks.site import Site
from cdk.stages import StageSettings

SITES = ("console", "portal")
BUNDLES = Path(__file__).resolve().parents[2] / "web"
TWO_YEARS = Duration.days(730)
REQUESTS_IN_FIVE_MINUTES = 2000  # of one address; a page and its parts are some thirty


class WebStack(Stack):
    """`https://console.<domain>` and `https://portal.<domain>`.

    It stands in us-east-1 wherever its stage is: CloudFront takes certificates and web ACLs from there only, and the
    rest of it has no region. It takes names of other stacks as text, since one that has a region can refer to none
    without. The SSM parameter `/stoa/<stage>/hosted-zone-id` must be there too.

    `bundles` has a folder `<site>/dist` for each app that was built.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: StageSettings,
        api_domain: str,
        identity_domain: str,
        bundles: Path = BUNDLES,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, env=Environment(region="us-east-1"), **kwargs)
        zone = route53.HostedZone.from_hosted_zone_attributes(
            self,
            "Zone",
            hosted_zone_id=ssm.StringParameter.value_for_string_parameter(self, f"/stoa/{stage.name}/hosted-zone-id"),
            zone_name=stage.domain,
        )
        logs = self._log_bucket(stage)
        headers = self._headers(api_domain, identity_domain)
        acl = self._acl(stage)
        for name in SITES:
            Site(
                self,
                name,
                domain=f"{name}.{stage.domain}",
                zone=zone,
                acl_arn=acl.attr_arn,
                headers=headers,
                logs=logs,
                bundle=bundles / name / "dist",
            )

    def _headers(self, api_domain: str, identity_domain: str) -> cloudfront.ResponseHeadersPolicy:
        return cloudfront.ResponseHeadersPolicy(
            self,
            "Headers",
            comment="What a browser may do with our pages",
            security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(
                content_security_policy=cloudfront.ResponseHeadersContentSecurityPolicy(
                    content_security_policy=content_security_policy(api_domain, identity_domain), override=True
                ),
                strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
                    access_control_max_age=TWO_YEARS, include_subdomains=True, override=True
                ),
                content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
                frame_options=cloudfront.ResponseHeadersFrameOptions(
                    frame_option=cloudfront.HeadersFrameOption.DENY, override=True
                ),
                referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
                    referrer_policy=cloudfront.HeadersReferrerPolicy.NO_REFERRER, override=True
                ),
            ),
            custom_headers_behavior=cloudfront.ResponseCustomHeadersBehavior(
                custom_headers=[
                    cloudfront.ResponseCustomHeader(header=name, value=value, override=True)
                    for name, value in (
                        ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
                        ("Cross-Origin-Opener-Policy", "same-origin"),
                    )
                ]
            ),
        )

    def _acl(self, stage: StageSettings) -> wafv2.CfnWebACL:
        """The files are public and cannot be changed from outside: it keeps known attackers and floods off the bill."""

        def seen(name: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
            return wafv2.CfnWebACL.VisibilityConfigProperty(
                cloud_watch_metrics_enabled=True, metric_name=f"stoa-{stage.name}-{name}", sampled_requests_enabled=True
            )

        reputation = wafv2.CfnWebACL.ManagedRuleGroupStatementProperty(
            vendor_name="AWS", name="AWSManagedRulesAmazonIpReputationList"
        )
        rate = wafv2.CfnWebACL.RateBasedStatementProperty(limit=REQUESTS_IN_FIVE_MINUTES, aggregate_key_type="IP")
        return wafv2.CfnWebACL(
            self,
            "Acl",
            scope="CLOUDFRONT",
            default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=seen("web"),
            rules=[
                wafv2.CfnWebACL.RuleProperty(
                    name="known-attackers",
                    priority=0,
                    override_action=wafv2.CfnWebACL.OverrideActionProperty(none={}),
                    statement=wafv2.CfnWebACL.StatementProperty(managed_rule_group_statement=reputation),
                    visibility_config=seen("web-known-attackers"),
                ),
                wafv2.CfnWebACL.RuleProperty(
                    name="floods",
                    priority=1,
                    action=wafv2.CfnWebACL.RuleActionProperty(block={}),
                    statement=wafv2.CfnWebACL.StatementProperty(rate_based_statement=rate),
                    visibility_config=seen("web-floods"),
                ),
            ],
        )

    def _log_bucket(self, stage: StageSettings) -> s3.Bucket:
        return s3.Bucket(
            self,
            "Logs",
            # neither S3 nor CloudFront delivers logs to a bucket with a key of ours, and CloudFront needs its ACL
            encryption=s3.BucketEncryption.S3_MANAGED,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_PREFERRED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            versioned=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=Duration.days(stage.log_retention_days),
                    noncurrent_version_expiration=Duration.days(7),
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                )
            ],
            removal_policy=RemovalPolicy.RETAIN,
        )


def content_security_policy(api_domain: str, identity_domain: str) -> str:
    """Own files, and requests to our API and to Keycloak; no inline code, no frames, in neither direction."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "manifest-src 'self'",
            f"connect-src 'self' https://{api_domain} https://{identity_domain}",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "upgrade-insecure-requests",
        )
    )
