"""Log groups: kept as long as the stage says, encrypted with a key of their stack."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs

RETENTION = {
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}


def log_key(stack: Stack) -> kms.Key:
    """CloudWatch Logs may use it for this stack's log groups, whose generated names begin with the stack's."""
    key = kms.Key(stack, "LogKey", description=f"Logs of {stack.stack_name}", enable_key_rotation=True)
    logs_may_use(key, f"{stack.stack_name}-*")
    return key


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
