"""Lambda functions as cdk/wiring.py declares them: code, role, log, settings."""

from collections.abc import Mapping

from aws_cdk import AssetHashType, Duration, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk import packaging
from cdk.addresses import addresses
from cdk.grants import needs, readable
from cdk.packaging import PACKAGES, Architecture, Package
from cdk.stacks import permissions
from cdk.stacks.acknowledged import acknowledge
from cdk.stacks.cluster import ClusterStack
from cdk.stacks.data import DataStack
from cdk.stacks.database import DATABASE, USER
from cdk.stacks.edge_secret import edge_secret
from cdk.stacks.logs import RETENTION, log_key
from cdk.stacks.network import NetworkStack
from cdk.stages import StageSettings
from cdk.wiring import Function

DAILY_S = 3600  # a tick of the night is worth waiting for so long
PRIVATE = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
RUNTIME = lambda_.Runtime.PYTHON_3_13
OLDER_RUNTIME = "the layers hold bytecode and wheels of Python 3.13 (cdk/packaging.py); all of it moves together"


def architecture(scope: Construct) -> Architecture:
    """arm64, unless the context `lambda_arch` says x86_64 (for an emulator). Raises ValueError."""
    given = scope.node.try_get_context("lambda_arch") or "arm64"
    if given not in packaging.PLATFORMS:
        raise ValueError(f"lambda_arch is arm64 or x86_64, not {given}")
    return "x86_64" if given == "x86_64" else "arm64"


def architecture_of(processor: Architecture) -> lambda_.Architecture:
    return lambda_.Architecture.X86_64 if processor == "x86_64" else lambda_.Architecture.ARM_64


def code(scope: Construct, package: Package) -> lambda_.AssetCode:
    """Built, or under the same hash its source folder where the context `bundle` is false. Raises PackagingError."""
    bundled = str(scope.node.try_get_context("bundle")).lower() != "false"
    folder = package.build(PACKAGES, packaging.interpreter()) if bundled else package.source
    return lambda_.Code.from_asset(str(folder), asset_hash=package.digest, asset_hash_type=AssetHashType.CUSTOM)


def layer(scope: Construct, construct_id: str, package: Package) -> lambda_.LayerVersion:
    """It stays when it is replaced: versions of functions that are still live use it."""
    return lambda_.LayerVersion(
        scope,
        construct_id,
        code=code(scope, package),
        compatible_runtimes=[RUNTIME],
        removal_policy=RemovalPolicy.RETAIN,
    )


def accept_runtime(function: lambda_.Function) -> None:
    acknowledge(function, "AwsSolutions-L1", OLDER_RUNTIME)


class Functions(Construct):
    """What the functions of one stack share, and the functions it `add`s."""

    def __init__(
        self, stack: Stack, *, stage: StageSettings, network: NetworkStack, data: DataStack, cluster: ClusterStack
    ) -> None:
        super().__init__(stack, "Functions")
        self._stage, self._network, self._data, self._cluster = stage, network, data, cluster
        self._key: kms.Key = log_key(stack)
        self._architecture = architecture(self)
        self._layers = [
            layer(self, "Dependencies", packaging.dependencies(self._architecture)),
            layer(self, "Platform", packaging.platform()),
        ]
        self._edge_secret = edge_secret(self, stage)

    def add(
        self, function: Function, *, reserved: int | None = None, snap_start: lambda_.SnapStartConf | None = None
    ) -> lambda_.Function:
        """Raises ValueError for a grant that nobody knows. An event that its schedule sends is tried once: the next
        one does what it did not."""
        scope = Construct(self, function.name)
        log_group = self.log_group(scope)
        kept = self._secrets(function)
        access = permissions.Access(
            self._data, self._stage.domain, log_group, [kept[name] for name in readable(function)]
        )
        made = lambda_.Function(
            scope,
            "Function",
            description=function.summary,
            code=code(self, packaging.function(function.name)),
            handler=f"functions.{function.name}.handler.handler",
            runtime=RUNTIME,
            architecture=architecture_of(self._architecture),
            layers=self._layers,
            role=permissions.role(scope, function, access),
            memory_size=function.memory_mb,
            timeout=Duration.seconds(function.timeout_s),
            environment=self._environment(function, kept),
            vpc=self._network.vpc,
            vpc_subnets=PRIVATE,
            security_groups=[self._network.firewall.functions],
            tracing=lambda_.Tracing.ACTIVE,
            log_group=log_group,
            reserved_concurrent_executions=reserved,
            snap_start=snap_start,
            retry_attempts=0 if function.ticks else None,
            max_event_age=Duration.seconds(max(60, function.every_s or DAILY_S)) if function.ticks else None,
        )
        accept_runtime(made)
        return made

    def log_group(self, scope: Construct) -> logs.LogGroup:
        kept = RETENTION[self._stage.log_retention_days]
        return logs.LogGroup(scope, "Logs", retention=kept, encryption_key=self._key)

    def _secrets(self, function: Function) -> Mapping[str, secretsmanager.ISecret]:
        """All there are, by the names of Settings' fields."""
        elsewhere = {"kafka_ca": self._cluster.kafka_ca, "edge_secret": self._edge_secret}
        if function.speaks_kafka:
            elsewhere["kafka_credentials"] = self._data.kafka_credentials[function.name]
        return {**self._data.secrets, **elsewhere}

    def _environment(self, function: Function, kept: Mapping[str, secretsmanager.ISecret]) -> dict[str, str]:
        """No secret is in it, only where each is kept."""
        known = {
            **addresses(self._stage),
            "database_url": f"postgresql://{USER}@{self._data.proxy.endpoint}:5432/{DATABASE}",
            "database_login": "iam",
            "database_role": "",
            "kafka_bootstrap": self._cluster.bootstrap_servers,
            "kafka_login": "scram",
            "archive_bucket": self._data.archive.bucket_name,
        }
        wanted = needs(function)
        plain = {f"STOA_{name.upper()}": known[name] for name in wanted.settings}
        stored = {f"STOA_{name.upper()}_SECRET": kept[name].secret_arn for name in wanted.secrets}
        return {"STOA_FUNCTION": function.name, "STOA_STAGE": self._stage.name, **plain, **stored}
