"""The right of CloudWatch Logs to use a key, for some log groups only."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms


def logs_may_use(key: kms.Key, group: str) -> None:
    """`group` is the name of a log group of this account and region; a `*` at its end stands for any."""
    stack = key.stack
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
            actions=["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
            resources=["*"],  # a key's policy speaks of that key only
            conditions={
                "ArnLike": {
                    "kms:EncryptionContext:aws:logs:arn": stack.format_arn(
                        service="logs", resource=f"log-group:{group}"
                    )
                }
            },
        )
    )
