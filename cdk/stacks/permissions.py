"""What a function's role may do: from the grants of cdk/wiring.py to statements of IAM, and nothing else.

The library adds no permission to these roles (`without_policy_updates`), so that this page is the whole of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import ArnFormat, Fn, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk.stacks.acknowledged import acknowledge, acknowledge_resource
from cdk.stacks.data import DataStack
from cdk.stacks.database import USER
from cdk.wiring import Function

# of a function in a VPC, and of the pollers of an event source mapping, which work as its role
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html, with-kafka-permissions.html
INTERFACES = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ec2:UnassignPrivateIpAddresses",
)
EVERYTHING = (
    "Lambda checks for its network interfaces with no resource named, and refuses a role that names any; the function's"
    " own code is denied them. X-Ray has no resource-level permissions."
)
OBJECTS = "objects of the archive are named by the offsets of records, which nobody knows before"


@dataclass(frozen=True)
class Access:
    """What the statements are made of; `secrets` are those that this function reads."""

    data: DataStack
    domain: str
    log_group: logs.LogGroup
    secrets: Sequence[secretsmanager.ISecret]


def role(scope: Construct, function: Function, access: Access) -> iam.IRole:
    """The function's role, as it will stay."""
    made = sealed(scope, statements(scope, function, access))
    if "s3:archive" in function.grants:
        acknowledge_resource(made, access.data.archive.arn_for_objects("*"), OBJECTS)
    return made.without_policy_updates()


def sealed(scope: Construct, allowed: Sequence[iam.PolicyStatement]) -> iam.Role:
    """A role of Lambda with these statements."""
    policy = {"own": iam.PolicyDocument(statements=[*allowed], minimize=False)}
    made = iam.Role(scope, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"), inline_policies=policy)
    acknowledge(made, "AwsSolutions-IAM5[Resource::*]", EVERYTHING)
    return made


def statements(scope: Construct, function: Function, access: Access) -> list[iam.PolicyStatement]:
    """All that the function's role may do."""
    by_grant = {
        "database": lambda: [database_login(scope, access.data, USER)],
        "ses": lambda: [_mail(scope, access.domain)],
        "s3:archive": lambda: _archive(scope, access.data),
    }
    found = [*running(scope, access.log_group), *reading(scope, access.secrets)]
    for grant in function.grants:
        found += by_grant.get(grant, list)()
    return found


def running(scope: Construct, log_group: logs.LogGroup) -> list[iam.PolicyStatement]:
    """What every function takes: its log, its traces, its place in the VPC."""
    own_code = Stack.of(scope).format_arn(
        service="lambda",
        resource="function",
        resource_name=f"{Stack.of(scope).stack_name}-*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    denied = iam.PolicyStatement(
        sid="InterfacesAreNotForCode",
        effect=iam.Effect.DENY,
        actions=list(INTERFACES),
        resources=["*"],
        conditions={"ArnLike": {"lambda:SourceFunctionArn": own_code}},
    )
    return [
        _allow("Log", ["logs:CreateLogStream", "logs:PutLogEvents"], [log_group.log_group_arn]),
        _allow("Traces", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"]),
        _allow("Interfaces", INTERFACES, ["*"]),
        denied,
    ]


def reading(scope: Construct, secrets: Sequence[secretsmanager.ISecret]) -> list[iam.PolicyStatement]:
    """These secrets, and their keys for no other purpose."""
    arns = [secret.secret_full_arn or f"{secret.secret_arn}-??????" for secret in secrets]
    if not arns:
        return []
    keys = _distinct(secret.encryption_key for secret in secrets)
    return [
        _allow("Secrets", ["secretsmanager:GetSecretValue"], arns),
        *_by_way_of(scope, "Secret", "secretsmanager", ["kms:Decrypt"], keys),
    ]


def database_login(scope: Construct, data: DataStack, user: str) -> iam.PolicyStatement:
    """A token of this role opens the proxy for `user`."""
    proxy = Fn.select(6, Fn.split(":", data.proxy.db_proxy_arn))
    arn = Stack.of(scope).format_arn(
        service="rds-db",
        resource="dbuser",
        resource_name=f"{proxy}/{user}",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    return _allow("Database", ["rds-db:connect"], [arn])


def _mail(scope: Construct, domain: str) -> iam.PolicyStatement:
    identity = Stack.of(scope).format_arn(service="ses", resource="identity", resource_name=domain)
    return _allow("Mail", ["ses:SendEmail", "ses:SendRawEmail"], [identity])


def _archive(scope: Construct, data: DataStack) -> list[iam.PolicyStatement]:
    """Objects are added and read; none is overwritten (stoa/adapters/s3.py) or deleted."""
    return [
        _allow("ArchiveObjects", ["s3:GetObject", "s3:PutObject"], [data.archive.arn_for_objects("*")]),
        _allow("ArchiveNames", ["s3:ListBucket"], [data.archive.bucket_arn]),
        *_by_way_of(scope, "Archive", "s3", ["kms:Decrypt", "kms:GenerateDataKey"], [data.data_key]),
    ]


def _by_way_of(
    scope: Construct, name: str, service: str, actions: Sequence[str], keys: Sequence[kms.IKey]
) -> list[iam.PolicyStatement]:
    """Keys for what a service does in the role's name, and not for its own data."""
    if not keys:
        return []
    via = {"StringLike": {"kms:ViaService": f"{service}.*.amazonaws.com"}}
    return [
        iam.PolicyStatement(
            sid=f"{name}Keys", actions=[*actions], resources=[key.key_arn for key in keys], conditions=via
        )
    ]


def _distinct(keys: Iterable[kms.IKey | None]) -> list[kms.IKey]:
    found: Mapping[str, kms.IKey] = {key.key_arn: key for key in keys if key is not None}
    return list(found.values())


def _allow(sid: str, actions: Sequence[str], resources: Sequence[str]) -> iam.PolicyStatement:
    return iam.PolicyStatement(sid=sid, actions=[*actions], resources=[*resources])
