"""The two browser apps: console for those who run the platform, portal for developers."""

from pathlib import Path
from typing import Any

from aws_cdk import Duration, Environment, Stack, aws_logs
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.stacks.buckets import log_bucket
from cdk.stacks.edge_secret import EDGE_REGION
from cdk.stacks.logs import RETENTION, log_key
from cdk.stacks.site import Site, Upload
from cdk.stacks.web_acl import at_most, managed, web_acl
from cdk.stacks.zone import hosted_zone
from cdk.stages import StageSettings

SITES = ("console", "portal")
BUNDLES = Path(__file__).resolve().parents[2] / "web"
TWO_YEARS = Duration.days(730)
ATTACKERS = "AWSManagedRulesAmazonIpReputationList"
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
        super().__init__(scope, construct_id, env=Environment(region=EDGE_REGION), **kwargs)
        zone = hosted_zone(self, stage)
        # CloudFront needs its ACL
        owned = s3.ObjectOwnership.BUCKET_OWNER_PREFERRED
        logs = log_bucket(self, "Logs", days=stage.log_retention_days, object_ownership=owned)
        headers = self._headers(api_domain, identity_domain)
        # the files are public and cannot be changed from outside: this keeps known attackers and floods off the bill
        acl = web_acl(self, f"stoa-{stage.name}-web", [managed(ATTACKERS, 0), at_most(REQUESTS_IN_FIVE_MINUTES, 1)])
        bundled = {name: bundles / name / "dist" for name in SITES if (bundles / name / "dist").is_dir()}
        uploads = self._log_of_uploads(stage) if bundled else None
        for name in SITES:
            Site(
                self,
                name,
                domain=f"{name}.{stage.domain}",
                zone=zone,
                acl_arn=acl.attr_arn,
                headers=headers,
                logs=logs,
                upload=Upload(bundled[name], uploads) if uploads and name in bundled else None,
            )

    def _log_of_uploads(self, stage: StageSettings) -> aws_logs.LogGroup:
        """Of one function, which the library makes for all uploads of a stack with the first of them."""
        kept = RETENTION[stage.log_retention_days]
        return aws_logs.LogGroup(self, "Uploads", retention=kept, encryption_key=log_key(self))

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
