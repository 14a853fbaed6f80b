"""The cluster's stack beside stand-ins for what others build, in an app that refuses what ours refuses."""

from aws_cdk import App, Stack, Stage, Tags
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk.app import guarded
from cdk.stacks.cluster import ClusterStack
from cdk.stacks.cluster_secrets import Database
from cdk.stacks.kafka_access import kafka_users
from cdk.stacks.network import NetworkStack
from cdk.stages import StageSettings


class FirewallStandIn:
    def __init__(self, scope: Construct, vpc: ec2.Vpc) -> None:
        self.nodes = ec2.SecurityGroup(scope, "Nodes", vpc=vpc, allow_all_outbound=True)
        self.functions = ec2.SecurityGroup(scope, "Functions", vpc=vpc, allow_all_outbound=False)


class NetworkStandIn:
    def __init__(self, network: NetworkStack) -> None:
        self.vpc = network.vpc
        self.firewall = FirewallStandIn(network, network.vpc)


class DatabaseStandIn:
    def __init__(self, scope: Construct) -> None:
        self.secret: secretsmanager.ISecret | None = secretsmanager.Secret.from_secret_name_v2(
            scope, "Master", "stoa/dev/master"
        )
        self.db_instance_endpoint_address = "stoa.rds.internal"


class DataStandIn:
    def __init__(self, scope: Construct) -> None:
        self.database: Database = DatabaseStandIn(scope)
        self.data_key = kms.Key(scope, "DataKey", enable_key_rotation=True)
        search = secretsmanager.Secret.from_secret_name_v2(scope, "Search", "stoa/dev/opensearch_password")
        self.secrets: dict[str, secretsmanager.ISecret] = {"opensearch_password": search}
        self.kafka_credentials: dict[str, secretsmanager.ISecret] = {
            one.name: secretsmanager.Secret.from_secret_name_v2(scope, f"K-{one.name}", f"stoa/dev/kafka/{one.name}")
            for one in kafka_users()
        }


def cluster_app(stage: StageSettings, outdir: str) -> tuple[App, ClusterStack]:
    app = guarded(outdir)
    place = Stage(app, stage.name)
    for key, value in stage.tags.items():
        Tags.of(place).add(key, value)
    network = NetworkStack(place, "network", stage=stage, tags=dict(stage.tags))
    data = DataStandIn(Stack(place, "data", tags=dict(stage.tags)))
    stack = ClusterStack(
        place,
        "cluster",
        stage=stage,
        network=NetworkStandIn(network),
        data=data,
        stack_name=f"stoa-{stage.name}-cluster",
        tags=dict(stage.tags),
    )
    return app, stack
