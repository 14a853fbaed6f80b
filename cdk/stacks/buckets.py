"""Buckets that nobody reads past TLS 1.2, and nobody from outside."""

from typing import Any

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct


def closed_bucket(scope: Construct, construct_id: str, **more: Any) -> s3.Bucket:
    """Kept when its stack is removed. With S3's own encryption and without ACLs, unless `more` says otherwise."""
    settings = {
        "encryption": s3.BucketEncryption.S3_MANAGED,
        "object_ownership": s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        "enforce_ssl": True,
        "minimum_tls_version": 1.2,
        "block_public_access": s3.BlockPublicAccess.BLOCK_ALL,
        "versioned": True,
        "removal_policy": RemovalPolicy.RETAIN,
    }
    return s3.Bucket(scope, construct_id, **{**settings, **more})


def log_bucket(scope: Construct, construct_id: str, *, days: int, **more: Any) -> s3.Bucket:
    """For logs of S3, CloudFront and load balancers, which are delivered to no bucket with a key of ours."""
    ends = s3.LifecycleRule(
        expiration=Duration.days(days),
        noncurrent_version_expiration=Duration.days(7),
        abort_incomplete_multipart_upload_after=Duration.days(7),
    )
    return closed_bucket(scope, construct_id, lifecycle_rules=[ends], **more)
