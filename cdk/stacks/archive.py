"""The memory of the log: every event in S3, kept from change and deletion for as long as an audit may ask."""

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.stacks.buckets import closed_bucket, log_bucket
from cdk.stages import StageSettings
from cdk.wiring import TOPICS

LOCK_DAYS = max(topic.retention_days for topic in TOPICS)  # that of audit-log


class Archive(Construct):
    """`bucket`. It never forgets: a replay begins with the first event. Old ones only move to where they cost less;
    none goes where it would have to be asked back hours before."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: StageSettings, key: kms.Key) -> None:
        super().__init__(scope, construct_id)
        self.bucket = closed_bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            object_lock_enabled=True,
            object_lock_default_retention=_lock(stage),
            server_access_logs_bucket=log_bucket(self, "AccessLogs", days=stage.log_retention_days),
            server_access_logs_prefix="archive/",
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="old-is-cheaper",
                    transitions=[
                        s3.Transition(
                            storage_class=s3.StorageClass.INFREQUENT_ACCESS, transition_after=Duration.days(90)
                        ),
                        s3.Transition(
                            storage_class=s3.StorageClass.GLACIER_INSTANT_RETRIEVAL, transition_after=Duration.days(365)
                        ),
                    ],
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                )
            ],
        )


def _lock(stage: StageSettings) -> s3.ObjectLockRetention:
    days = Duration.days(LOCK_DAYS)
    if stage.archive_lock == "compliance":
        return s3.ObjectLockRetention.compliance(days)
    return s3.ObjectLockRetention.governance(days)
