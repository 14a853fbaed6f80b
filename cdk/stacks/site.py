"""One browser app: files in a bucket that only its CloudFront distribution reads."""

from dataclasses import dataclass
from pathlib import Path

from aws_cdk import CfnElement, Duration, Stack, aws_logs
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_deployment as deployment
from constructs import Construct

from cdk.stacks.acknowledged import acknowledge
from cdk.stacks.buckets import closed_bucket

ROUTE = Path(__file__).resolve().parents[1] / "web" / "route.js"
NAMED_BY_CONTENT = "assets/*"  # whose names change with what is in them
FOR_EVER = deployment.CacheControl.from_string("public, max-age=31536000, immutable")
ASK_AGAIN = deployment.CacheControl.from_string("no-cache")


@dataclass(frozen=True)
class Upload:
    """`bundle` is the folder that the app's build writes, `log_group` where it is told what happened to its files."""

    bundle: Path
    log_group: aws_logs.ILogGroup


class Site(Construct):
    """`https://<domain>`. Without an `upload` it has no files."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        domain: str,
        zone: route53.IHostedZone,
        acl_arn: str,
        headers: cloudfront.ResponseHeadersPolicy,
        logs: s3.IBucket,
        upload: Upload | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._domain, self._zone, self._logs = domain, zone, logs
        self._bucket = self._files()
        self._distribution = self._distributed(acl_arn, headers)
        alias = route53.RecordTarget.from_alias(targets.CloudFrontTarget(self._distribution))
        route53.ARecord(self, "Name", zone=zone, record_name=f"{domain}.", target=alias)
        route53.AaaaRecord(self, "Name6", zone=zone, record_name=f"{domain}.", target=alias)
        if upload is not None:
            self._upload(upload)

    def _files(self) -> s3.Bucket:
        """All that is in it is public through CloudFront, and made anew by a build."""
        return closed_bucket(
            self,
            "Files",
            server_access_logs_bucket=self._logs,
            server_access_logs_prefix=f"s3/{self.node.id}/",
            lifecycle_rules=[s3.LifecycleRule(noncurrent_version_expiration=Duration.days(30))],
        )

    def _behaviours(
        self, headers: cloudfront.ResponseHeadersPolicy
    ) -> tuple[cloudfront.BehaviorOptions, cloudfront.BehaviorOptions]:
        """Of pages, which are never cached here, so a new one needs no invalidation; and of what pages refer to."""
        origin = origins.S3BucketOrigin.with_origin_access_control(self._bucket)
        route = cloudfront.Function(
            self,
            "Route",
            code=cloudfront.FunctionCode.from_file(file_path=str(ROUTE)),
            runtime=cloudfront.FunctionRuntime.JS_2_0,
            comment="Every page of the app is index.html",
        )
        runs = cloudfront.FunctionAssociation(function=route, event_type=cloudfront.FunctionEventType.VIEWER_REQUEST)

        def behaviour(cache: cloudfront.ICachePolicy) -> cloudfront.BehaviorOptions:
            return cloudfront.BehaviorOptions(
                origin=origin,
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
                allowed_methods=cloudfront.AllowedMethods.ALLOW_GET_HEAD,
                cache_policy=cache,
                response_headers_policy=headers,
                function_associations=[runs],
            )

        policies = cloudfront.CachePolicy
        return behaviour(policies.CACHING_DISABLED), behaviour(policies.CACHING_OPTIMIZED)

    def _distributed(self, acl_arn: str, headers: cloudfront.ResponseHeadersPolicy) -> cloudfront.Distribution:
        pages, named = self._behaviours(headers)
        validation = acm.CertificateValidation.from_dns(self._zone)
        distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=self._domain,
            domain_names=[self._domain],
            certificate=acm.Certificate(self, "Certificate", domain_name=self._domain, validation=validation),
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            price_class=cloudfront.PriceClass.PRICE_CLASS_100,
            default_root_object="index.html",
            default_behavior=pages,
            additional_behaviors={f"/{NAMED_BY_CONTENT}": named},
            enable_logging=True,
            log_bucket=self._logs,
            log_file_prefix=f"cloudfront/{self.node.id}/",
            web_acl_id=acl_arn,
        )
        reason = "People sign in from wherever they are; who may what, Keycloak decides."
        acknowledge(distribution, "AwsSolutions-CFR1", reason)
        return distribution

    def _upload(self, upload: Upload) -> None:
        """First what a page refers to, then the page. What older pages refer to stays: some are still open."""
        source = [deployment.Source.asset(str(upload.bundle))]
        named = deployment.BucketDeployment(
            self,
            "Named",
            sources=source,
            destination_bucket=self._bucket,
            exclude=["*"],
            include=[NAMED_BY_CONTENT],
            cache_control=[FOR_EVER],
            log_group=upload.log_group,
            prune=False,
        )
        rest = deployment.BucketDeployment(
            self,
            "Rest",
            sources=source,
            destination_bucket=self._bucket,
            exclude=[NAMED_BY_CONTENT],
            cache_control=[ASK_AGAIN],
            log_group=upload.log_group,
            prune=False,
        )
        rest.node.add_dependency(named)
        accept_uploader(rest, self._bucket)


def accept_uploader(upload: deployment.BucketDeployment, bucket: s3.Bucket) -> None:
    """The function that copies the files is the library's own, one for a stack, and so are its rights."""
    stack = Stack.of(upload)
    role = upload.handler_role
    copies = "It copies whatever files a build has written, from the bucket of assets to the one of the site."
    resource = bucket.node.default_child
    assert isinstance(resource, CfnElement)  # noqa: S101  it is an AWS::S3::Bucket
    places = (
        f"<{stack.get_logical_id(resource)}.Arn>/*",
        f"arn:aws:s3:::cdk-hnb659fds-assets-<AWS::AccountId>-{stack.region}/*",
    )
    actions = ("GetBucket*", "GetObject*", "List*", "Abort*", "DeleteObject*")
    found = (*(f"Resource::{place}" for place in places), *(f"Action::s3:{action}" for action in actions))
    policy = role.node.find_child("DefaultPolicy")
    for one in found:
        acknowledge(policy, f"AwsSolutions-IAM5[{one}]", copies)
    basic = "arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    acknowledge(role, f"AwsSolutions-IAM4[Policy::{basic}]", "What a function needs to write its log.")
    function = role.node.scope
    assert function is not None  # noqa: S101  a role that a function made is below it
    acknowledge(function, "AwsSolutions-L1", "The runtime is the library's choice, tested with its function.")
