"""What a request carries that came through the edge: made in the edge's stack, read by the API's function.

CloudFront takes its web ACL and its certificate from us-east-1 only, wherever the stage is, so that stack is there and
its secret with it. No stack can name another one's resources across regions without naming its own, hence the name.

It is JSON, of one secret by its name, and of two while they change: CloudFront carries one, the function takes each.
"""

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk.stages import StageSettings

EDGE_REGION = "us-east-1"
FIRST = "1"  # the name of the secret that the stack makes; with another one here it would make all anew


def edge_secret_name(stage: StageSettings) -> str:
    return f"stoa-{stage.name}-edge"


def edge_secret(scope: Construct, stage: StageSettings) -> secretsmanager.ISecret:
    """By the ARN without its last characters, which nobody knows before."""
    arn = Stack.of(scope).format_arn(
        service="secretsmanager",
        region=EDGE_REGION,
        resource="secret",
        resource_name=edge_secret_name(stage),
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    return secretsmanager.Secret.from_secret_partial_arn(scope, "EdgeSecret", arn)
